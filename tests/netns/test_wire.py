"""The copies are what was on the wire, packet for packet: every kind of traffic at once, both directions,
under each way of cutting, each underlay, and with the hosts' offloads on and off."""

import itertools
import os
import shutil
import struct
from pathlib import Path

import pytest
from capture import Capture, decapsulate, read_packets
from compare import cut, differences, is_unicast
from lab import CLIENT, CLIENT6, COLLECTOR, COLLECTOR6, HOST, HOST6
from mirror import PYTHON, TRAFFIC
from wire import WIRE_MTU, WireMirror

# Multicast is what the hosts say by themselves, at any time, also while captures start.
UNICAST = [{"priority": 1, "policy": "ignore", "destination_cidr": "224.0.0.0/4"},
           {"priority": 2, "policy": "ignore", "destination_cidr": "ff00::/8"},
           {"priority": 3, "policy": "collect"}]
NO_STATIONS = bytes(12)
TUN, TUN6 = "10.92.0", "fd92::"
OWN_HEADERS = {"ipv4-1500": 50, "ipv4-9000": 50, "ipv6-1500": 70}  # on the underlay, RFC 7348

# name: (MTU of the source, packet_length). What the underlay does not take is cut as well.
CUTS = {"uncut": (1400, 8500), "mtu": (1500, 8500), "64": (1500, 64), "128": (1500, 128),
        "1000": (1500, 1000)}
UNDERLAYS = {"ipv4-1500": (COLLECTOR, 1500), "ipv4-9000": (COLLECTOR, 9000),
             "ipv6-1500": (COLLECTOR6, 1500)}


# All of them, or each value at least once: for emulated machines, which are slow.
CELLS = list(itertools.product(CUTS, UNDERLAYS, ("on", "off")))
if "VXTAP_FEW_CELLS" in os.environ:
    CELLS = [("uncut", "ipv4-9000", "on"), ("mtu", "ipv4-1500", "on"), ("64", "ipv6-1500", "on"),
             ("128", "ipv4-9000", "off"), ("1000", "ipv4-1500", "off")]


@pytest.fixture(scope="module")
def lab():
    with WireMirror() as made:
        made.start_daemon()
        yield made


@pytest.fixture(scope="module")
def tun(lab):
    """A source without Ethernet headers, and the paths of what passed through it."""
    path = str(lab.path / "tun")
    lab.server("host", "tun", "tun0", path)
    lab.run("host", "ip", "link", "set", "tun0", "addrgenmode", "none")
    lab.run("host", "ip", "link", "set", "tun0", "up")
    for address in (f"{TUN}.1/24", f"{TUN6}1/64"):
        lab.run("host", "ip", "address", "add", address, "dev", "tun0")
    return Path(path + ".in"), Path(path + ".out")


def mac(lab, role, device):
    text = lab.run(role, "cat", f"/sys/class/net/{device}/address").stdout
    return bytes.fromhex(text.strip().replace(":", ""))


def ipv4_packet(source, destination):
    udp = struct.pack("!4H", 1000, 2000, 8 + 120, 0) + b"4" * 120
    octets = bytes(int(part) for address in (source, destination) for part in address.split("."))
    header = bytearray(struct.pack("!BBHHHBBH8s", 0x45, 0, 20 + len(udp), 7, 0, 64, 17, 0, octets))
    total = sum(struct.unpack("!10H", header))
    struct.pack_into("!H", header, 10, ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF)
    return b"\x08\x00" + bytes(header) + udp


def ipv6_packet(extensions, protocol=59):
    """Without a next header there is no checksum to be wrong."""
    chain = b"".join(bytes([following, 0, 1, 4, 0, 0, 0, 0])
                     for following in [*extensions[1:], protocol])
    body = chain + b"6" * 200
    return (b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(body), extensions[0], 64)
            + bytes([0xFD, 0x90]) + bytes(13) + b"\x02" + bytes([0xFD, 0x90]) + bytes(13) + b"\x01"
            + body)


