"""The results as pictures: SVG, in the colours of Okabe and Ito, which the colour-blind can tell apart."""

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

COLOURS = {"nothing": "#999999", "empty program": "#F0E442", "bare clone": "#000000", "u32 + mirred": "#E69F00",
           "nft dup": "#009E73", "daemonlogger": "#CC79A7", "vxtap": "#0072B2", "vxtap, kernel": "#56B4E9"}
MARKERS = {"one flow": "o", "10,000 flows": "s", "new flows": "^"}


def draw(path, title, where, make):
    """`make` draws into the axes; the machine stands below the title."""
    figure, axes = pyplot.subplots(figsize=(9, 5), layout="constrained")
    make(axes)
    axes.set_title(f"{title}\n{where['processors']} × {where['processor']}, Linux {where['kernel']}; "
                   "medians, and extremes of the rounds", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)
    figure.savefig(path)
    pyplot.close(figure)


def bars(axes, variants, value, spread, labels):
    """A group for each variant, a bar for each peer; `spread`: least and greatest of a row."""
    peers = [peer for peer in COLOURS if any(row["peer"] == peer for v in variants for row in v["rows"])]
    width = 0.84 / len(peers)
    for n, peer in enumerate(peers):
        rows = [(place, row) for place, v in enumerate(variants) for row in v["rows"] if row["peer"] == peer]
        places = [place + (n - (len(peers) - 1) / 2) * width for place, _ in rows]
        heights = [value(row) for _, row in rows]
        least, greatest = zip(*(spread(row) for _, row in rows))
        errors = [[max(h - low, 0) for h, low in zip(heights, least)],
                  [max(high - h, 0) for h, high in zip(heights, greatest)]]
        drawn = axes.bar(places, heights, width, yerr=errors, color=COLOURS[peer], edgecolor="black", linewidth=0.4,
                         label=peer, error_kw={"elinewidth": 0.8, "capsize": 2})
        axes.bar_label(drawn, fmt=labels, fontsize=7, padding=2, rotation=90 if len(variants) > 2 else 0)
    axes.set_xticks(range(len(variants)), [v["title"].replace(", ", ",\n") for v in variants])
    axes.margins(y=0.1)
    axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))


def copies(axes, variants):
    mirrors = [{**v, "rows": [row for row in v["rows"] if row["peer"] != "nothing"]} for v in variants]
    bars(axes, mirrors, lambda row: row["added_ns"], lambda row: (row["added_min"], row["added_max"]), "%.0f")
    axes.set_ylabel("added CPU time of the sender, ns per packet")


def tcp(axes, variants):
    shown = [{**v, "title": f"underlay MTU {v['mtu']}"} for v in variants]
    giga = 1e-9
    bars(axes, shown, lambda row: row["bits_per_second"] * giga, lambda row: (row["min"] * giga, row["max"] * giga),
         "%.1f")
    axes.set_ylabel("throughput, Gbit/s")


def rules(axes, variants):
    counts = sorted({v["rules"] for v in variants})
    for peer in ("u32 + mirred", "vxtap"):
        for flows, marker in MARKERS.items():
            points = [(v["rules"], row) for v in variants if v["title"].endswith(f", {flows}")
                      for row in v["rows"] if row["peer"] == peer]
            xs, heights = [x for x, _ in points], [row["added_ns"] for _, row in points]
            errors = [[row["added_ns"] - row["added_min"] for _, row in points],
                      [row["added_max"] - row["added_ns"] for _, row in points]]
            axes.errorbar(xs, heights, yerr=errors, color=COLOURS[peer], marker=marker, markersize=5, capsize=2,
                          linestyle="-" if len(points) > 1 else "", label=f"{peer}, {flows}")
    axes.set_xscale("log")
    axes.set_xticks(counts, [f"{n:,}" for n in counts])
    axes.set_xticks([], minor=True)
    axes.set_yscale("symlog", linthresh=100)
    axes.set_ylim(bottom=0, top=max(axes.get_ylim()[1], 1000) * 2)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("rules (log scale)")
    axes.set_ylabel("added CPU time of the sender,\nns per packet (log scale above 100)")
    axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))


CHARTS = {"copies": (copies, "What a mirrored packet costs (10 rules)"),
          "rules": (rules, "What a packet costs that no rule matches"),
          "tcp": (tcp, "Bulk TCP with everything mirrored, both ways")}


def draw_all(directory, where, variants):
    for name, (make, title) in CHARTS.items():
        mine = [v for v in variants if v["case"] == name]
        if mine:
            draw(directory / f"{name}.svg", title, where, lambda axes: make(axes, mine))  # noqa: B023
