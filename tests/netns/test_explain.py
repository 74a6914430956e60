"""What explain says of packets is what the mirror does with them."""

import json
from collections import Counter

import pytest
from capture import Capture
from lab import HOST, HOST6

RULES = ('{"priority": 5, "policy": "ignore", "protocol": "icmp"},'
         '{"priority": 9, "policy": "collect", "protocol": "udp", "destination_port": "5353/5353"},'
         '{"priority": 12, "policy": "collect", "protocol": "tcp", "source_cidr": "10.90.0.0/24"}')


def explain(mirror, *options, direction="inbound"):
    return mirror.vxtap("explain", "--interface", "src0", "--direction", direction, *options).stdout


def described(mirror, *packet):
    words = zip(("--protocol", "--source", "--destination", "--source-port", "--destination-port"), packet)
    answer = explain(mirror, "-o", "json", *(word for pair in words for word in pair))
    return json.loads(answer)["packets"][0]


@pytest.mark.any_kernel
def test_packets_of_a_file(mirror):
    """Each of a capture of real traffic, which had passed the same rules: the same rules decide."""
    mirror.apply(mirror.document(RULES, packet_length=100))
    capture = Capture(mirror, "host", "src0", direction="in")
    mirror.run("client", "ip", "neighbour", "flush", "dev", "cli0")
    mirror.udp(HOST, "5353", "7", "300")
    mirror.udp(HOST, "5354", "4", "64")
    mirror.udp(HOST6, "5353", "3", "64")
    mirror.udp(HOST, "5353", "1", "4000")  # three fragments
    mirror.run("client", "ping", "-c", "5", "-i", "0.05", HOST)
    mirror.tcp(HOST, "8080", "20000")
    frames = capture.stop()
    before = mirror.stats()
    lines = explain(mirror, "--pcap", str(capture.path), "-o", "json").splitlines()
    packets = [json.loads(line) for line in lines]
    assert [packet["number"] for packet in packets] == list(range(1, len(frames) + 1))
    decided = Counter(packet["sessions"][0]["rule"]["priority"] for packet in packets
                      if packet["decision"] in ("mirrored", "ignored"))
    assert decided == {rule["priority"]: rule["packets"]
                       for rule in before["sessions"][0]["rules"] if rule["packets"]}
    assert decided[9] == 7 + 3 + 3 and decided[5] == 5 and decided[12] > 10
    decisions = Counter(packet["decision"] for packet in packets)
    assert decisions["skipped"] == sum(f[12:14] not in (b"\x08\x00", b"\x86\xdd") for f in frames) > 0
    copied = sum(packet["sessions"][0].get("copy_bytes", 0) for packet in packets if packet["sessions"])
    assert copied == before["sessions"][0]["totals"]["mirrored_bytes"]
    summary = explain(mirror, "--pcap", str(capture.path))
    assert f"{len(frames)} packet(s)" in summary
    rows = [line.split() for line in summary.splitlines() if line.startswith("ids ")]
    assert {int(row[2]): int(row[4]) for row in rows} == decided
    assert mirror.stats() == before  # asking counts and copies nothing


def test_described_packets(mirror):
    document = mirror.document(RULES)
    document["sessions"].append({**document["sessions"][0], "name": "later", "vni": 7, "priority": 2})
    mirror.apply(document)
    mirrored = described(mirror, "udp", "10.90.0.2", "10.90.0.1", "1000", "5353")
    assert mirrored["decision"] == "mirrored"
    session = mirrored["sessions"][0]
    assert (session["session"], session["rule"]["priority"], session["vni"]) == ("ids", 9, 42)
    assert session["rules_tried"] == [{"priority": 5, "reason": "the protocol is udp, not icmp"}]
    assert mirrored["not_tried"][0]["session"] == "later"
    ignored = described(mirror, "icmp", "10.90.0.2", "10.90.0.1")
    assert ignored["decision"] == "ignored" and ignored["sessions"][0]["rule"]["priority"] == 5
    missed = described(mirror, "tcp", "10.91.0.2", "10.90.0.1", "1", "80")
    assert missed["decision"] == "not_matched"
    assert [one["session"] for one in missed["sessions"]] == ["ids", "later"]
    assert missed["sessions"][0]["rules_tried"][2] == {
        "priority": 12, "reason": "source 10.91.0.2 is not in 10.90.0.0/24"}
    mirror.vxtap("session", "stop", "ids")
    stopped = described(mirror, "udp", "10.90.0.2", "10.90.0.1", "1000", "5353")
    assert stopped["sessions"][0]["session"] == "later"
    assert stopped["not_tried"] == [{"session": "ids", "reason": "the session is not enabled"}]
