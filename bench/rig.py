"""A host that sends, between a client and a collector, with one peer that mirrors: one lab each."""

import json
import time

from capture import Capture, decapsulate
from lab import BIN, COLLECTOR, wait_for
from mirror import Mirror

SAMPLES = 8  # packets compared byte for byte

PROTOCOL_AT = {"ip": 23, "ipv6": 20}  # byte of the frame that says UDP


def drop_copies(lab):
    """Copies go no further than col0, as cheaply as can be: all this is on the sender's core."""
    lab.run("collector", "tc", "qdisc", "add", "dev", "col0", "clsact")
    for protocol, place in PROTOCOL_AT.items():
        shot = f"4,48 0 0 {place},21 0 1 17,6 0 0 2,6 0 0 4294967295"  # classic BPF: UDP is TC_ACT_SHOT
        lab.run("collector", "tc", "filter", "add", "dev", "col0", "ingress", "protocol", protocol,
                "bpf", "direct-action", "bytecode", shot)


def collector_counts(lab):
    """`drops`: what the program dropped, a super-packet as one; `packets`: what came, as wire packets."""
    shown = lab.run("collector", "tc", "-s", "-j", "qdisc", "show", "dev", "col0", "clsact").stdout
    return json.loads(shown)[0]


class Rig:
    def __init__(self, peer, rules, packet_length=8500, collector=COLLECTOR):
        self.packet_length, self.collector = packet_length, collector
        self.lab = Mirror()
        try:
            self.mac = self.lab.run("client", "cat", "/sys/class/net/cli0/address").stdout.strip()
            self.lab.run("host", "ping", "-c", "1", collector)  # the collector's MAC address is known then
            drop_copies(self.lab)
            peer(self, rules)
        except BaseException:
            self.lab.close()
            raise

    def host(self, *command, **options):
        return self.lab.run("host", *command, **options)

    def wait_for_packet_socket(self, device):
        index = self.host("cat", f"/sys/class/net/{device}/ifindex").stdout.strip()
        wait_for(f"a packet socket on {device}", lambda: any(
            line.split()[4] == index for line in self.host("cat", "/proc/net/packet").stdout.splitlines()[1:]))

    def send(self, **options):
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        done = self.host(str(BIN / "bench_sender"), "--interface", "src0", "--mac", self.mac, *words)
        return json.loads(done.stdout)

    def arrived(self):
        return collector_counts(self.lab)["drops"]

    def measure(self, **options):
        """What the sender says, and how many copies came to the collector."""
        before = self.settled()
        result = self.send(**options)
        return {**result, "copies": self.settled() - before}

    def settled(self):
        """The collector's count, once it stands still."""
        last = self.arrived()
        while True:
            time.sleep(0.2)
            count = self.arrived()
            if count == last:
                return count
            last = count

    def verify(self, size):
        """That the copies are what left src0, byte for byte up to the cut."""
        sent = Capture(self.lab, "host", "src0", "udp", "port", "5000", direction="out")
        copies = Capture(self.lab, "collector", "col0", "udp", "port", "4789", direction="in")
        self.send(size=size, count=SAMPLES)
        self.settled()
        originals = [frame[:14 + self.packet_length] for frame in sent.stop()]
        inner = [decapsulate(frame).inner for frame in copies.stop()]
        assert len(originals) == SAMPLES and inner == originals, (originals, inner)

    def close(self):
        self.lab.close()
