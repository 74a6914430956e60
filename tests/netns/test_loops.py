"""No mirror mirrors copies, its own or another host's, and none drops production traffic."""

import json

import pytest
from capture import Capture, decapsulate
from compare import cut, differences
from lab import BIN, CLIENT, COLLECTOR, COLLECTOR6, HOST, run
from mirror import PYTHON, TRAFFIC

# Pings, and everything in UDP, as copies are. A circle would show at once: each round adds copies.
RULES = [{"priority": 1, "policy": "collect", "protocol": "icmp"},
         {"priority": 2, "policy": "collect", "protocol": "udp"}]
PINGS = 5


def session(name, sources, destination, priority=1, **fields):
    return {"name": name, "filter": "f", "sources": sources, "destination": destination,
            "vni": priority, "priority": priority, "enabled": True, **fields}


def document(*sessions):
    return {"filters": [{"name": "f", "inbound": RULES, "outbound": RULES}], "sessions": sessions}


def receive(mirror, *roles_and_addresses):
    """Without a receiver, ICMP errors would be counted as well."""
    for role, address in roles_and_addresses:
        mirror.server(role, "udp_sink", address, "4789")


def ping(mirror, role, address):
    done = mirror.run(role, "ping", "-c", str(PINGS), "-i", "0.05", address)
    assert " 0% packet loss" in done.stdout


def packets(capture):
    """Of a capture whose expression leaves nothing but what is to be counted."""
    return len(capture.stop())


def test_one_interface_is_source_and_underlay(mirror):
    receive(mirror, ("client", CLIENT))
    mirror.apply(document(session("ids", ["src0"], CLIENT)))
    copies = Capture(mirror, "client", "cli0", "udp", "port", "4789", direction="in")
    ping(mirror, "client", HOST)
    assert packets(copies) == 2 * PINGS
    assert mirror.session()["totals"]["matched_packets"] == 2 * PINGS
    assert mirror.stats()["sources"][0]["own_packets"] == 2 * PINGS


def test_fragments_of_copies_are_no_production(mirror):
    for role, device in (("host", "und0"), ("collector", "col0")):
        mirror.run(role, "ip", "link", "set", device, "mtu", "1500")
    receive(mirror, ("collector", COLLECTOR6))
    mirror.apply(document(session("ids", ["src0", "und0"], COLLECTOR6, packet_length=8500, oversize="fragment")))
    done = mirror.run("client", "ping", "-c", str(PINGS), "-i", "0.05", "-s", "1472", HOST)
    assert " 0% packet loss" in done.stdout
    assert mirror.session()["totals"]["matched_packets"] == 2 * PINGS
    parts = 2 if mirror.status()["attach"] == "tcx" else 1  # without TCX they are cut
    own = {source["interface"]: source["own_packets"] for source in mirror.stats()["sources"]}
    assert own == {"src0": 0, "und0": parts * 2 * PINGS}


class SecondMirror:
    """A daemon on the collector's host."""

    def __init__(self, lab):
        self.socket = str(lab.path / "second.sock")
        daemon = lab.start("collector", str(BIN / "vxtapd"), "--socket", self.socket, "--state-dir",
                           lab.state + "-second")
        daemon.wait_for_line("ready: ")

    def vxtap(self, *arguments, **options):
        return run(str(BIN / "vxtap"), "--socket", self.socket, *arguments, **options)

    def totals(self):
        return json.loads(self.vxtap("stats", "-o", "json").stdout)["sessions"][0]["totals"]


def test_two_hosts_mirror_to_each_other(mirror):
    second = SecondMirror(mirror)
    mirror.apply(document(session("there", ["und0"], COLLECTOR)))
    second.vxtap("apply", "-f", "-", input=json.dumps(document(session("back", ["col0"], "10.91.0.1"))))
    copies = Capture(mirror, "collector", "col0", "udp", "port", "4789", direction="inout")
    ping(mirror, "collector", "10.91.0.1")
    assert packets(copies) == 4 * PINGS  # two packets of a ping, and a copy of each by each host
    assert mirror.session("there")["totals"]["matched_packets"] == 2 * PINGS
    assert second.totals()["matched_packets"] == 2 * PINGS


def test_two_collectors_over_one_underlay(mirror):
    mirror.run("collector", "ip", "address", "add", "10.91.0.3/24", "dev", "col0")
    receive(mirror, ("collector", "0.0.0.0"))
    mirror.apply(document(session("first", ["src0", "und0"], COLLECTOR, fall_through=True),
                          session("second", ["src0", "und0"], "10.91.0.3", priority=2)))
    copies = [Capture(mirror, "collector", "col0", "udp", "port", "4789", "and", "dst", "host", address)
              for address in (COLLECTOR, "10.91.0.3")]
    ping(mirror, "client", HOST)
    assert [packets(capture) for capture in copies] == [2 * PINGS] * 2
    for name in ("first", "second"):
        assert mirror.session(name)["totals"]["matched_packets"] == 2 * PINGS


def add_overlay(lab):
    """A VXLAN network of the host and the collector, which is production: 10.93.0.1 and 10.93.0.2. Without ARP, which
    would be UDP on the underlay at any time."""
    for role, device, local, remote, own, other in (("host", "und0", "10.91.0.1", COLLECTOR, 1, 2),
                                                    ("collector", "col0", COLLECTOR, "10.91.0.1", 2, 1)):
        lab.run(role, "ip", "link", "add", "overlay", "address", f"02:00:00:00:0f:0{own}", "type", "vxlan", "id", "7",
                "dev", device, "local", local, "remote", remote, "dstport", "8472")
        lab.run(role, "ip", "link", "set", "overlay", "addrgenmode", "none")
        lab.run(role, "ip", "link", "set", "overlay", "up")
        lab.run(role, "ip", "address", "add", f"10.93.0.{own}/24", "dev", "overlay")
        lab.run(role, "ip", "neighbour", "add", f"10.93.0.{other}", "lladdr", f"02:00:00:00:0f:0{other}", "dev",
                "overlay", "nud", "permanent")
    ping(lab, "host", "10.93.0.2")


