"""The results as a table on the terminal, and the goals of the bench."""

import os
import platform
import statistics
from pathlib import Path

BARE = "nothing"
RIVAL = "u32 + mirred"


def machine():
    info = Path("/proc/cpuinfo").read_text()
    model = next((line.partition(": ")[2] for line in info.splitlines() if "model name" in line),
                 platform.machine())
    return {"processor": model, "processors": os.cpu_count(), "kernel": platform.release(),
            "load": os.getloadavg()[0]}


def costs(samples):
    """A row for each peer, from its samples of the rounds. Costs are compared within a round."""
    rows = []
    for name, rounds in samples.items():
        added = [mine["cpu_ns"] - bare["cpu_ns"] for mine, bare in zip(rounds, samples[BARE])]
        rows.append({"peer": name, "cpu_ns": statistics.median(r["cpu_ns"] for r in rounds),
                     "added_ns": statistics.median(added), "added_min": min(added), "added_max": max(added),
                     "lost": sum(r["packets"] - r["copies"] for r in rounds) / sum(r["packets"] for r in rounds),
                     "samples": rounds})
    rival = next((row["added_ns"] for row in rows if row["peer"] == RIVAL), 0)
    for row in rows:
        row["ratio"] = row["added_ns"] / rival if rival > 0 and row["peer"] != BARE else None
    return rows


def ratio(figure):
    return "" if figure is None else f"{figure:.3f}"


def print_machine(where):
    print(f"{where['processors']} × {where['processor']}, Linux {where['kernel']}, load {where['load']:.1f}")


def print_table(variant, columns):
    """`columns`: heading -> the text of a row. The first one is words, the others are figures."""
    lines = [list(columns), *([text(row) for text in columns.values()] for row in variant["rows"])]
    widths = [max(map(len, cells)) for cells in zip(*lines)]
    print(f"\n{variant['case']}: {variant['title']}")
    for first, *others in lines:
        print("  ".join([first.ljust(widths[0]), *(cell.rjust(n) for cell, n in zip(others, widths[1:]))]).rstrip(),
              flush=True)
