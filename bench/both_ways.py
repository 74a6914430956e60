"""Ways to mirror all that passes src0, in both directions: each is given a rig."""

from lab import COLLECTOR, wait_for
from mirror import Mirror
from peers import nothing, vxlan
from rig import drop_copies

DEVICES = (("client", "cli0"), ("host", "src0"), ("host", "und0"), ("collector", "col0"))

ALL = '{"priority": 1, "policy": "collect"}'


def mirred(rig):
    vxlan(rig)
    rig.host("tc", "qdisc", "add", "dev", "src0", "clsact")
    for hook in ("ingress", "egress"):
        rig.host("tc", "filter", "add", "dev", "src0", hook, "protocol", "ip", "u32", "match", "u32", "0", "0",
                 "action", "mirred", "egress", "mirror", "dev", "copies")


def nft_dup(rig):
    vxlan(rig)
    chains = "\n".join(f"chain {hook} {{ type filter hook {hook} device src0 priority 0; "
                       "meta protocol ip dup to copies; }" for hook in ("ingress", "egress"))
    rig.host("nft", "-f", "-", input=f"table netdev bench {{\n{chains}\n}}\n")


def vxtap(rig):
    rig.lab.start_daemon()
    rig.lab.apply(rig.lab.document(inbound=ALL, outbound=ALL))


PEERS = {"nothing": lambda rig: nothing(rig, 1), "u32 + mirred": mirred, "nft dup": nft_dup, "vxtap": vxtap}


class Rig:
    """A host under the offloads of a real one, between a client and a collector, with one peer that mirrors."""

    collector = COLLECTOR

    def __init__(self, peer, underlay_mtu=9000):
        self.lab = Mirror(underlay_mtu)
        try:
            self.set_offloads()
            self.host("ping", "-c", "1", COLLECTOR)  # its MAC address is known then
            drop_copies(self.lab)
            peer(self)
            self.serve()
        except BaseException:
            self.lab.close()
            raise

    def set_offloads(self):
        for role, device in DEVICES:
            self.lab.offloads(role, device, "on")
            # veth's own default; with it packets would wait for a softirq, in a ring of 256.
            self.lab.run(role, "ethtool", "-K", device, "gro", "off")

    def host(self, *command, **options):
        return self.lab.run("host", *command, **options)

    def wait_for_listener(self, role, kind, port):
        """`kind`: ss's letter, t or u."""
        wait_for(f"port {port}", lambda: self.lab.run(role, "ss", f"-Hln{kind}", "sport", "=", f":{port}").stdout)

    def serve(self):
        """What is to run while it measures."""

    def close(self):
        self.lab.close()
