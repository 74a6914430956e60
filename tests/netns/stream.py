"""A stream of numbered datagrams from the client to the host, each of which must come to the host once, and
to the collector once, from the session `ids` with the VNI 42."""

import struct

from capture import Capture, decapsulate, read_packets
from lab import HOST, wait_for
from mirror import PYTHON, TRAFFIC

PORT = 5001
RECORD = 8  # bytes that udp_recorder writes for one number
NUMBER = 42  # where it stands in a copy's frame: behind Ethernet, IPv4 and UDP headers
RULE = f'{{"priority": 10, "policy": "collect", "protocol": "udp", "destination_port": "{PORT}/{PORT}"}}'


class Stream:
    def __init__(self, mirror, rate=2000):
        self.mirror = mirror
        mirror.server("collector", "udp_sink", "0.0.0.0", "4789")
        self.record = mirror.path / "received"
        self.collector = Capture(mirror, "collector", "col0", "udp dst port 4789 and udp[12:4] = 42 << 8",
                                 direction="in")
        self.server = mirror.server("host", "udp_recorder", HOST, str(PORT), str(self.record))
        self.sender = mirror.start("client", PYTHON, TRAFFIC, "udp_stream", HOST, str(rate), str(PORT))
        self.wait_for_copies()

    def wait_for_copies(self):
        """Until some more have come, or fail."""
        size = self.collector.path.stat().st_size
        wait_for("more copies", lambda: self.collector.path.stat().st_size > size + 10000)

    def stop(self):
        """How many numbers were sent, and the numbers that the collector got. All came to the host."""
        assert self.sender.stop() == 0
        count = int(self.sender.log.read_text().split()[-1])
        wait_for("the last datagram", lambda: self.record.stat().st_size >= count * RECORD)
        received = [struct.unpack_from("!I", packet)[0] for packet in read_packets(self.record)]
        assert received == list(range(count)), "production traffic was lost, doubled or reordered"
        self.server.stop()
        copies = [decapsulate(frame).inner for frame in self.collector.stop()]
        return count, [struct.unpack_from("!I", copy, NUMBER)[0] for copy in copies]

    def check(self):
        """That nothing was lost or doubled anywhere, and that the counters say so exactly."""
        count, copies = self.stop()
        lost, doubled = sorted(set(range(count)) - set(copies)), len(copies) - len(set(copies))
        assert copies == list(range(count)), (
            f"of {count} copies {len(lost)} lost, {doubled} doubled, or some reordered: {lost[:20]}")
        self.check_counters(count)
        return count

    def check_counters(self, count):
        session = self.mirror.session()
        totals = session["totals"]
        assert (totals["matched_packets"], totals["mirrored_packets"]) == (count, count)
        assert totals["dropped_packets"] == totals["truncated_packets"] == 0
        [rule] = session["rules"]
        assert rule["packets"] == count and rule["bytes"] == totals["matched_bytes"]
