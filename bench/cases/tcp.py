"""Bulk TCP from the host to the client, everything mirrored, with the offloads of a real host."""

import json
import statistics

import report
from both_ways import PEERS, Rig
from lab import CLIENT
from rig import collector_counts
from rounds import alternate


class TcpRig(Rig):
    def __init__(self, peer, underlay_mtu, core):
        self.core = core
        super().__init__(peer, underlay_mtu)

    def serve(self):
        self.lab.start("client", "iperf3", "--server", "--affinity", str(int(self.core == 0)))
        self.wait_for_listener("client", "t", 5201)

    def segments(self):
        """TCP segments, as wire packets, that both ends have sent."""
        total = 0
        for role in ("host", "client"):
            names, values = [line.split() for line in self.lab.run(role, "cat", "/proc/net/snmp").stdout.splitlines()
                             if line.startswith("Tcp:")]
            total += int(values[names.index("OutSegs")])
        return total

    def measure(self, seconds):
        segments, outer = self.segments(), collector_counts(self.lab)["packets"]
        done = self.host("iperf3", "--client", CLIENT, "--time", str(seconds), "--affinity", str(self.core), "--json")
        end = json.loads(done.stdout)["end"]
        return {"bits_per_second": end["sum_received"]["bits_per_second"],
                "retransmits": end["sum_sent"]["retransmits"],
                "segments": self.segments() - segments,
                "outer": collector_counts(self.lab)["packets"] - outer, **self.counters()}

    def counters(self):
        """vxtap's own, since the start."""
        if not self.lab.daemon:
            return {}
        totals = self.lab.session()["totals"]
        return {name: totals[name] for name in ("matched_packets", "mirrored_packets", "dropped_packets")}


def variants(quick):
    for mtu, text in ((1500, "cut to one outer packet for each"), (9000, "copies whole")):
        yield {"title": f"bulk, both ways mirrored, underlay MTU {mtu}: {text}", "mtu": mtu,
               "seconds": 1 if quick else 3, "peers": list(PEERS)}


def row(name, rounds):
    speeds = [r["bits_per_second"] for r in rounds]
    return {"peer": name, "bits_per_second": statistics.median(speeds), "min": min(speeds), "max": max(speeds),
            "outer_per_segment": sum(r["outer"] for r in rounds) / sum(r["segments"] for r in rounds),
            "dropped": rounds[-1].get("dropped_packets"), "samples": rounds}


def measure(variant, options):
    samples = alternate(options.rounds, variant["peers"],
                        lambda name: TcpRig(PEERS[name], variant["mtu"], options.core),
                        lambda _name, rig: rig.measure(variant["seconds"]))
    rows = [row(name, rounds) for name, rounds in samples.items()]
    rival = next(r["bits_per_second"] for r in rows if r["peer"] == report.RIVAL)
    return [{**r, "ratio": r["bits_per_second"] / rival} for r in rows]


def columns(_variant):
    giga = lambda bits: f"{bits / 1e9:.2f}"  # noqa: E731
    return {"peer": lambda row: row["peer"],
            "Gbit/s": lambda row: giga(row["bits_per_second"]),
            "min … max": lambda row: f"{giga(row['min'])} … {giga(row['max'])}",
            "of mirred": lambda row: report.ratio(row["ratio"]),
            "outer packets/packet": lambda row: f"{row['outer_per_segment']:.3f}",
            "dropped": lambda row: "" if row["dropped"] is None else str(row["dropped"])}
