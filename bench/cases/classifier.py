"""What the program on a source takes by itself, by the number of rules: classifier.cpp."""

import json
import statistics

from lab import BIN, run

PACKETS = ("last rule", "no rule", "new flows")


def variants(_quick):
    yield {"title": "the program alone, ns (BPF_PROG_TEST_RUN)"}


def measure(_variant, options):
    done = run(str(BIN / "classifier_bench"), "--rounds", str(options.rounds), "--core", str(options.core))
    return [{**row, **{name: statistics.median(row["samples"][name]) for name in PACKETS}}
            for row in json.loads(done.stdout)]


def columns(_variant):
    def cell(name):
        return lambda row: f"{row[name]:.0f} ({min(row['samples'][name])} … {max(row['samples'][name])})"

    return {"rules": lambda row: f"{row['rules']:,}", **{name: cell(name) for name in PACKETS}}
