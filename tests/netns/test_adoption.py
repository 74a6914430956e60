"""What a daemon leaves at work when it ends, and how the next one takes that over."""

import json
import signal
from pathlib import Path

import pytest
from churn import as_another_layout
from lab import run
from mirror import PYTHON
from stream import RULE, Stream

FOREIGN = str(Path(__file__).parent / "foreign.py")
DEVICES = {"vxtap0", "vxtap-segment", "vxtap-segport", "vxtap-frame"}


def devices(lab):
    links = json.loads(lab.run("host", "ip", "-j", "link").stdout)
    return {link["ifname"] for link in links} & DEVICES


def pinned(lab):
    """Maps and links."""
    return sorted(path.name for path in (lab.pins / "vxtap").rglob("*") if path.is_file())


def clean_up(lab, check=True):
    return lab.run("host", *lab.daemon_command("--cleanup"), check=check)


def tcx(lab):
    return lab.status()["attach"] == "tcx"


@pytest.fixture
def streaming(mirror):
    # Kernels before 6.3 lose packets while the first clsact qdisc comes: see README.
    mirror.apply(mirror.document(RULE))
    return mirror, Stream(mirror)


def test_killed_and_restarted(streaming):
    mirror, stream = streaming
    for _ in range(3):
        mirror.daemon.stop(signal.SIGKILL)
        stream.wait_for_copies()
        mirror.start_daemon()
        stream.wait_for_copies()
    stream.check()


def test_another_layout(streaming):
    mirror, stream = streaming
    for _ in range(3):
        mirror.daemon.stop(signal.SIGKILL)
        as_another_layout(mirror)
        stream.wait_for_copies()
        mirror.start_daemon()
        stream.wait_for_copies()
    stream.check()
    assert len(list((mirror.pins / "vxtap").glob("net-*/layout-*"))) == 1


@pytest.mark.parametrize("number, settings", [(signal.SIGTERM, {"on_stop": "keep"}),
                                              (signal.SIGUSR1, {"on_stop": "remove"}), (signal.SIGUSR1, {})])
def test_stop_that_keeps(lab, number, settings):
    lab.start_daemon(**settings)
    lab.apply(lab.document(RULE))
    stream = Stream(lab)
    assert lab.daemon.stop(number) == 0
    stream.wait_for_copies()
    lab.start_daemon()
    stream.check()


@pytest.mark.parametrize("settings", [{}, {"on_stop": "remove"}])
def test_stop_that_removes(lab, settings):
    before = lab.run("host", "tc", "qdisc").stdout
    lab.start_daemon(**settings)
    lab.apply(lab.document(RULE))
    assert devices(lab) == DEVICES and pinned(lab)
    assert lab.daemon.stop() == 0
    assert devices(lab) == set() and pinned(lab) == []
    assert lab.run("host", "tc", "qdisc").stdout == before


def test_counters_go_on_after_a_stop(lab):
    lab.start_daemon()
    lab.apply(lab.document(RULE))
    Stream(lab).check()
    for _ in range(2):
        before = lab.stats()
        assert before["sessions"][0]["totals"]["mirrored_packets"]
        assert lab.daemon.stop() == 0
        lab.start_daemon()
        after = lab.stats()
        assert after["sessions"] == before["sessions"]
        # ARP may have passed meanwhile.
        assert after["sources"][0]["seen_packets"] >= before["sources"][0]["seen_packets"]


