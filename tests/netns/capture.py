"""What tcpdump saw, as bytes, and what is inside the copies."""

import signal
import struct
import time
from dataclasses import dataclass


def read_pcap(path):
    """The frames of a pcap file of this machine's byte order."""
    data = path.read_bytes()
    frames, offset = [], 24
    while offset + 16 <= len(data):
        length = struct.unpack_from("=8xI4x", data, offset)[0]
        frames.append(data[offset + 16:offset + 16 + length])
        offset += 16 + length
    return frames


def read_packets(path):
    """What traffic.py writes: packets, each behind its length."""
    data = path.read_bytes()
    packets, offset = [], 0
    while offset < len(data):
        length = struct.unpack_from("=I", data, offset)[0]
        packets.append(data[offset + 4:offset + 4 + length])
        offset += 4 + length
    return packets


class Capture:
    """tcpdump on a device. `direction`: in, out or inout."""

    def __init__(self, lab, role, device, *expression, direction="inout"):
        self.path = lab.path / f"{role}-{device}-{len(lab.processes)}.pcap"
        self.process = lab.start(role, "tcpdump", "--immediate-mode", "-U", "-n", "-s", "0",
                                 "-B", "16384", "-Z", "root", "-i", device, "-Q", direction,
                                 "-w", str(self.path), *expression)
        self.process.wait_for_line("listening on")

    def frames(self):
        """Those that have come so far."""
        return read_pcap(self.path)

    def stop(self):
        """The frames. Waits until no more come."""
        size = -1
        while size != self.path.stat().st_size:
            size = self.path.stat().st_size
            time.sleep(0.4)
        self.process.stop(signal.SIGINT)
        assert "\n0 packets dropped by kernel" in self.process.log.read_text()
        return read_pcap(self.path)


@dataclass
class Copy:
    source: bytes
    destination: bytes
    source_port: int
    destination_port: int
    checksum: int
    checksum_good: bool
    flags: bytes  # the eight bytes of the VXLAN header, with zeros for the VNI
    vni: int
    inner: bytes


def ones_complement_sum(data):
    """RFC 1071: of what holds its own checksum, 0xffff."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def udp_checksum_good(addresses, udp):
    pseudo = addresses + struct.pack("!IHH", len(udp), 0, 17)
    return ones_complement_sum(pseudo + udp + b"\0" * (len(udp) % 2)) == 0xFFFF


def decapsulate(frame):
    """The VXLAN packet in an Ethernet frame."""
    kind = struct.unpack_from("!H", frame, 12)[0]
    if kind == 0x0800:
        start = 14 + (frame[14] & 15) * 4
        assert frame[23] == 17
        source, destination = frame[26:30], frame[30:34]
        end = 14 + struct.unpack_from("!H", frame, 16)[0]
    else:
        assert kind == 0x86DD and frame[20] == 17
        start = 54
        source, destination = frame[22:38], frame[38:54]
        end = start + struct.unpack_from("!H", frame, 18)[0]
    source_port, destination_port, _, checksum = struct.unpack_from("!4H", frame, start)
    vxlan = frame[start + 8:start + 16]
    return Copy(source, destination, source_port, destination_port, checksum,
                udp_checksum_good(source + destination, frame[start:end]),
                vxlan[:4] + b"\0\0\0" + vxlan[7:], int.from_bytes(vxlan[4:7], "big"),
                frame[start + 16:end])
