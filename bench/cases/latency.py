"""Round trips between client and host with everything mirrored. Both ends share a core, so that no
interrupt between cores, which costs more than a copy, is part of the time."""

import json
import statistics

import report
from both_ways import PEERS, Rig
from lab import BIN, HOST
from rig import collector_counts
from rounds import alternate

PROGRAM = str(BIN / "bench_round_trips")
PORTS = {"tcp": 5001, "udp": 5002}


class LatencyRig(Rig):
    def __init__(self, peer, protocol, core):
        self.words = (PROGRAM, HOST, "--protocol", protocol, "--port", str(PORTS[protocol]), "--core", str(core))
        self.protocol = protocol
        super().__init__(peer)

    def serve(self):
        self.lab.start("host", *self.words, "--serve")
        self.wait_for_listener("host", self.protocol[0], PORTS[self.protocol])

    def measure(self, count):
        before = collector_counts(self.lab)["packets"]
        times = json.loads(self.lab.run("client", *self.words, "--count", str(count)).stdout)
        return {**times, "copies": collector_counts(self.lab)["packets"] - before}


def variants(quick):
    for protocol in PORTS:
        yield {"title": f"{protocol.upper()} round trips, µs", "protocol": protocol,
               "requests": 20_000 if quick else 50_000, "peers": list(PEERS)}


def row(name, rounds, bare):
    """Compared within a round."""
    figures = {"peer": name, "samples": rounds}
    for key in ("p50", "p99"):
        values = [r[key] for r in rounds]
        figures |= {key: statistics.median(values), f"{key}_min": min(values), f"{key}_max": max(values),
                    f"{key}_ratio": statistics.median(r[key] / b[key] for r, b in zip(rounds, bare))}
    return figures


def measure(variant, options):
    def sample(name, rig):
        result = rig.measure(variant["requests"])
        if name != report.BARE and result["copies"] < 2 * variant["requests"]:  # both ways
            raise RuntimeError(f"{variant['title']}, {name}: only {result['copies']} copies")
        return result

    samples = alternate(options.rounds, variant["peers"],
                        lambda name: LatencyRig(PEERS[name], variant["protocol"], options.core), sample)
    return [row(name, rounds, samples[report.BARE]) for name, rounds in samples.items()]


def columns(_variant):
    made = {"peer": lambda row: row["peer"]}
    for key in ("p50", "p99"):
        made |= {key: lambda row, key=key: f"{row[key]:.1f}",
                 f"{key} min … max": lambda row, key=key: f"{row[f'{key}_min']:.1f} … {row[f'{key}_max']:.1f}",
                 f"{key} of nothing": lambda row, key=key: report.ratio(row[f"{key}_ratio"])}
    return made