def test_state_changed_meanwhile(lab):
    """Another daemon changes the state, in another namespace, while this one's mirror runs alone."""
    lab.start_daemon()
    document = lab.document(RULE)
    gone = {**document["sessions"][0], "name": "gone", "priority": 2, "vni": 43}
    lab.apply({**document, "sessions": [*document["sessions"], gone]})
    stream = Stream(lab)
    lab.daemon.stop(signal.SIGKILL)

    elsewhere = lab.start("client", *lab.daemon_command(pin_dir=str(lab.pins / "elsewhere")))
    elsewhere.wait_for_line("ready: ")
    lab.vxtap("session", "delete", "gone")
    lab.vxtap("rule", "add", "f", "--direction", "inbound", "--priority", "20", "--policy", "ignore")
    elsewhere.stop()
    stream.wait_for_copies()

    lab.start_daemon()
    count, copies = stream.stop()
    assert copies == list(range(count))
    [session] = lab.stats()["sessions"]
    assert session["totals"]["mirrored_packets"] == count
    rules = {rule["priority"]: rule["packets"] for rule in session["rules"]}
    assert rules[10] == count
    # Of the session that is gone nothing is left in the maps.
    [maps] = (lab.pins / "vxtap").glob("net-*/layout-*/maps")
    for name, entries in (("mirror_counters", 2), ("destinations", 1), ("source_counters", 1)):
        dump = json.loads(run("bpftool", "-j", "map", "dump", "pinned", str(maps / name)).stdout)
        assert len(dump) == entries, name


def test_interface_of_another_number(mirror):
    """What was attached to an interface that went while no daemon ran does not stand in the way."""
    mirror.run("host", "ip", "link", "add", "late0", "type", "veth", "peer", "name", "late1")
    mirror.apply(mirror.document(RULE, sources=["late0", "src0"]))
    mirror.daemon.stop(signal.SIGKILL)
    mirror.run("host", "ip", "link", "delete", "late0")
    mirror.start_daemon()
    [src0] = [s for s in mirror.session()["sources"] if s["interface"] == "src0"]
    assert src0["state"] == "active"
    links = [name for name in pinned(mirror) if name.startswith(("inbound-", "outbound-"))]
    assert not tcx(mirror) or len(links) == 6  # two of src0, four of the devices
    Stream(mirror).check()


def test_cleanup(mirror):
    mirror.run("host", "tc", "qdisc", "add", "dev", "src0", "clsact")
    mirror.run("host", "tc", "filter", "add", "dev", "src0", "ingress", "prio", "7", "u32",
               "match", "u32", "0", "0", "classid", "1:1")
    filters = mirror.run("host", "tc", "filter", "show", "dev", "src0", "ingress").stdout
    ifindex = mirror.run("host", "cat", "/sys/class/net/src0/ifindex").stdout.strip()
    with_tcx = tcx(mirror)
    if with_tcx:
        mirror.run("host", PYTHON, FOREIGN, "attach", ifindex)
    mirror.apply(mirror.document(RULE))

    refused = clean_up(mirror, check=False)
    assert refused.returncode == 1 and "another vxtapd is running" in refused.stderr
    mirror.daemon.stop(signal.SIGKILL)
    done = clean_up(mirror)
    said = done.stdout
    assert done.stderr == ""
    for device in DEVICES:
        assert f"removed device {device}\n" in said
    assert devices(mirror) == set() and pinned(mirror) == []
    assert mirror.run("host", "tc", "filter", "show", "dev", "src0", "ingress").stdout == filters
    if with_tcx:
        assert mirror.run("host", PYTHON, FOREIGN, "count", ifindex).stdout == "1\n"
    assert clean_up(mirror).stdout == "nothing to remove\n"

    mirror.start_daemon()
    Stream(mirror).check()


@pytest.mark.parametrize("settings, says", [
    ({"pin_dir": "/tmp"}, "pin_dir: /tmp: must lie in a BPF file system"),
    ({"pin_dir": "bpf"}, 'pin_dir: "bpf": must be an absolute path'),
    ({"pin_dir": 7}, "pin_dir: 7: must be a string that is not empty"),
    ({"on_stop": "stay"}, 'on_stop: "stay": must be remove or keep')])
def test_settings_refused(lab, settings, says):
    done = lab.run("host", *lab.daemon_command(**settings), check=False)
    assert done.returncode == 2 and says in done.stderr


def test_failing_successor_does_no_harm(streaming):
    mirror, stream = streaming
    mirror.daemon.stop(signal.SIGKILL)
    state = Path(mirror.state)
    state.rename(state.with_name("kept"))
    state.write_text("no directory")
    assert mirror.run("host", *mirror.daemon_command(), check=False).returncode == 1
    state.unlink()
    state.with_name("kept").rename(state)
    mirror.start_daemon()
    stream.check()
