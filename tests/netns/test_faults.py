"""What goes wrong on the way to the collector: production goes on, each lost copy is counted under its own
reason, status says in words what is wrong, and the mirror heals by itself."""

import contextlib
import os
import re
import signal
import struct

import pytest
from capture import Capture, read_packets
from lab import COLLECTOR, COLLECTOR6, HOST, wait_for
from mirror import PYTHON, TRAFFIC

UDP = '{"priority": 1, "policy": "collect", "protocol": "udp"}'


@pytest.fixture
def receiver(mirror):
    """Without one the collector refuses every copy."""
    return mirror.server("collector", "udp_sink", COLLECTOR, "4789")


@contextlib.contextmanager
def production(mirror, size=64):
    """Numbered datagrams and their answers, a thousand a second, for as long as the block lasts. The client
    ends with an error if one is lost, doubled or late in its order."""
    server = mirror.server("host", "udp_echo", HOST, "5353")
    client = mirror.start("client", PYTHON, TRAFFIC, "udp_client", HOST, "5353", "60000", str(size), "0",
                          "0.001", "until_stopped")
    yield
    assert client.stop() == 0, client.log.read_text()
    server.stop()


def totals(mirror):
    """The session's counters, which add up at any time but for the packets of that moment."""
    return mirror.session()["totals"]


def problems(mirror):
    return mirror.status()["problems"]


def wait_for_drops(mirror, reason):
    before = totals(mirror)["drops"].get(reason, 0)
    wait_for(f"copies dropped: {reason}", lambda: totals(mirror)["drops"].get(reason, 0) > before + 50)


def wait_for_copies(mirror):
    """Until copies leave, and none is dropped any more."""
    def healed():
        before, after = totals(mirror), wait_a_moment(mirror)
        return (after["mirrored_packets"] > before["mirrored_packets"] + 20
                and after["dropped_packets"] == before["dropped_packets"])

    wait_for("copies leave again", healed)


def wait_a_moment(mirror):
    before = totals(mirror)["matched_packets"]
    wait_for("some traffic", lambda: totals(mirror)["matched_packets"] > before + 50)
    return totals(mirror)


def host(*command):
    return lambda mirror: mirror.run("host", *command)


def collector(*command):
    return lambda mirror: mirror.run("collector", *command)


def lose_neighbour(mirror):
    mirror.run("collector", "ip", "link", "set", "col0", "arp", "off")
    mirror.run("host", "ip", "neighbour", "flush", "dev", "und0")


