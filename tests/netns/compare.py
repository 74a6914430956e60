"""Whether copies are what was on the wire, packet for packet."""

import struct
from collections import Counter, defaultdict

VLAN_TYPES = (0x8100, 0x88A8)
IPV4, IPV6 = 0x0800, 0x86DD
EXTENSIONS = (0, 43, 60)
FRAGMENT = 44
WITH_PORTS = (6, 17, 132)


def network_offset(frame):
    """Where the IP header begins; None if the frame is no IP packet."""
    offset = 12
    kind = struct.unpack_from("!H", frame, offset)[0]
    while kind in VLAN_TYPES:
        offset += 4
        kind = struct.unpack_from("!H", frame, offset)[0]
    return offset + 2 if kind in (IPV4, IPV6) else None


def is_unicast(frame):
    """Whether it is an IP packet for one host."""
    start = network_offset(frame)
    if start is None:
        return False
    return frame[start + 16] < 224 if frame[start] >> 4 == 4 else frame[start + 24] != 0xFF


def flow(frame):
    """Who speaks to whom: the packets of one flow have an order. Fragments count as one."""
    start = network_offset(frame)
    if frame[start] >> 4 == 4:
        addresses, protocol = frame[start + 12:start + 20], frame[start + 9]
        fragment = struct.unpack_from("!H", frame, start + 6)[0] & 0x3FFF
        transport = start + (frame[start] & 15) * 4
    else:
        addresses, protocol = frame[start + 8:start + 40], frame[start + 6]
        transport, fragment = start + 40, False
        while protocol in EXTENSIONS:
            protocol, length = frame[transport], frame[transport + 1]
            transport += (length + 1) * 8
        fragment = protocol == FRAGMENT
    ports = frame[transport:transport + 4] if protocol in WITH_PORTS and not fragment else b""
    return frame[:start], addresses, protocol, ports


def cut(frame, packet_length):
    """The frame with so many bytes from its IP header on."""
    return frame[:network_offset(frame) + packet_length]


def by_flow(frames):
    flows = defaultdict(list)
    for frame in frames:
        flows[flow(frame)].append(frame)
    return flows


def differences(expected, copies):
    """The frames that are missing, unexpected (altered ones are both), doubled or reordered; empty if the
    copies are what was expected."""
    wanted, got = Counter(expected), Counter(copies)
    surplus = list((got - wanted).elements())
    found = {"missing": list((wanted - got).elements()),
             "doubled": [frame for frame in surplus if frame in wanted],
             "unexpected": [frame for frame in surplus if frame not in wanted],
             "reordered": []}
    sequences = by_flow(copies)
    for key, frames in by_flow(expected).items():
        if Counter(frames) == Counter(sequences[key]):
            found["reordered"] += [a for a, b in zip(frames, sequences[key]) if a != b]
    return {kind: f"{len(frames)}, as {frames[0][:80].hex()}" for kind, frames in found.items() if frames}
