"""A lab whose source has a wire that can be looked at: client -- wire -- host -- collector.

`wire` is a bridge between the client's cable and the host's. Its devices have their offloads off, the
host's and the client's need not: a capture of what the bridge sends is what a cable would carry, packet
by packet and with finished checksums.
"""

from capture import Capture
from mirror import Mirror

WIRE_MTU = 9000


class WireMirror(Mirror):
    ROLES = ("client", "wire", "host", "collector")

    def _make(self, underlay_mtu):
        self._veth("client", "cli0", "wire", "wirec", WIRE_MTU)
        self._veth("wire", "wireh", "host", "src0", WIRE_MTU)
        self._veth("host", "und0", "collector", "col0", underlay_mtu)
        self.run("wire", "ip", "link", "add", "bridge", "type", "bridge", "mcast_snooping", "0")
        self.run("wire", "ip", "link", "set", "bridge", "addrgenmode", "none")
        self.run("wire", "ip", "link", "set", "bridge", "up")
        for device in ("wirec", "wireh"):
            self.run("wire", "ip", "link", "set", device, "master", "bridge")
        self._addresses()

    def set_source(self, mtu, offloads):
        """The client and the host are as they are in the wild: `offloads` is on or off."""
        for role, device in (("client", "cli0"), ("host", "src0")):
            self.run(role, "ip", "link", "set", device, "mtu", str(mtu))
            self.offloads(role, device, offloads)

    def set_underlay(self, mtu):
        for role, device in (("host", "und0"), ("collector", "col0")):
            self.run(role, "ip", "link", "set", device, "mtu", str(mtu))

    def wire_captures(self):
        """What the host gets from the wire and what it sends, and what the collector gets."""
        return (Capture(self, "wire", "wireh", direction="out"),
                Capture(self, "wire", "wirec", direction="out"),
                Capture(self, "collector", "col0", "udp", "port", "4789", direction="in"))