def test_overlay_as_a_source(mirror):
    """Its packets are mirrored, and so are the outer ones that carry them: that is production too."""
    add_overlay(mirror)
    receive(mirror, ("collector", COLLECTOR))
    mirror.apply(document(session("ids", ["overlay", "und0"], COLLECTOR)))
    copies = Capture(mirror, "collector", "col0", "udp", "port", "4789", direction="in")
    ping(mirror, "host", "10.93.0.2")
    assert packets(copies) == 4 * PINGS
    found = mirror.session()
    for source in found["sources"]:
        assert source["inbound"]["matched_packets"] == source["outbound"]["matched_packets"] == PINGS


@pytest.mark.parametrize("sources,packet_length", [(["overlay", "und0"], 8500), (["overlay"], 128),
    # On a kernel without TCX the tunnels would nest too deep.
    pytest.param(["overlay", "und0"], 128, marks=pytest.mark.any_kernel)])
def test_super_packets_of_an_overlay(mirror, sources, packet_length):
    """On the underlay they are one UDP packet outside and many TCP segments inside."""
    add_overlay(mirror)
    for role in ("host", "collector"):
        mirror.run(role, "ip", "link", "set", "overlay", "mtu", "1400")
    receive(mirror, ("collector", COLLECTOR))
    tcp = {"priority": 1, "policy": "collect", "protocol": "tcp"}
    overlay = {"priority": 2, "policy": "collect", "protocol": "udp", "destination_port": "8472/8472"}
    made = document(session("ids", sources, COLLECTOR, packet_length=packet_length))
    made["filters"][0] = {"name": "f", "outbound": [tcp, overlay]}
    mirror.apply(made)
    super_packets = Capture(mirror, "host", "overlay", "greater", "2000", direction="out")
    outer = Capture(mirror, "collector", "col0", "udp", "port", "8472", direction="in")
    copies = Capture(mirror, "collector", "col0", "udp", "port", "4789", direction="in")
    server = mirror.server("collector", "tcp_server", "10.93.0.2", "8080", "400000")
    mirror.run("host", PYTHON, TRAFFIC, "tcp_client", "10.93.0.2", "8080", "400000")
    assert server.popen.wait(60) == 0
    assert super_packets.stop()
    headers = 14 + 20 + 8 + 8
    wire = outer.stop()
    references = {"overlay": [frame[headers:] for frame in wire], "und0": wire}
    expected = [cut(frame, packet_length) for source in sources for frame in references[source]]
    # Single packets of the overlay on its underlay are copied whole.
    got = [cut(decapsulate(frame).inner, packet_length) for frame in copies.stop()]
    assert not differences(expected, got)
    for source in mirror.session()["sources"]:
        frames = references[source["interface"]]
        assert source["outbound"]["matched_packets"] == len(frames)
        assert source["outbound"]["mirrored_packets"] == len(frames)
        assert source["outbound"]["matched_bytes"] == sum(map(len, frames))


@pytest.mark.any_kernel
@pytest.mark.parametrize("collector,fields", [
    (COLLECTOR, {"packet_length": 1000}), (COLLECTOR6, {"packet_length": 1000}),
    (COLLECTOR6, {"packet_length": 8500, "oversize": "fragment"})])
def test_what_the_kernel_refuses_to_cut(mirror, collector, fields):
    """A single packet of an overlay whose checksum is left to the hardware, and whose whole copy does not fit."""
    for role, device in (("host", "und0"), ("collector", "col0")):
        mirror.run(role, "ip", "link", "set", device, "mtu", "1500")
    mirror.run("host", "ethtool", "-K", "und0", "tx", "on")
    add_overlay(mirror)
    overlay = {"priority": 1, "policy": "collect", "protocol": "udp", "destination_port": "8472/8472"}
    made = document(session("ids", ["und0"], collector, **fields))
    made["filters"][0] = {"name": "f", "outbound": [overlay]}
    mirror.apply(made)
    copies = Capture(mirror, "collector", "col0", "udp", "port", "4789", direction="in")
    mirror.server("collector", "udp_echo", "10.93.0.2", "7000")
    mirror.run("host", PYTHON, TRAFFIC, "udp_client", "10.93.0.2", "7000", "5", "1422")
    totals = mirror.session()["totals"]
    assert totals["mirrored_packets"] == len(copies.stop())
    assert totals["matched_packets"] == totals["mirrored_packets"] + totals["dropped_packets"]
    assert totals["drops"] == {"error": 5}


def test_collector_behind_an_overlay(mirror):
    """A copy is wrapped twice, and its outermost packet is still one of the mirror's own."""
    add_overlay(mirror)
    receive(mirror, ("collector", "10.93.0.2"))
    mirror.apply(document(session("ids", ["src0", "overlay", "und0"], "10.93.0.2")))
    copies = Capture(mirror, "collector", "overlay", "udp", "port", "4789", direction="in")
    ping(mirror, "client", HOST)
    assert packets(copies) == 2 * PINGS
    assert mirror.session()["totals"]["matched_packets"] == 2 * PINGS
    own = {source["interface"]: source["own_packets"] for source in mirror.stats()["sources"]}
    assert own["overlay"] == own["und0"] == 2 * PINGS
