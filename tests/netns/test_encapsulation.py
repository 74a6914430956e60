"""Who writes the outer headers of copies: a program on the underlay's hook, or the kernel's VXLAN device; that
both write the same; and that the second stands in wherever the first can't."""

import json

import pytest
from capture import Capture, decapsulate, ones_complement_sum
from lab import COLLECTOR, COLLECTOR6, HOST, run, wait_for
from test_copies import frame

UDP = '{"priority": 1, "policy": "collect", "protocol": "udp"}'
COPIES = 2 * 20


def ways(mirror):
    return {d["address"]: d for d in mirror.status()["destinations"]}


def sent_by_the_kernel(mirror):
    """Packets that have left through the tunnel device."""
    link = json.loads(mirror.run("host", "ip", "-s", "-j", "link", "show", "vxtap0").stdout)[0]
    return link["stats64"]["tx"]["packets"]


def copies_of_datagrams(mirror, *sizes):
    """The frames of the underlay."""
    copies = Capture(mirror, "collector", "col0", "udp", "port", "4789", direction="in")
    for size in sizes or (300,):
        mirror.udp(HOST, "5353", str(COPIES // 2), str(size), "4000")
    return copies.stop()


def has_tcx(mirror, collector=COLLECTOR):
    if mirror.status()["attach"] == "tcx":
        return True
    way = ways(mirror)[collector]
    assert way["encapsulation"] == "kernel" and "TCX" in way["reason"]
    return False


def ipv4_without_chance(frame):
    """All but identification and checksum."""
    assert ones_complement_sum(frame[14:34]) == 0xFFFF
    return frame[:18] + frame[20:24] + frame[26:50]


# Copies of 512 bytes, which are summed up at once, and of each length modulo 4: short ones last, where rests of
# the long ones must not count.
SIZES = (1350, 470, 7, 6, 5, 4)


@pytest.mark.parametrize("collector", [COLLECTOR, COLLECTOR6])
def test_both_write_the_same(lab, collector):
    """Outer headers and copies, of finished packets."""
    lab.run("client", "ethtool", "-K", "cli0", "tx", "off")
    lab.run("host", "ethtool", "-K", "src0", "tx", "off")
    lab.start_daemon(encapsulation="kernel")
    document = lab.document(UDP, UDP, destination=collector)
    lab.apply(document)
    assert ways(lab)[collector] == {"address": collector, "interface": "und0", "encapsulation": "kernel",
                                    "reason": "the setting 'encapsulation' says so"}
    kernels = copies_of_datagrams(lab, *SIZES)
    assert sent_by_the_kernel(lab) == COPIES * len(SIZES)
    lab.daemon.stop()
    lab.start_daemon()
    if not has_tcx(lab, collector):
        return
    assert ways(lab)[collector] == {"address": collector, "interface": "und0", "encapsulation": "bpf",
                                    "reason": ""}
    ours = copies_of_datagrams(lab, *SIZES)
    assert sent_by_the_kernel(lab) == 0
    assert len(ours) == len(kernels) == COPIES * len(SIZES)
    if collector == COLLECTOR6:
        assert all(decapsulate(frame).checksum_good for frame in ours)
        # But for the inner identifications, and what is made of them.
        same = lambda frame: frame[:60] + frame[62:88] + frame[90:94] + frame[96:]  # noqa: E731
    else:
        same = lambda frame: ipv4_without_chance(frame) + frame[50:68] + frame[70:74] + frame[76:]  # noqa: E731
        assert len({frame[18:20] for frame in ours}) == len(ours)  # identifications, for who cuts on the way
    assert {same(frame) for frame in ours} == {same(frame) for frame in kernels}


def test_ipv6_leaves_unfinished_copies_to_the_kernel(mirror):
    """A checksum that the hardware has to write can't be part of another one."""
    mirror.run("host", "ethtool", "-K", "src0", "tx", "on")
    mirror.run("client", "ethtool", "-K", "cli0", "tx", "on")
    mirror.apply(mirror.document(UDP, UDP, destination=COLLECTOR6))
    frames = copies_of_datagrams(mirror)
    assert len(frames) == COPIES
    assert all(decapsulate(frame).checksum_good for frame in frames)
    assert sent_by_the_kernel(mirror) == COPIES


def test_tags_outside_the_frame(mirror):
    """The kernel holds the outer tag of what comes in outside the frame; the program puts it back."""
    mirror.apply(mirror.document(UDP))
    if not has_tcx(mirror):
        return
    frames = [frame(tags) for tags in ([], ["8100e005"], ["88a80006"], ["88a80006", "81002005"],
                                       ["81000006", "81000005"], ["88a80007", "81000006", "81000005"])]
    copies = Capture(mirror, "collector", "col0", "udp", "port", "4789", direction="in")
    mirror.client("raw_frame", "cli0", *(sent.hex() for sent in frames))
    assert [copy.inner for copy in mirror.copies(copies)] == frames
    assert sent_by_the_kernel(mirror) == 0


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
        wait_for("a way that is well", lambda: mirror.status()["problems"] == [])
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
