"""Programs remember the first session of an interface and the way to a destination in tables with a few hundred
places. Those that share a place must not be taken for one another, nor for what they were before a change."""

import itertools
import socket

import pytest
from capture import Capture, decapsulate
from lab import COLLECTOR

PLACES = 256
PORT = 5353
RULE = {"priority": 1, "policy": "collect", "protocol": "udp", "destination_port": f"{PORT}/{PORT}"}
ROUNDS = 20

# To all addresses in turn, on one CPU: each has places of its own. Not faster than tcpdump.
SENDER = """
import os, socket, sys, time
os.sched_setaffinity(0, {0})
end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(int(sys.argv[1])):
    for address in sys.argv[3:]:
        end.sendto(b"place", (address, int(sys.argv[2])))
    time.sleep(0.05)
"""


def place_of(number):
    """As bpf/maps.h says."""
    return (number * 0x9E3779B1 & 0xFFFFFFFF) >> 24


def same_place(number, first):
    """Numbers from `first` on that share a place with that one."""
    return (other for other in itertools.count(first) if place_of(other) == place_of(number))


def send(lab, rounds, *addresses):
    lab.run("client", "/usr/bin/python3", "-c", SENDER, str(rounds), str(PORT), *addresses)


def session(name, source, vni, destination=COLLECTOR, **fields):
    return {"name": name, "filter": "f", "sources": [source], "destination": destination, "vni": vni,
            "priority": vni, "enabled": True, **fields}


def document(*sessions):
    return {"filters": [{"name": "f", "inbound": [RULE]}], "sessions": list(sessions)}


def copies(lab, rounds, *addresses):
    capture = Capture(lab, "collector", "col0", "udp", "port", "4789", direction="in")
    send(lab, rounds, *addresses)
    return [decapsulate(frame) for frame in capture.stop()]


def add_source(lab, number, ifindex):
    """src1, src2, …: the address of the host's end."""
    near, far = f"src{number}", f"cli{number}"
    lab.run("host", "ip", "link", "add", near, "index", str(ifindex), "type", "veth", "peer", "name", far,
            "netns", lab.names["client"])
    for role, device, host in (("host", near, 1), ("client", far, 2)):
        lab.run(role, "ip", "link", "set", device, "addrgenmode", "none", "up")
        lab.run(role, "ip", "address", "add", f"10.92.{number}.{host}/24", "dev", device)
    return f"10.92.{number}.1"


def test_interfaces_that_share_a_place(lab):
    addresses = {vni: add_source(lab, vni, ifindex) for vni, ifindex in zip((1, 2), same_place(2000, 2000))}
    lab.start_daemon()
    for first, second in ((1, 2), (2, 1), (1, 2)):
        lab.apply(document(session("one", "src1", first), session("two", "src2", second)))
        inner = [(copy.vni, socket.inet_ntoa(copy.inner[30:34])) for copy in copies(lab, ROUNDS, *addresses.values())]
        assert sorted(inner) == sorted([(first, addresses[1]), (second, addresses[2])] * ROUNDS)
    seen = {s["interface"]: s["seen_packets"] for s in lab.stats()["sources"]}
    assert min(seen["src1"], seen["src2"]) >= 3 * ROUNDS


def test_underlay_that_shares_its_place_with_a_source(lab):
    """A copy passes the underlay's programs while the source's goes on to the next session."""
    und0 = int(lab.run("host", "cat", "/sys/class/net/und0/ifindex").stdout)
    address = add_source(lab, 1, next(same_place(und0, 2000)))
    lab.start_daemon()
    lab.apply(document(session("one", "src1", 1, fall_through=True), session("two", "src1", 2),
                       session("underlay", "und0", 3)))
    assert sorted(copy.vni for copy in copies(lab, ROUNDS, address)) == [1] * ROUNDS + [2] * ROUNDS


@pytest.mark.any_kernel
def test_destinations_that_share_a_place(mirror):
    """More of them than places; a packet goes to each, through one session behind the other."""
    mirror.run("host", "ip", "route", "add", "10.95.0.0/16", "via", COLLECTOR)
    mirror.run("host", "ping", "-c", "1", COLLECTOR)  # its MAC address is known then
    destinations = {vni: f"10.95.{vni // 200}.{vni % 200 + 1}" for vni in range(1, PLACES + 50)}
    mirror.apply(document(*(session(f"s{vni}", "src0", vni, destination, fall_through=True)
                            for vni, destination in destinations.items())))
    came = [(copy.vni, socket.inet_ntoa(copy.destination)) for copy in copies(mirror, ROUNDS, "10.90.0.1")]
    assert sorted(came) == sorted(list(destinations.items()) * ROUNDS)
