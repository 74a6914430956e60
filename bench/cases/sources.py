"""What a mirrored packet costs with more sources, and with more sessions on its source."""

import packets
from packets import columns  # noqa: F401
from peers import mirred, nothing, ports, rule_list

RULES = 10  # of each session


def other_sources(rig, count):
    """veth pairs, for sources that are there and stay silent."""
    names = [f"other{n}" for n in range(count)]
    lines = (f"link add {name} type veth peer name {name}p\nlink set {name} addrgenmode none up\n" for name in names)
    rig.host("ip", "-batch", "-", input="".join(lines))
    return names


def document(rig, sources, sessions):
    """Only the last session on src0 has a rule for the packets."""
    made = rig.lab.document(outbound=rule_list(ports(RULES)), priority=sessions,
                            sources=["src0", *other_sources(rig, sources - 1)])
    other = rig.lab.document(outbound=rule_list([port + 100 for port in ports(RULES)]))
    made["filters"].append({**other["filters"][0], "name": "other"})
    made["sessions"] += [{**other["sessions"][0], "name": f"other{n}", "filter": "other", "vni": 100 + n, "priority": n}
                         for n in range(1, sessions)]
    return made


def vxtap(rig, sources, sessions):
    rig.lab.start_daemon()
    rig.lab.apply(document(rig, sources, sessions))


def variants(quick):
    for sources, sessions in ((1, 1), (100, 1), (1, 10)) if quick else ((1, 1), (10, 1), (100, 1), (1, 10)):
        yield {"title": f"sources: {sources}, sessions on that of the packets: {sessions}", "sources": sources,
               "sessions": sessions, "rules": RULES * sessions, "cut": 8500, "send": {"size": 512}, "copies": True,
               "peers": ["nothing", "u32 + mirred", "vxtap"]}


def measure(variant, options):
    def mirror(rig, _rules):
        vxtap(rig, variant["sources"], variant["sessions"])

    return packets.measure(variant, options, {"nothing": nothing, "u32 + mirred": mirred, "vxtap": mirror})
