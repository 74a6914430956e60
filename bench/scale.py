#!/usr/bin/python3
"""How long changes take with a large configuration: by default 200 filters of 1,000 rules each and
1,000 sessions. Each round is a fresh daemon in network namespaces of its own."""

import argparse
import datetime
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "netns"))

from mirror import Mirror  # noqa: E402
from client import Api  # noqa: E402

AIMS = {"apply": 2.0, "rule, API": 0.1, "rule, CLI": 0.1}  # seconds
RULE_CHANGES = 10  # a round
TICKS = os.sysconf("SC_CLK_TCK")


def rules(count):
    return [{"priority": n + 1, "policy": "ignore" if n % 3 else "collect", "protocol": "tcp",
             "source_cidr": f"10.{n // 256}.{n % 256}.0/24", "destination_cidr": "10.128.0.0/9",
             "destination_port": f"{n + 1}/{n + 1024}"} for n in range(count)]


def document(options, description):
    """The same with another description is another document in each of its filters."""
    filters, sessions = options.filters, options.sessions
    return {"filters": [{"name": f"filter{n}", "description": description,
                         "inbound": rules(options.inbound), "outbound": rules(options.outbound)}
                        for n in range(filters)],
            "sessions": [{"name": f"session{n}", "filter": f"filter{n % filters}",
                          "sources": ["src0"], "destination": f"10.91.0.{2 + n % 250}",
                          "priority": n + 1, "enabled": True} for n in range(sessions)]}


def cpu_seconds(process):
    """User and system time of the daemon: proc(5)."""
    fields = Path(f"/proc/{process.popen.pid}/stat").read_text().rpartition(")")[2].split()
    return [int(field) / TICKS for field in fields[11:13]]


def peak_memory(process):
    """Bytes."""
    for line in Path(f"/proc/{process.popen.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024


def seconds_to_ready(lab):
    """By the daemon's own log, since whoever waits for it looks only now and then."""
    start = time.time()
    log = lab.start_daemon().log.read_text()
    line = next(line for line in log.splitlines() if "ready: " in line)
    stamp = line[1:line.index("]")]  # [2026-01-31 12:00:00.000]
    return datetime.datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S.%f").timestamp() - start


class Round:
    """`samples`: what was done -> a list of seconds: wall, user and system time of the daemon."""

    def __init__(self, samples, file, changed):
        self.samples = samples
        self.file = file
        self.changed = changed

    def add(self, what, wall, before=(0, 0)):
        after = cpu_seconds(self.lab.daemon)
        self.samples.setdefault(what, []).append((wall, after[0] - before[0], after[1] - before[1]))

    def measure(self, what, call, *arguments, **options):
        before, start = cpu_seconds(self.lab.daemon), time.monotonic()
        result = call(*arguments, **options)
        self.add(what, time.monotonic() - start, before)
        return result

    def run(self):
        """Gives the peak memory of the daemon that took the document, in bytes."""
        with Mirror() as self.lab:
            self.add("start, empty", seconds_to_ready(self.lab))
            self.measure("apply", self.lab.vxtap, "apply", "-f", self.file)
            self.measure("apply, unchanged", self.lab.vxtap, "apply", "-f", self.file)
            self.change_rules()
            self.measure("apply, all changed", self.lab.vxtap, "apply", "-f", self.changed)
            memory = peak_memory(self.lab.daemon)
            exported = self.measure("export", self.lab.vxtap, "export").stdout
            self.lab.daemon.stop()
            self.add("start", seconds_to_ready(self.lab))
            assert self.lab.vxtap("export").stdout == exported
            self.measure("prune", self.lab.vxtap, "apply", "-f", "-", "--prune",
                         input='{"filters": [], "sessions": []}')
        return memory

    def change_rules(self):
        api = Api(self.lab.socket)
        for n in range(RULE_CHANGES):
            ports = f"1/{n + 1}"
            self.measure("rule, API", api.do, "PATCH", "/v1/filters/filter0/rules/inbound/1",
                         {"destination_port": ports})
            self.measure("rule, CLI", self.lab.vxtap, "rule", "update", "filter0", "--direction",
                         "inbound", "--priority", "2", "--destination-port", ports)


def machine():
    info = Path("/proc/cpuinfo").read_text()
    model = next((line.partition(": ")[2] for line in info.splitlines() if "model name" in line),
                 platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"processor": model, "processors": os.cpu_count(), "memory_bytes": memory,
            "kernel": platform.release()}


def row(what, samples):
    walls = [wall for wall, _, _ in samples]
    return {"what": what, "samples": len(walls), "min": min(walls),
            "median": statistics.median(walls), "max": max(walls),
            "user": statistics.mean(user for _, user, _ in samples),
            "system": statistics.mean(system for _, _, system in samples),
            "aim": AIMS.get(what), "reached": max(walls) <= AIMS[what] if what in AIMS else None}


def print_table(result):
    where = result["machine"]
    print(f"{where['processors']} × {where['processor']}, {where['memory_bytes'] / 2**30:.1f} GiB, "
          f"Linux {where['kernel']}")
    print(f"{result['scale']}; daemon's peak memory {result['peak_memory_bytes'] / 2**20:.0f} MiB")
    columns = ["min", "median", "max", "user", "system"]
    print(f"{'seconds':<20}" + "".join(f"{name:>8}" for name in columns) + "  aim")
    for line in result["rows"]:
        reached = {True: "reached", False: "NOT reached", None: ""}[line["reached"]]
        figures = "".join(f"{line[name]:>8.3f}" for name in columns)
        print(f"{line['what']:<20}{figures}  {line['aim'] or ''} {reached}".rstrip())


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--filters", type=int, default=200)
    parser.add_argument("--inbound", type=int, default=500, help="rules of each filter")
    parser.add_argument("--outbound", type=int, default=500, help="rules of each filter")
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser.parse_args()


def main():
    options = arguments()
    if os.geteuid() != 0:
        sys.exit("scale.py needs root, to make network namespaces")
    samples, memory = {}, []
    with tempfile.TemporaryDirectory(prefix="vxtap-scale-") as directory:
        files = [Path(directory, f"{name}.json") for name in ("first", "changed")]
        for file in files:
            file.write_text(json.dumps(document(options, file.name)))
        for _ in range(options.rounds):
            memory.append(Round(samples, *map(str, files)).run())
    result = {"machine": machine(),
              "scale": f"{options.filters} filters of {options.inbound} + {options.outbound} rules,"
                       f" {options.sessions} sessions, {options.rounds} rounds",
              "peak_memory_bytes": max(memory), "rows": [row(*item) for item in samples.items()]}
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        print_table(result)


if __name__ == "__main__":
    main()
