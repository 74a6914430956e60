"""Later fragments show no ports, and follow the first one of their datagram."""

import struct

import pytest
from capture import Capture, decapsulate
from compare import differences
from lab import HOST, HOST6
from test_copies import CLIENT_MAC, HOST_MAC

RULE = '{"priority": 1, "policy": "collect", "protocol": "udp", "destination_port": "5353/5353"}'


def inner(capture):
    return [decapsulate(frame).inner for frame in capture.stop()]


def collector(mirror):
    return Capture(mirror, "collector", "col0", "udp", "port", "4789", direction="in")


@pytest.mark.parametrize("address,kind", [(HOST, "ip[6:2] & 0x3fff != 0"), (HOST6, "ip6[6] == 44")])
def test_datagrams_in_fragments(mirror, address, kind):
    """All fragments of those to the rule's port, and none of the others."""
    mirror.apply(mirror.document(RULE))
    wanted = Capture(mirror, "host", "src0", kind, direction="in")
    copies = collector(mirror)
    mirror.udp(address, "5353", "10", "5000")
    expected = wanted.stop()
    mirror.udp(address, "5354", "10", "5000")
    assert len(expected) == 40
    assert not differences(expected, inner(copies))
    assert mirror.session()["rules"][0]["packets"] == 40
    assert mirror.stats()["sources"][0]["undecided_packets"] == 0


def fragment(identification, offset, more, payload):
    """A part of a UDP datagram; `offset` in bytes."""
    header = struct.pack("!BBHHHBBH4B4B", 0x45, 0, 20 + len(payload), identification,
                         (0x2000 if more else 0) | offset // 8, 64, 17, 0, 10, 90, 0, 2, 10, 90, 0, 1)
    return bytes.fromhex(HOST_MAC + CLIENT_MAC) + b"\x08\x00" + header + payload


def test_first_fragment_late_or_lost(mirror):
    rules = RULE + ',{"priority": 2, "policy": "ignore", "protocol": "udp"}'
    mirror.apply(mirror.document(rules))
    first = struct.pack("!4H", 1000, 5353, 8 + 64, 0) + b"1" * 24
    late = [fragment(1, 32, False, b"2" * 40), fragment(1, 0, True, first),
            fragment(1, 32, False, b"2" * 40)]
    lost = [fragment(2, 32, False, b"3" * 40)]
    copies = collector(mirror)
    mirror.client("raw_frame", "cli0", *(frame.hex() for frame in late + lost))
    assert inner(copies) == late[1:]
    assert mirror.stats()["sources"][0]["undecided_packets"] == 2
    assert mirror.session()["totals"]["matched_packets"] == 2


def test_address_and_protocol_that_leave_no_doubt(mirror):
    mirror.apply(mirror.document(RULE + ',{"priority": 2, "policy": "collect", "protocol": "udp"}'))
    lost = fragment(3, 32, False, b"3" * 40)
    copies = collector(mirror)
    mirror.client("raw_frame", "cli0", lost.hex())
    assert inner(copies) == [lost]
    assert mirror.stats()["sources"][0]["undecided_packets"] == 0
