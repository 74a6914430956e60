"""Sources in other network namespaces: the client's end of its cable is named, this host's end mirrored."""

import json

import pytest
from capture import Capture
from compare import cut, differences
from lab import HOST, run, wait_for
from mirror import PYTHON

TCP = '{"priority": 1, "policy": "collect", "protocol": "tcp"}'
ALL = '{"priority": 1, "policy": "collect"}'
CUT = 1400


def state(mirror, source):
    """Interface, state and message of what the session has under that name."""
    shown = json.loads(mirror.vxtap("session", "show", "ids", "-o", "json").stdout)["source_states"]
    [found] = [s for s in shown if s["source"] == source]
    return found["interface"], found["state"], found.get("message", "")


def destination_ports(copies):
    return {int.from_bytes(copy[36:38], "big") for copy in copies}


def wait_for_state(mirror, source, wanted):
    wait_for(f"{source} is {wanted}", lambda: state(mirror, source)[:2] == wanted)


@pytest.fixture
def web(mirror):
    """The client as a container: the name of its namespace."""
    return mirror.names["client"]


@pytest.mark.parametrize("offloads", ["off", "on"])
def test_copies_are_what_the_container_sends_and_receives(mirror, web, offloads):
    for role, device in (("client", "cli0"), ("host", "src0")):
        mirror.offloads(role, device, offloads)
    mirror.offloads("collector", "col0", "off")
    mirror.apply(mirror.document("", TCP, sources=[f"netns:{web}/cli0"], packet_length=CUT))
    assert state(mirror, f"netns:{web}/cli0") == ("src0", "active", "")
    # With offloads the cable carries super-packets, and a reference is there only without.
    reference = Capture(mirror, "client", "cli0", "tcp", direction="out")
    collector = Capture(mirror, "collector", "col0", "udp", "port", "4789", direction="in")
    mirror.tcp(HOST, "8080", "300000")
    sent, copies = reference.stop(), [copy.inner for copy in mirror.copies(collector)]
    assert destination_ports(copies) == {8080}  # what the client sends, and nothing else
    [source] = mirror.session()["sources"]
    assert source["interface"] == "src0"
    assert source["inbound"]["matched_packets"] == 0
    assert source["outbound"]["matched_packets"] == source["outbound"]["mirrored_packets"] == len(copies)
    if offloads == "off":
        assert differences([cut(frame, CUT) for frame in sent], copies) == {}
    else:
        # The IP header of a cut copy still says how long the packet was on the wire.
        lengths = [int.from_bytes(copy[16:18], "big") for copy in copies]
        assert sum(length - 52 for length in lengths) == sum(len(frame) - 66 for frame in sent)
        assert max(map(len, sent)) > 1514 > 1500 == max(lengths) and max(map(len, copies)) == 14 + CUT


@pytest.mark.any_kernel
def test_flip_sees_it_as_the_host_does(mirror, web):
    mirror.apply(mirror.document(TCP, "", sources=[f"netns:{web}/cli0:flip"]))
    collector = Capture(mirror, "collector", "col0", "udp", "port", "4789", direction="in")
    mirror.tcp(HOST, "8080", "3000")
    assert destination_ports(copy.inner for copy in mirror.copies(collector)) == {8080}
    [source] = mirror.session()["sources"]
    assert source["inbound"]["mirrored_packets"] > 0 == source["outbound"]["matched_packets"]


def test_by_path_of_a_process(mirror):
    process = mirror.start("client", PYTHON, "-c", "import time; time.sleep(1000)")
    wait_for("it is there", lambda: run("ip", "netns", "identify", str(process.popen.pid)).stdout.strip()
             == mirror.names["client"])
    source = f"netns:/proc/{process.popen.pid}/ns/net/cli0"
    mirror.apply(mirror.document(ALL, ALL, sources=[source]))
    assert state(mirror, source)[:2] == ("src0", "active")


def test_what_comes_goes_and_is_renamed_there(mirror, web):
    source = f"netns:{web}/eth9"
    said = mirror.apply(mirror.document(ALL, ALL, sources=[source])).stderr
    assert f"'{source}' is pending: there is no interface eth9" in said
    mirror.rename("client", "cli0", "eth9")
    wait_for_state(mirror, source, ("src0", "active"))
    mirror.rename("host", "src0", "near")
    wait_for_state(mirror, source, ("near", "active"))
    mirror.run("client", "ip", "link", "delete", "eth9")
    wait_for_state(mirror, source, (source, "pending"))
    assert [p for p in mirror.status()["problems"] if source in p]


def test_namespaces_come_and_go(mirror, web):
    source = f"netns:{web}-later/eth0"
    mirror.apply(mirror.document(ALL, ALL, sources=[source]))
    assert "no network namespace" in state(mirror, source)[2]
    mirror.names["later"] = f"{web}-later"  # from now on the lab takes it away
    run("ip", "netns", "add", f"{web}-later")
    run("ip", "-n", mirror.names["host"], "link", "add", "near", "type", "veth", "peer", "name", "eth0",
        "netns", f"{web}-later")
    wait_for_state(mirror, source, ("near", "active"))
    run("ip", "netns", "delete", f"{web}-later")
    wait_for_state(mirror, source, (source, "pending"))


@pytest.mark.any_kernel
def test_what_has_no_end_here(mirror, web):
    """The copies of these could not leave by this host's underlay."""
    mirror.run("client", "ip", "link", "add", "inner", "type", "veth", "peer", "name", "outer")
    mirror.run("client", "ip", "link", "add", "mac", "link", "cli0", "type", "macvlan")
    sources = {name: f"netns:{web}/{name}" for name in ("inner", "mac", "lo")}
    here = f"netns:{mirror.names['host']}/src0"
    document = mirror.document(ALL, ALL, sources=[*sources.values(), here, "netns:/etc/passwd/eth0", "*"])
    mirror.apply(document)
    for source in sources.values():
        interface, what, why = state(mirror, source)
        assert (interface, what) == (source, "error") and "no veth whose other end" in why
    assert "write 'src0' alone" in state(mirror, here)[2]
    assert state(mirror, "netns:/etc/passwd/eth0")[1] == "error"
    mirror.vxtap("detach", "ids", here)
    assert here not in mirror.vxtap("export").stdout


@pytest.mark.any_kernel
def test_a_pattern_does_not_take_it(mirror, web):
    source = f"netns:{web}/cli0"
    mirror.apply(mirror.document(TCP, "", sources=["src*", source]))
    assert state(mirror, source)[:2] == ("src0", "active")
    collector = Capture(mirror, "collector", "col0", "udp", "port", "4789", direction="in")
    mirror.tcp(HOST, "8080", "3000")
    assert 8080 not in destination_ports(copy.inner for copy in mirror.copies(collector))
    [counted] = mirror.session()["sources"]
    # As the client sees it: what it receives is inbound.
    assert 0 < counted["inbound"]["matched_packets"] and counted["outbound"]["matched_packets"] == 0
