"""Ways to mirror what src0 sends: each is given a rig and the number of rules, of which the last matches."""

import json

PORT = 5000  # of the packets


def ports(rules):
    """Destination ports of the rules: only the last is that of the packets."""
    return [*range(PORT + 1, PORT + rules), PORT]


def nothing(_rig, _rules):
    pass


def empty(rig, _rules):
    rig.host("tc", "qdisc", "add", "dev", "src0", "clsact")
    rig.host("tc", "filter", "add", "dev", "src0", "egress", "bpf", "direct-action", "bytecode", "1,6 0 0 0")


def bare_clone(rig, _rules):
    """What no mirror can do without: a clone, and the way of a packet to the collector."""
    rig.host("tc", "qdisc", "add", "dev", "src0", "clsact")
    rig.host("tc", "filter", "add", "dev", "src0", "egress", "protocol", "ip", "u32", "match", "u32", "0", "0",
             "action", "mirred", "egress", "mirror", "dev", "und0")


def vxlan(rig):
    rig.host("ip", "link", "add", "copies", "type", "vxlan", "id", "42", "remote", rig.collector, "dstport", "4789")
    rig.host("ip", "link", "set", "copies", "addrgenmode", "none")
    rig.host("ip", "link", "set", "copies", "mtu", "8950", "up")


def mirred(rig, rules):
    vxlan(rig)
    rig.host("tc", "qdisc", "add", "dev", "src0", "clsact")
    lines = (f"filter add dev src0 egress protocol ip pref {n} u32 match ip protocol 17 0xff "
             f"match ip dport {port} 0xffff action mirred egress mirror dev copies\n"
             for n, port in enumerate(ports(rules), 1))
    rig.host("tc", "-batch", "-", input="".join(lines))


def nft_dup(rig, rules):
    vxlan(rig)
    lines = "\n".join(f"udp dport {port} dup to copies" for port in ports(rules))
    rig.host("nft", "-f", "-", input="table netdev bench { chain out {\n"
             f"type filter hook egress device src0 priority 0;\n{lines}\n}}\n}}\n")


def daemonlogger(rig, _rules):
    vxlan(rig)
    rig.lab.start("host", "daemonlogger", "-i", "src0", "-o", "copies", f"udp and dst port {PORT}")
    rig.wait_for_packet_socket("src0")


def rule_list(numbers):
    """Outbound rules, one for each port, in JSON."""
    return ",".join(json.dumps({"priority": n, "policy": "collect", "protocol": "udp",
                                "destination_port": f"{port}/{port}"}) for n, port in enumerate(numbers, 1))


def vxtap(rig, rules, **settings):
    rig.lab.start_daemon(limits={"rules_per_direction": max(rules, 1000)}, **settings)
    rig.lab.apply(rig.lab.document(outbound=rule_list(ports(rules)), packet_length=rig.packet_length,
                                   destination=rig.collector))


def vxtap_kernel(rig, rules):
    vxtap(rig, rules, encapsulation="kernel")


PEERS = {"nothing": nothing, "empty program": empty, "bare clone": bare_clone, "u32 + mirred": mirred,
         "nft dup": nft_dup,
         "daemonlogger": daemonlogger, "vxtap": vxtap, "vxtap, kernel": vxtap_kernel}
COPYING = [name for name in PEERS if name not in ("nothing", "empty program")]
MIRRORS = [name for name in COPYING if name != "bare clone"]  # in VXLAN
LOSSLESS = [name for name in COPYING if name != "daemonlogger"]