def odd_frames(source, destination, sender, receiver):
    """Tagged frames and extension headers, as no socket of ours would send them."""
    stations = destination + source
    plain = ipv4_packet(sender, receiver)
    tags = ("81000005", "88a80006", "88a8000681000005", "8100000681000005")
    return [stations + bytes.fromhex(tag) + plain for tag in tags] + [
        stations + ipv6_packet(chain) for chain in ((0,), (60,), (0, 60))]


def ping(lab, role, *arguments):
    lab.run(role, "ping", "-c", "3", "-i", "0.01", "-W", "10", *arguments)


@pytest.fixture(scope="module")
def sinks(lab):
    """Where datagrams may go that nobody answers."""
    return [lab.server(role, "udp_sink", address, "7000")
            for role, address in (("client", CLIENT), ("client", CLIENT6), ("host", HOST),
                                  ("host", HOST6))]


def send_traffic(lab, mtu):
    """Every kind, from the client and from the host."""
    for address in (HOST, HOST6):
        lab.tcp(address, "8080", "400000")
        lab.client("udp_segments", address, "7000", str(mtu - 100), "5")
        for size in ("10", "1000", "4000"):  # the last one in fragments
            ping(lab, "client", "-s", size, address)
        lab.udp(address, "5353", "5", "3000")
    for address in (CLIENT, CLIENT6):
        lab.run("host", PYTHON, TRAFFIC, "udp_segments", address, "7000", str(mtu - 100), "5")
    client, host = mac(lab, "client", "cli0"), mac(lab, "host", "src0")
    lab.client("raw_frame", "cli0", *(f.hex() for f in odd_frames(client, host, CLIENT, HOST)))
    lab.run("host", PYTHON, TRAFFIC, "raw_frame", "src0",
            *(f.hex() for f in odd_frames(host, client, HOST, CLIENT)))


def send_through_tun(lab):
    for address in (f"{TUN}.2", f"{TUN6}2"):
        for size in ("10", "1000", "3000"):
            ping(lab, "host", "-s", size, address)
        lab.run("host", PYTHON, TRAFFIC, "udp_client", address, "5353", "5", "700")


def packets_of_tun(paths, before):
    """What passed since, by direction, with the Ethernet header that copies get."""
    kinds = {4: b"\x08\x00", 6: b"\x86\xdd"}
    return [[NO_STATIONS + kinds[packet[0] >> 4] + packet
             for packet in read_packets(path)[len(old):]] for path, old in zip(paths, before)]


def check_counters(counters, references, copies):
    assert counters["matched_packets"] == counters["mirrored_packets"] == len(references)
    assert counters["matched_bytes"] == sum(map(len, references))
    assert counters["mirrored_bytes"] == sum(map(len, copies))
    assert counters["truncated_packets"] == sum(map(lambda r, c: len(r) > len(c), references, copies))
    assert counters["dropped_packets"] == 0


def check_with_tshark(lab, path):
    """A tool that others wrote finds no checksum wrong, in the copies or around them. Linux itself sends a TCP
    checksum of 0 as 0xffff, which is right but not what the tool expects: one packet in 65,536."""
    layers = ("ip", "tcp", "udp", "icmp", "icmpv6")
    options = [word for layer in layers[:3] for word in ("-o", f"{layer}.check_checksum:TRUE")]
    bad = " || ".join(f"{layer}.checksum.status == Bad" for layer in layers)
    found = lab.run("collector", "tshark", "-r", str(path), *options, "-Y", f"({bad}) && !tcp.checksum.ffff")
    assert found.stdout == ""


