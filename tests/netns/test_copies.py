"""What arrives at the collector is what the source interface saw, and the counters say so."""

import json
import struct

import pytest
from capture import Capture
from lab import CLIENT, COLLECTOR6, HOST, HOST6

ALL = '{"priority": 1, "policy": "collect"}'
# What the hosts say by themselves, as multicast listener reports, would blur exact counts.
OURS = '{"priority": 1, "policy": "collect", "source_cidr": "10.90.0.0/24"}'
CLIENT_MAC, HOST_MAC = "020000000c01", "020000000c02"


def check_counters(counters, frames):
    assert counters["matched_packets"] == counters["mirrored_packets"] == len(frames)
    assert counters["matched_bytes"] == counters["mirrored_bytes"] == sum(map(len, frames))
    assert counters["dropped_packets"] == counters["truncated_packets"] == 0


def check_exact(mirror, captures, outer_checksum=False):
    """Copies and references agree byte for byte, and so do the counters; gives the copies."""
    inbound, outbound = captures[0].stop(), captures[1].stop()
    copies = mirror.copies(captures[2])
    assert inbound and outbound
    assert sorted(copy.inner for copy in copies) == sorted(inbound + outbound)
    for copy in copies:
        assert copy.vni == 42 and copy.flags == b"\x08\0\0\0\0\0\0\0"
        assert copy.destination_port == 4789 and 49152 <= copy.source_port <= 65535
        assert copy.checksum_good if outer_checksum else copy.checksum == 0
    source = mirror.session()["sources"][0]
    check_counters(source["inbound"], inbound)
    check_counters(source["outbound"], outbound)
    return copies


@pytest.mark.parametrize("address,port,size", [(HOST, "8080", "300000"), (HOST6, "8080", "300000")])
def test_tcp(mirror, address, port, size):
    rule = '{"priority": 1, "policy": "collect", "protocol": "tcp"}'
    mirror.apply(mirror.document(rule, rule))
    captures = mirror.captures("tcp")
    mirror.tcp(address, port, size)
    check_exact(mirror, captures)


@pytest.mark.parametrize("address", [HOST, HOST6])
def test_udp(mirror, address):
    rule = '{"priority": 1, "policy": "collect", "protocol": "udp"}'
    mirror.apply(mirror.document(rule, rule))
    captures = mirror.captures("udp")
    mirror.udp(address, "5353", "50", "700")
    copies = check_exact(mirror, captures)
    assert len({copy.source_port for copy in copies}) == 1  # one flow, both directions


@pytest.mark.parametrize("address,protocol,network", [(HOST, "icmp", "10.90.0.0/24"),
                                                      (HOST6, "icmpv6", "fd90::/64")])
def test_ping(mirror, address, protocol, network):
    rule = (f'{{"priority": 1, "policy": "collect", "protocol": "{protocol}",'
            f' "source_cidr": "{network}"}}')
    mirror.apply(mirror.document(rule, rule))
    captures = mirror.captures("icmp or icmp6")
    assert " 0% packet loss" in mirror.run("client", "ping", "-c", "20", "-i", "0.05", address).stdout
    check_exact(mirror, captures)


def test_ipv6_underlay(mirror):
    mirror.apply(mirror.document(OURS, OURS, destination=COLLECTOR6))
    captures = mirror.captures("ip")
    mirror.udp(HOST, "5353", "20", "333")
    check_exact(mirror, captures, outer_checksum=True)


def frame(tags, source=CLIENT_MAC, destination=HOST_MAC):
    """A UDP packet under tags, with the ports 1000 and 2000."""
    udp = struct.pack("!4H", 1000, 2000, 8 + 20, 0) + b"x" * 20
    ip = struct.pack("!BBHHHBBH4B4B", 0x45, 0, 20 + len(udp), 7, 0, 64, 17, 0, 10, 90, 0, 2, 10,
                     90, 0, 1)
    header = bytes.fromhex(destination + source) + b"".join(bytes.fromhex(tag) for tag in tags)
    return header + b"\x08\x00" + ip + udp


@pytest.mark.parametrize("tags", [["81000005"], ["88a80006"], ["88a80006", "81000005"],
                                  ["81000006", "81000005"]])
def test_vlan(mirror, tags):
    rule = '{"priority": 1, "policy": "collect", "protocol": "udp", "destination_port": "2000/2000"}'
    mirror.apply(mirror.document(rule, rule))
    sent = frame(tags)
    collector = Capture(mirror, "collector", "col0", "udp", "port", "4789", direction="in")
    mirror.client("raw_frame", "cli0", sent.hex())
    mirror.run("host", "/usr/bin/python3", __file__.replace("test_copies", "traffic"), "raw_frame",
               "src0", sent.hex())
    assert [copy.inner for copy in mirror.copies(collector)] == [sent, sent]
    source = mirror.session()["sources"][0]
    check_counters(source["inbound"], [sent])
    check_counters(source["outbound"], [sent])


def test_any_protocol(mirror):
    rule = '{"priority": 1, "policy": "collect", "protocol": "89"}'
    mirror.apply(mirror.document(rule))
    collector = Capture(mirror, "collector", "col0", "udp", "port", "4789", direction="in")
    for protocol in ("89", "88", "89"):
        mirror.client("raw_ip", HOST, protocol)
    copies = mirror.copies(collector)
    assert [copy.inner[23] for copy in copies] == [89, 89]
    assert all(copy.inner.endswith(b"raw payload") for copy in copies)


