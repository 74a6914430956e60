"""Who writes the outer headers of copies: a program on the underlay's hook, or the kernel's VXLAN device; that
both write the same; and that the second stands in wherever the first can't."""

import json
import struct

import pytest
from capture import Capture, decapsulate
from lab import COLLECTOR, COLLECTOR6, HOST, run, wait_for

UDP = '{"priority": 1, "policy": "collect", "protocol": "udp"}'
COPIES = 2 * 20


def status(mirror):
    return json.loads(mirror.vxtap("status", "-o", "json").stdout)


def ways(mirror):
    return {d["address"]: d for d in status(mirror)["destinations"]}


def sent_by_the_kernel(mirror):
    """Packets that have left through the tunnel device."""
    link = json.loads(mirror.run("host", "ip", "-s", "-j", "link", "show", "vxtap0").stdout)[0]
    return link["stats64"]["tx"]["packets"]


def copies_of_datagrams(mirror, source_port="4000"):
    """The frames of the underlay."""
    copies = Capture(mirror, "collector", "col0", "udp", "port", "4789", direction="in")
    mirror.udp(HOST, "5353", str(COPIES // 2), "300", source_port)
    return copies.stop()


def header_sum(header):
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def outer(frame):
    """What two ways of writing the outer headers must agree on: all but identification and checksum."""
    return frame[:18] + frame[20:24] + frame[26:50]


def has_tcx(mirror):
    if status(mirror)["attach"] == "tcx":
        return True
    way = ways(mirror)[COLLECTOR]
    assert way["encapsulation"] == "kernel" and "TCX" in way["reason"]
    return False


def test_both_write_the_same(lab):
    lab.start_daemon(encapsulation="kernel")
    lab.apply(lab.document(UDP, UDP))
    assert ways(lab)[COLLECTOR] == {"address": COLLECTOR, "interface": "und0", "encapsulation": "kernel",
                                    "reason": "the setting 'encapsulation' says so"}
    kernels = copies_of_datagrams(lab)
    assert sent_by_the_kernel(lab) == COPIES
    lab.daemon.stop()
    lab.start_daemon()
    if not has_tcx(lab):
        return
    assert ways(lab)[COLLECTOR] == {"address": COLLECTOR, "interface": "und0", "encapsulation": "bpf",
                                    "reason": ""}
    ours = copies_of_datagrams(lab)
    assert sent_by_the_kernel(lab) == 0
    assert len(ours) == len(kernels) == COPIES
    assert {outer(frame) for frame in ours} == {outer(frame) for frame in kernels}
    assert all(header_sum(frame[14:34]) == 0xFFFF for frame in ours)
    assert len({frame[18:20] for frame in ours}) == COPIES  # identifications, for who cuts on the way


def test_ipv6_is_the_kernels(mirror):
    mirror.apply(mirror.document(UDP, UDP, destination=COLLECTOR6))
    assert ways(mirror)[COLLECTOR6]["encapsulation"] == "kernel"
    frames = copies_of_datagrams(mirror)
    assert len(frames) == COPIES
    assert all(decapsulate(frame).checksum_good for frame in frames)


@pytest.mark.any_kernel
def test_ipsec_policies_are_obeyed(mirror):
    """Only what passes the kernel's output is encrypted."""
    mirror.apply(mirror.document(UDP, UDP))
    if not has_tcx(mirror):
        return
    policy = ("src", "10.99.0.0/24", "dst", "10.99.1.0/24", "dir", "out")
    mirror.run("host", "ip", "xfrm", "policy", "add", *policy, "action", "block")
    wait_for("the kernel's way", lambda: "IPsec" in ways(mirror)[COLLECTOR]["reason"])
    before = sent_by_the_kernel(mirror)
    assert len(copies_of_datagrams(mirror)) == COPIES
    assert sent_by_the_kernel(mirror) == before + COPIES
    mirror.run("host", "ip", "xfrm", "policy", "delete", *policy)
    wait_for("our way", lambda: ways(mirror)[COLLECTOR]["encapsulation"] == "bpf")


def test_follows_the_route(mirror):
    """To another underlay, and back; the copies of that moment go one way or the other."""
    mirror.run("host", "ip", "link", "add", "other0", "type", "veth", "peer", "name", "far0", "netns",
               mirror.names["collector"])
    for role, device, address in (("host", "other0", "10.94.0.1/24"), ("collector", "far0", "10.94.0.2/24")):
        mirror.run(role, "ip", "address", "add", address, "dev", device)
        mirror.run(role, "ip", "link", "set", device, "up")
    mirror.apply(mirror.document(UDP, UDP))
    encapsulation = "bpf" if has_tcx(mirror) else "kernel"
    for hop, device, far in (("10.94.0.2", "other0", "far0"), (None, "und0", "col0")):
        if hop:
            mirror.run("host", "ip", "route", "add", f"{COLLECTOR}/32", "via", hop)
        else:
            mirror.run("host", "ip", "route", "delete", f"{COLLECTOR}/32")
        wait_for(device, lambda: ways(mirror)[COLLECTOR]["interface"] == device)  # noqa: B023
        wait_for("a way that is well", lambda: status(mirror)["problems"] == [])
        assert ways(mirror)[COLLECTOR]["encapsulation"] == encapsulation
        copies = Capture(mirror, "collector", far, "udp", "port", "4789", direction="in")
        mirror.udp(HOST, "5353", str(COPIES // 2), "300")
        assert len(copies.stop()) == COPIES


@pytest.mark.any_kernel
def test_program_taken_away_by_hand(mirror):
    """At most one copy for each CPU leaves naked, which is no VXLAN packet to anybody; then the kernel's way is
    taken, until the agent has mended the hook."""
    mirror.apply(mirror.document(UDP, UDP))
    if not has_tcx(mirror):
        return
    [link] = mirror.pins.glob("vxtap/net-*/layout-*/links/underlay-*")
    run("bpftool", "link", "detach", "pinned", str(link))
    copies = copies_of_datagrams(mirror)
    assert COPIES - 2 <= len(copies) <= COPIES
    wait_for("the hook is back", lambda: "is attached again" in mirror.daemon.log.read_text())
    before = sent_by_the_kernel(mirror)
    assert len(copies_of_datagrams(mirror)) == COPIES
    assert sent_by_the_kernel(mirror) == before