@pytest.mark.parametrize("source_mtu,packet_length", [(1500, 8500), (8400, 8500), (8400, 3000)])
@pytest.mark.parametrize("underlay", ["ipv4-1500", "ipv6-1500"])
def test_outer_fragments(lab, sinks, underlay, source_mtu, packet_length):
    """`oversize: fragment`. The collector's own kernel puts them together again. Over IPv6 only a program can do
    it; without TCX the copies are cut, and the user is told so."""
    destination, underlay_mtu = UNDERLAYS[underlay]
    fragmented = underlay == "ipv4-1500" or lab.status()["attach"] == "tcx"
    lab.set_source(source_mtu, "on")
    lab.set_underlay(underlay_mtu)
    name = f"{underlay}-{source_mtu}-{packet_length}"
    said = lab.apply({"filters": [{"name": "all", "inbound": UNICAST, "outbound": UNICAST}],
                      "sessions": [{"name": name, "filter": "all", "sources": ["src0"],
                                    "destination": destination, "vni": 42, "priority": 1,
                                    "packet_length": packet_length, "oversize": "fragment",
                                    "enabled": True}]}, "--prune").stderr
    assert ("cuts copies to the path's MTU" in said) != fragmented
    record = lab.path / f"fragments-{name}"
    receiver = lab.server("collector", "udp_recorder", destination, "4789", str(record))
    captures = lab.wire_captures()
    send_traffic(lab, source_mtu)
    references = [frame for capture in captures[:2] for frame in capture.stop() if is_unicast(frame)]
    captures[2].stop()
    receiver.stop()
    vxlan = 8
    most = packet_length if fragmented else underlay_mtu - OWN_HEADERS[underlay]
    expected = [cut(frame, most) for frame in references]
    assert not differences(expected, [packet[vxlan:] for packet in read_packets(record)])
    totals = lab.session(name)["totals"]
    assert totals["matched_packets"] == totals["mirrored_packets"] == len(references)
    assert totals["mirrored_bytes"] == sum(map(len, expected))
    assert totals["truncated_packets"] == sum(map(lambda r, e: len(r) > len(e), references, expected))


@pytest.mark.parametrize("length,underlay,offloads", CELLS)
def test_copies(lab, tun, sinks, length, underlay, offloads):
    source_mtu, packet_length = CUTS[length]
    destination, underlay_mtu = UNDERLAYS[underlay]
    if (length, underlay_mtu) == ("mtu", 9000):
        source_mtu = WIRE_MTU
    lab.set_source(source_mtu, offloads)
    lab.set_underlay(underlay_mtu)
    name = f"{length}-{underlay}-{offloads}"
    # A session of its own counts from zero.
    lab.apply({"filters": [{"name": "all", "inbound": UNICAST, "outbound": UNICAST}],
               "sessions": [{"name": name, "filter": "all", "sources": ["src0", "tun0"],
                             "destination": destination, "vni": 42, "priority": 1,
                             "packet_length": packet_length, "enabled": True}]}, "--prune")
    before = [read_packets(path) for path in tun]
    captures = lab.wire_captures()
    super_packets = [Capture(lab, "host", "src0", "greater", str(source_mtu + 100), direction=way)
                     for way in ("in", "out")]
    send_traffic(lab, source_mtu)
    send_through_tun(lab)
    assert [bool(capture.stop()) for capture in super_packets] == [offloads == "on"] * 2
    references = {("src0", "inbound"): captures[0].stop(), ("src0", "outbound"): captures[1].stop()}
    copies = [decapsulate(frame).inner for frame in captures[2].stop()]
    references.update(zip((("tun0", "inbound"), ("tun0", "outbound")), packets_of_tun(tun, before)))
    references = {key: list(filter(is_unicast, frames)) for key, frames in references.items()}
    most = min(packet_length, underlay_mtu - OWN_HEADERS[underlay])
    expected = {key: [cut(frame, most) for frame in frames] for key, frames in references.items()}
    assert not differences([frame for frames in expected.values() for frame in frames], copies)
    session = lab.session(name)
    for source in session["sources"]:
        for direction in ("inbound", "outbound"):
            key = source["interface"], direction
            assert len(references[key]) > 30
            check_counters(source[direction], references[key], expected[key])
    if length == "uncut" and shutil.which("tshark"):
        check_with_tshark(lab, captures[2].path)