def test_only_what_rules_collect(mirror):
    rules = ('{"priority": 5, "policy": "ignore", "protocol": "udp", "destination_port": "53/53"},'
             '{"priority": 9, "policy": "collect", "protocol": "udp",'
             ' "destination_port": "1/1000"}')
    mirror.apply(mirror.document(rules))
    reference = Capture(mirror, "host", "src0", direction="in")
    collector = Capture(mirror, "collector", "col0", "udp", "port", "4789", direction="in")
    mirror.run("client", "ip", "neighbour", "flush", "dev", "cli0")
    for port, count in (("53", "7"), ("123", "5"), ("1000", "3"), ("1001", "4")):
        mirror.udp(HOST, port, count, "64")
    seen = reference.stop()
    copies = mirror.copies(collector)
    ports = [struct.unpack_from("!H", copy.inner, 36)[0] for copy in copies]
    assert sorted(ports) == [123] * 5 + [1000] * 3
    session = mirror.session()
    assert [rule["packets"] for rule in session["rules"]] == [7, 8]
    assert session["totals"]["matched_packets"] == 8
    stats = mirror.stats()["sources"][0]
    arp = sum(1 for f in seen if f[12:14] == b"\x08\x06")
    assert arp > 0 and stats["skipped_packets"] >= arp
    assert stats["own_packets"] == 0


def test_flows_differ_in_source_port(mirror):
    mirror.apply(mirror.document(ALL, ALL))
    collector = Capture(mirror, "collector", "col0", "udp", "port", "4789", direction="in")
    server = mirror.server("host", "udp_echo", HOST, "5353")
    for port in range(20001, 20017):
        mirror.client("udp_client", HOST, "5353", "2", "64", str(port))
    server.stop()
    flows = {}
    for copy in mirror.copies(collector):
        if copy.inner[12:14] == b"\x08\x00" and copy.inner[23] == 17:
            ports = frozenset(struct.unpack_from("!2H", copy.inner, 34))
            flows.setdefault(ports, set()).add(copy.source_port)
    assert len(flows) == 16
    assert all(len(ports) == 1 for ports in flows.values())
    assert len(set.union(*flows.values())) > 10


def test_packet_length(mirror):
    rule = '{"priority": 1, "policy": "collect", "protocol": "udp"}'
    mirror.apply(mirror.document(rule, packet_length=100))
    captures = mirror.captures("udp")
    for size in ("10", "72", "73", "1000"):
        mirror.udp(HOST, "5353", "5", size)
    references = captures[0].stop()
    captures[1].stop()
    copies = mirror.copies(captures[2])
    assert [copy.inner for copy in copies] == [reference[:14 + 100] for reference in references]
    counters = mirror.session()["sources"][0]["inbound"]
    assert counters["matched_packets"] == counters["mirrored_packets"] == 20
    assert counters["matched_bytes"] == sum(map(len, references))
    assert counters["mirrored_bytes"] == sum(len(copy.inner) for copy in copies)
    assert counters["truncated_packets"] == 10


@pytest.mark.parametrize("oversize", ["truncate", "fragment"])
def test_path_mtu(mirror, oversize):
    for role, device in (("host", "und0"), ("collector", "col0")):
        mirror.run(role, "ip", "link", "set", device, "mtu", "1500")
    rule = '{"priority": 1, "policy": "collect", "protocol": "udp"}'
    mirror.apply(mirror.document(rule, oversize=oversize))
    capture = Capture(mirror, "collector", "col0", "ip", direction="in")
    mirror.udp(HOST, "5353", "4", "1472")
    frames = [f for f in capture.stop() if f[23] == 17]
    totals = mirror.session()["totals"]
    assert totals["matched_packets"] == totals["mirrored_packets"] == 4
    fragments = [f for f in frames if struct.unpack_from("!H", f, 20)[0] & 0x3FFF]
    if oversize == "truncate":
        assert len(frames) == 4 and not fragments
        assert all(len(f) == 14 + 1500 for f in frames)
        assert totals["truncated_packets"] == 4
    else:
        assert len(frames) == len(fragments) == 8
        assert sum(len(f) - 34 for f in frames) == 4 * (16 + 14 + 1500)
        assert totals["truncated_packets"] == 0


@pytest.mark.tshark
def test_tshark_decodes(mirror):
    mirror.apply(mirror.document(OURS, OURS))
    captures = mirror.captures("ip")
    mirror.run("client", "ping", "-c", "5", "-i", "0.05", HOST)
    mirror.tcp(HOST, "8080", "50000")
    copies = check_exact(mirror, captures)
    fields = ["vxlan.flags", "vxlan.vni", "ip.src", "tcp.port", "icmp.type", "_ws.malformed"]
    options = [part for field in fields for part in ("-e", field)]
    out = mirror.run("collector", "tshark", "-r", str(captures[2].path), "-T", "json", *options)
    packets = [packet["_source"]["layers"] for packet in json.loads(out.stdout)]
    assert len(packets) == len(copies)
    for layers in packets:
        assert layers["vxlan.flags"] == ["0x0800"] and layers["vxlan.vni"] == ["42"]
        assert layers["ip.src"][0] == "10.91.0.1" and "_ws.malformed" not in layers
    assert sum("icmp.type" in layers for layers in packets) == 10
    assert any(CLIENT in layers["ip.src"] and "tcp.port" in layers for layers in packets)