# name: (how it comes, how it goes or None if that is the mirror's own work, reason, words of status)
FAULTS = {
    "no route": (host("ip", "route", "delete", "10.91.0.0/24", "dev", "und0"),
                 host("ip", "route", "add", "10.91.0.0/24", "dev", "und0"),
                 "no_route", "no route to 10.91.0.2"),
    "blackhole": (host("ip", "route", "add", "blackhole", COLLECTOR),
                  host("ip", "route", "delete", "blackhole", COLLECTOR),
                  "no_route", "no route to 10.91.0.2"),
    "unresolved neighbour": (lose_neighbour,
                             collector("ip", "link", "set", "col0", "arp", "on"),
                             "no_neighbour", "10.91.0.2, the next hop to 10.91.0.2, does not answer"),
    "underlay down": (host("ip", "link", "set", "und0", "down"),
                      host("ip", "link", "set", "und0", "up"),
                      "no_route", "no route to 10.91.0.2"),
    "no carrier": (collector("ip", "link", "set", "col0", "down"),
                   collector("ip", "link", "set", "col0", "up"),
                   "link_down", "'und0', which leads to 10.91.0.2, has no carrier"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_way_to_the_collector(mirror, receiver, name):
    come, go, reason, words = FAULTS[name]
    mirror.apply(mirror.document(UDP, UDP))
    copies = Capture(mirror, "collector", "col0", "udp", "port", "4789", direction="in")
    with production(mirror):
        wait_for_copies(mirror)
        assert problems(mirror) == []
        come(mirror)
        wait_for_drops(mirror, reason)
        wait_for(words, lambda: any("session 'ids'" in line and words in line
                                    for line in problems(mirror)))
        go(mirror)
        wait_for_copies(mirror)
        wait_for("status is well again", lambda: problems(mirror) == [])
    counters = totals(mirror)
    assert counters["matched_packets"] == counters["mirrored_packets"] + counters["dropped_packets"]
    # The queue of a link that goes down takes nothing; the neighbour is asked for after the fault.
    assert set(counters["drops"]) <= {reason, "queue", "no_neighbour"}
    arrived = len(copies.stop())
    if name in ("no carrier", "underlay down"):  # what the link holds at that moment is lost there
        assert arrived <= counters["mirrored_packets"]
    else:
        assert arrived == counters["mirrored_packets"]


@pytest.mark.parametrize("device", ["vxtap0", "vxtap-segment",
                                    pytest.param("vxtap-segport", marks=pytest.mark.any_kernel),
                                    pytest.param("vxtap-frame", marks=pytest.mark.any_kernel)])
def test_device_deleted_by_hand(mirror, device):
    mirror.apply(mirror.document(UDP, UDP))
    copies = Capture(mirror, "collector", "col0", "udp", "port", "4789", direction="in")
    with production(mirror):
        wait_for_copies(mirror)
        for _ in range(3):
            mirror.run("host", "ip", "link", "delete", device)
            wait_for(f"{device} is back", lambda: not mirror.run("host", "ip", "link", "show", device,
                                                                 check=False).returncode)
            wait_for_copies(mirror)
    counters = totals(mirror)
    assert counters["matched_packets"] == counters["mirrored_packets"] + counters["dropped_packets"]
    assert set(counters["drops"]) <= {"no_device"}
    assert len(copies.stop()) == counters["mirrored_packets"]


def test_segmenter_deleted_under_super_packets(mirror):
    """Production is TCP in super-packets, each of which needs the segmenter."""
    for role, device in (("client", "cli0"), ("host", "src0")):
        mirror.offloads(role, device, "on")
    rule = '{"priority": 1, "policy": "collect", "protocol": "tcp"}'
    mirror.apply(mirror.document(rule, rule, packet_length=128))
    for _ in range(5):
        mirror.run("host", "ip", "link", "delete", "vxtap-segment")
        before = totals(mirror)["truncated_packets"]
        mirror.tcp(HOST, "8080", "3000000")
        wait_for("the segmenter is back",
                 lambda: "vxtap-segment" in mirror.run("host", "ip", "-o", "link", "show").stdout)
        mirror.tcp(HOST, "8080", "300000")
        assert totals(mirror)["truncated_packets"] > before + 400
    counters = totals(mirror)
    assert counters["matched_packets"] == counters["mirrored_packets"] + counters["dropped_packets"]
    assert set(counters["drops"]) <= {"no_device"}


def test_collector_that_refuses(mirror):
    """Nobody listens there: each copy arrives all the same, and is answered by an ICMP error."""
    mirror.apply(mirror.document(UDP, UDP))
    copies = Capture(mirror, "collector", "col0", "udp", "port", "4789", direction="in")
    with production(mirror):
        wait_for("a refusal", lambda: any("session 'ids'" in line and "refuses" in line
                                          for line in problems(mirror)))
        wait_for_copies(mirror)
        receiver = mirror.server("collector", "udp_sink", COLLECTOR, "4789")
        wait_for("status is well again", lambda: problems(mirror) == [])
    receiver.stop()
    counters = totals(mirror)
    assert counters["matched_packets"] == counters["mirrored_packets"] == len(copies.stop())


@pytest.mark.parametrize("size,session", [
    (64, {}), pytest.param(1400, {"destination": COLLECTOR6, "oversize": "fragment"}, marks=pytest.mark.any_kernel)])
def test_full_queue(mirror, size, session):
    """The underlay takes a tenth of the copies; production does not notice. Of a copy in fragments the first that
    is refused is the last that is sent."""
    mirror.run("host", "ip", "link", "set", "und0", "mtu", "1400")
    mirror.run("host", "tc", "qdisc", "add", "dev", "und0", "root", "tbf", "rate", "100kbit", "burst",
               "2kb", "limit", "4kb")
    mirror.apply(mirror.document(UDP, UDP, **session))
    with production(mirror, size):
        for _ in range(5):
            wait_a_moment(mirror)
    counters = totals(mirror)
    assert counters["matched_packets"] == counters["mirrored_packets"] + counters["dropped_packets"]
    queue = mirror.run("host", "tc", "-s", "qdisc", "show", "dev", "und0").stdout
    lost = int(re.search(r"dropped (\d+)", queue)[1])
    assert lost > 0
    way = mirror.status()["destinations"][0]
    if way["encapsulation"] == "bpf":  # the kernel's VXLAN transmit does not tell
        assert list(counters["drops"]) == ["queue"]
        # It also loses what the kernel itself sends there: ARP, reports of multicast listeners.
        assert lost - 10 <= counters["drops"]["queue"] <= lost


def test_follows_the_mtu(mirror):
    """Of links and of routes, while the session runs."""
    mirror.apply(mirror.document(UDP))
    copies = Capture(mirror, "collector", "col0", "udp", "port", "4789", direction="in")

    def length_of_copies(expected):
        mirror.udp(HOST, "5353", "3", "1472")
        lengths = [struct.unpack_from("!H", frame, 16)[0] for frame in copies.frames()][-3:]
        return lengths == [expected] * 3

    wait_for("whole copies", lambda: length_of_copies(1500 + 50))
    mirror.run("host", "ip", "link", "set", "und0", "mtu", "1500")
    wait_for("the link's MTU", lambda: length_of_copies(1500))
    mirror.run("host", "ip", "route", "replace", f"{COLLECTOR}/32", "dev", "und0", "mtu", "1300")
    wait_for("the route's MTU", lambda: length_of_copies(1300))
    mirror.run("host", "ip", "route", "delete", f"{COLLECTOR}/32", "dev", "und0")
    mirror.run("host", "ip", "link", "set", "und0", "mtu", "9000")
    wait_for("whole copies again", lambda: length_of_copies(1500 + 50))


@pytest.mark.parametrize("collector,frame_limit", [(COLLECTOR, 1500 - 36), (COLLECTOR6, 1500 - 56)])
def test_follows_the_mtu_without_the_daemon(mirror, collector, frame_limit):
    """The programs see by themselves that a link takes less, whatever is left to the hardware."""
    for role, device in (("host", "src0"), ("client", "cli0")):
        mirror.run(role, "ethtool", "-K", device, "tx", "on")
    mirror.apply(mirror.document(UDP, UDP, destination=collector))
    os.kill(mirror.daemon.popen.pid, signal.SIGSTOP)
    mirror.run("host", "ip", "link", "set", "und0", "mtu", "1500")
    copies = Capture(mirror, "collector", "col0", "greater 1000", direction="in")
    mirror.udp(HOST, "5353", "5", "1472")
    frames = copies.stop()
    os.kill(mirror.daemon.popen.pid, signal.SIGCONT)
    assert [len(frame) for frame in frames] == [14 + 1500] * 10
    counters = totals(mirror)
    assert counters["mirrored_packets"] == counters["truncated_packets"] == 10
    assert counters["mirrored_bytes"] == 10 * frame_limit


def test_fragments_follow_the_mtu(mirror):
    """Of a route, which the kernel does not tell programs."""
    mirror.apply(mirror.document(UDP, destination=COLLECTOR6, oversize="fragment"))
    copies = Capture(mirror, "collector", "col0", "udp port 4789 or ip6[6] == 44", direction="in")

    def lengths_on_the_path(*expected):
        before = len(copies.frames())
        mirror.udp(HOST, "5353", "1", "1472")
        return [struct.unpack_from("!H", frame, 18)[0] for frame in copies.frames()[before:]] == list(expected)

    datagram = 8 + 8 + 14 + 1500
    wait_for("whole copies", lambda: lengths_on_the_path(datagram))
    mirror.run("host", "ip", "route", "replace", f"{COLLECTOR6}/128", "dev", "und0", "mtu", "1300")
    parts = (8 + 768, 8 + datagram - 768) if mirror.status()["attach"] == "tcx" else (1300 - 40,)
    wait_for("the route's MTU", lambda: lengths_on_the_path(*parts))
    mirror.run("host", "ip", "route", "delete", f"{COLLECTOR6}/128", "dev", "und0")
    wait_for("whole copies again", lambda: lengths_on_the_path(datagram))


@pytest.mark.parametrize("collector,family", [(COLLECTOR, "ipv4"), (COLLECTOR6, "ipv6")])
def test_forwarding_switched_off(mirror, collector, family):
    """By a sysctl for all interfaces: then the kernel tells programs no way. It carries the copies itself meanwhile,
    over IPv6 without fragments."""
    for role, device in (("host", "und0"), ("collector", "col0")):
        mirror.run(role, "ip", "link", "set", device, "mtu", "1500")
    mirror.apply(mirror.document(UDP, UDP, destination=collector, oversize="fragment"))
    record = mirror.path / "copies"
    receiver = mirror.server("collector", "udp_recorder", collector, "4789", str(record))
    switch = f"/proc/sys/net/{family}/conf/vxtap0/forwarding"
    with production(mirror, 1450):
        for _ in range(3):
            wait_a_moment(mirror)
            mirror.run("host", "sh", "-c", f"echo 0 > {switch}")
            wait_a_moment(mirror)
            wait_for("a way again", lambda: mirror.run("host", "cat", switch).stdout == "1\n")
        wait_for_copies(mirror)
    counters = totals(mirror)
    receiver.stop()
    assert counters["dropped_packets"] == 0
    arrived = [len(packet) - 8 for packet in read_packets(record)]
    assert len(arrived) == counters["mirrored_packets"]
    assert sum(arrived) == counters["mirrored_bytes"]
