"""What the sender's packets cost, peer by peer: shared by the cases that send them."""

import report
from lab import COLLECTOR
from peers import COPYING, LOSSLESS, MIRRORS, PEERS
from rig import Rig
from rounds import alternate


def make(peer, variant, name):
    rig = Rig(peer, variant["rules"], variant["cut"], variant.get("collector", COLLECTOR))
    try:
        if variant["copies"] and name in LOSSLESS and name in MIRRORS:
            rig.verify(variant["send"]["size"])
    except BaseException:
        rig.close()
        raise
    return rig


def wrong(variant, name, result):
    """What a copy's way must keep: all but the soft tap lose nothing and double nothing."""
    expected = result["packets"] if variant["copies"] and name in COPYING else 0
    if name != "daemonlogger" and result["copies"] != expected:
        return f"{variant['title']}, {name}: {result['copies']} copies where {expected} were due"
    return None


def measure(variant, options, peers=PEERS):
    def sample(name, rig):
        result = rig.measure(count=options.count, core=options.core, **variant["send"])
        error = wrong(variant, name, result)
        if error:
            raise RuntimeError(error)
        return result

    samples = alternate(options.rounds, variant["peers"],
                        lambda name: make(peers[name], variant, name), sample)
    return report.costs(samples)


def columns(variant):
    return {"peer": lambda row: row["peer"],
            "ns/packet": lambda row: f"{row['cpu_ns']:.0f}",
            "added": lambda row: f"{row['added_ns']:.0f}",
            "min … max": lambda row: f"{row['added_min']:.0f} … {row['added_max']:.0f}",
            "of mirred": lambda row: report.ratio(row["ratio"]),
            "lost": lambda row: f"{row['lost']:.2%}" if variant["copies"] and row["peer"] in COPYING else ""}
