#!/usr/bin/python3
"""What mirroring costs, side by side: peers take turns in several rounds of one run."""

import argparse
import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "netns"))
sys.dont_write_bytecode = True

import charts  # noqa: E402
import goals  # noqa: E402
import report  # noqa: E402
import scale  # noqa: E402
from cases import classifier, copies, daemon, hotplug, latency, matches, rules, sources, tcp  # noqa: E402
from lab import run  # noqa: E402

CASES = {"copies": copies, "rules": rules, "matches": matches, "sources": sources, "tcp": tcp,
         "latency": latency, "classifier": classifier, "daemon": daemon, "hotplug": hotplug}
SCALE = ROOT / "bench" / "scale.py"
OUTPUT = ROOT / "build" / "bench"


def run_case(name, options):
    done = []
    for variant in CASES[name].variants(options.quick):
        variant = {"case": name, **variant}
        variant["rows"] = CASES[name].measure(variant, options)
        report.print_table(variant, CASES[name].columns(variant))
        done.append(variant)
    return done


def arguments():
    names = [*CASES, "scale"]
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(names)}; default: all")
    parser.add_argument("--quick", action="store_true", help="fewer variants and rounds")
    parser.add_argument("--core", type=int, default=1, help="of the sender")
    options = parser.parse_args()
    for case in options.cases:
        if case not in names:
            parser.error(f"case '{case}' must be one of {', '.join(names)}")
    options.rounds, options.count = (3, 50_000) if options.quick else (5, 100_000)
    options.cases = options.cases or names
    return options


def run_scale(options):
    done = run("/usr/bin/python3", str(SCALE), "--json", *(["--rounds", "1"] if options.quick else []))
    result = json.loads(done.stdout)
    print("\nscale")
    scale.print_table(result)
    return result


def main():
    options = arguments()
    OUTPUT.mkdir(parents=True, exist_ok=True)
    where = report.machine()
    report.print_machine(where)
    variants = [variant for name in options.cases if name in CASES for variant in run_case(name, options)]
    result = {"machine": where, "variants": variants, "goals": goals.judge(variants)}
    if "scale" in options.cases:
        result["scale"] = run_scale(options)
    goals.print_goals(result["goals"])
    (OUTPUT / "bench.json").write_text(json.dumps(result, indent=2))
    charts.draw_all(OUTPUT, where, variants)


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("bench.py needs root, to make network namespaces")
    main()
