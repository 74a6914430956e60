"""Sources by pattern follow interfaces that come, go and are renamed; `flip` sees from the other end."""

import json
import signal
from pathlib import Path

import pytest
from capture import Capture
from lab import COLLECTOR, HOST, wait_for
from mirror import PYTHON, TRAFFIC

ALL = '{"priority": 1, "policy": "collect"}'
UDP = '{"priority": 7, "policy": "collect", "protocol": "udp"}'
# Padding behind an IPv4 packet of a protocol of no consequence.
FRAME = "ffffffffffff0200000000010800" + "4500001c000000004001" + "0000c0000201c0000202" + "00" * 30


def states(mirror):
    shown = json.loads(mirror.vxtap("session", "show", "ids", "-o", "json").stdout)
    return {s["interface"]: (s["source"], s["state"]) for s in shown["source_states"]}


def add_cable(mirror, name):
    mirror.run("host", "ip", "link", "add", name, "up", "type", "veth", "peer", "name", f"far-{name}")
    mirror.run("host", "ip", "link", "set", f"far-{name}", "up")


def matched(mirror, interface):
    sources = {s["interface"]: s for s in mirror.session()["sources"]}
    counted = sources.get(interface)
    return counted["outbound"]["matched_packets"] if counted else 0


def send(mirror, interface):
    mirror.run("host", PYTHON, TRAFFIC, "raw_frame", interface, FRAME)


def wait_for_state(mirror, interface, state):
    wait_for(f"{interface} is {state}", lambda: states(mirror).get(interface) == state)


def test_what_a_pattern_matches_is_mirrored(mirror):
    said = mirror.apply(mirror.document(ALL, ALL, sources=["pod[0-9]*"])).stderr
    assert "'pod[0-9]*' is pending" in said
    assert states(mirror) == {"pod[0-9]*": ("pod[0-9]*", "pending")}
    assert json.loads(mirror.vxtap("status", "--check", "-o", "json").stdout)["healthy"]
    add_cable(mirror, "pod1")
    add_cable(mirror, "podx")
    wait_for_state(mirror, "pod1", ("pod[0-9]*", "active"))
    assert list(states(mirror)) == ["pod1"]
    before = matched(mirror, "pod1")
    send(mirror, "pod1")
    send(mirror, "podx")
    assert matched(mirror, "pod1") > before
    assert matched(mirror, "podx") == 0
    status = mirror.status()
    assert status["sources"] == [{"interface": "pod1", "state": "active", "message": "",
                                  "sources": ["pod[0-9]*"], "sessions": ["ids"]}]


def test_renamed_and_deleted(mirror):
    mirror.apply(mirror.document(ALL, ALL, sources=["pod*"]))
    add_cable(mirror, "other")
    mirror.rename("host", "other", "pod5")
    wait_for_state(mirror, "pod5", ("pod*", "active"))
    send(mirror, "pod5")
    counted = matched(mirror, "pod5")
    assert counted >= 1
    mirror.rename("host", "pod5", "elsewhere")
    wait_for_state(mirror, "pod*", ("pod*", "pending"))
    counted = matched(mirror, "pod5")
    send(mirror, "elsewhere")
    assert matched(mirror, "pod5") == counted and matched(mirror, "elsewhere") == 0
    mirror.rename("host", "elsewhere", "pod5")
    wait_for_state(mirror, "pod5", ("pod*", "active"))
    mirror.run("host", "ip", "link", "delete", "pod5")
    wait_for_state(mirror, "pod*", ("pod*", "pending"))
    # What was counted stays in the totals.
    assert mirror.session()["totals"]["matched_packets"] >= counted


def test_fifty_at_once(mirror):
    mirror.apply(mirror.document(ALL, ALL, sources=["pod*"]))
    names = [f"pod{i}" for i in range(50)]
    lines = [f"link add {name} up type veth peer name far{name}" for name in names]
    mirror.run("host", "ip", "-batch", "-", input="\n".join(lines) + "\n")
    wait_for("all are active",
             lambda: states(mirror) == {name: ("pod*", "active") for name in names})
    lines = [f"link delete {name}" for name in names]
    mirror.run("host", "ip", "-batch", "-", input="\n".join(lines) + "\n")
    wait_for("all are gone", lambda: list(states(mirror)) == ["pod*"])


def test_an_interface_that_owns_a_destination_is_passed_over(mirror):
    mirror.apply(mirror.document(ALL, ALL, sources=["pod*"], destination="10.77.0.1"))
    add_cable(mirror, "pod1")
    wait_for_state(mirror, "pod1", ("pod*", "active"))
    mirror.run("host", "ip", "address", "add", "10.77.0.1/24", "dev", "pod1")
    wait_for_state(mirror, "pod1", ("pod*", "passed_over"))
    status = mirror.status()
    assert "owns 10.77.0.1" in status["sources"][0]["message"]
    assert not [p for p in status["problems"] if "pod1" in p]
    mirror.run("host", "ip", "address", "delete", "10.77.0.1/24", "dev", "pod1")
    wait_for_state(mirror, "pod1", ("pod*", "active"))


@pytest.mark.any_kernel
def test_own_devices_are_passed_over(mirror):
    mirror.apply(mirror.document(ALL, ALL, sources=["*"]))
    shown = states(mirror)
    assert shown["src0"] == ("*", "active")
    assert {state for name, (_, state) in shown.items() if name.startswith("vxtap")} == {"passed_over"}


def test_flip(mirror):
    """The host receives what the client sends: to the far end that is outbound, and only that has a rule."""
    mirror.apply(mirror.document("", UDP, sources=["src0:flip"]))
    collector = Capture(mirror, "collector", "col0", "udp", "port", "4789", direction="in")
    mirror.udp(HOST, "5353", "5", "64")
    copies = mirror.copies(collector)
    assert len(copies) == 5
    assert all(copy.inner[14 + 22:14 + 24] == (5353).to_bytes(2, "big") for copy in copies)
    source = mirror.session()["sources"][0]
    assert source["interface"] == "src0"
    assert source["outbound"]["matched_packets"] == source["outbound"]["mirrored_packets"] == 5
    assert source["inbound"]["matched_packets"] == 0
    rules = json.loads(mirror.vxtap("stats", "--rules", "-o", "json").stdout)["sessions"][0]["rules"]
    assert [(r["direction"], r["packets"]) for r in rules] == [("outbound", 5)]


def explained(mirror, direction):
    answer = mirror.vxtap("explain", "--interface", "src0", "--direction", direction, "--protocol",
                          "udp", "--source", "10.90.0.2", "--destination", HOST, "--source-port",
                          "1", "--destination-port", "2", "-o", "json").stdout
    return json.loads(answer)["packets"][0]


@pytest.mark.any_kernel
def test_explain_with_flip(mirror):
    mirror.apply(mirror.document("", UDP, sources=["src*:flip"]))
    answer = explained(mirror, "inbound")
    assert answer["decision"] == "mirrored"
    session = answer["sessions"][0]
    assert session["direction"] == session["rule"]["direction"] == "outbound"
    assert explained(mirror, "outbound")["decision"] == "not_matched"


@pytest.mark.any_kernel
def test_a_name_beats_a_pattern(mirror):
    mirror.apply(mirror.document("", UDP, sources=["src*:flip", "src0"]))
    assert states(mirror)["src0"] == ("src0", "active")
    assert explained(mirror, "outbound")["decision"] == "mirrored"
    mirror.vxtap("detach", "ids", "src0")
    assert states(mirror)["src0"] == ("src*:flip", "active")
    assert explained(mirror, "inbound")["decision"] == "mirrored"


@pytest.mark.any_kernel
def test_round_trip(mirror):
    mirror.apply(mirror.document(ALL, ALL, sources=[], destination=COLLECTOR))
    mirror.vxtap("attach", "ids", "veth*:flip", "src0")
    document = mirror.vxtap("export").stdout
    assert json.loads(document)["sessions"][0]["sources"] == ["veth*:flip", "src0"]
    changed = mirror.vxtap("apply", "-f", "-", "-o", "json", input=document).stdout
    assert {c["action"] for c in json.loads(changed)["changes"]} == {"unchanged"}
    mirror.vxtap("attach", "ids", "src0:flip")  # turns it
    mirror.vxtap("detach", "ids", "veth*")  # its name is enough
    document = json.loads(mirror.vxtap("export").stdout)
    assert document["sessions"][0]["sources"] == ["src0:flip"]
    mirror.vxtap("attach", "ids", "[ev]th[0-9]", "eth9")
    document = json.loads(mirror.vxtap("export").stdout)
    assert document["sessions"][0]["sources"] == ["src0:flip", "[ev]th[0-9]", "eth9"]
    refused = mirror.vxtap("attach", "ids", "veth[", check=False)
    assert refused.returncode == 2 and "'[' is not closed" in refused.stderr


def cables(mirror, verb, names, ending=""):
    mirror.run("host", "ip", "-batch", "-",
               input="".join(f"link {verb} {name}{ending.format(name)}\n" for name in names))


@pytest.mark.any_kernel
def test_many_that_are_gone_share_a_line(mirror):
    mirror.apply(mirror.document(ALL, ALL, sources=["pod*"]))
    names = [f"pod{number}" for number in range(101)]
    cables(mirror, "add", names, " up type veth peer name x{}")
    wait_for("all are active", lambda: len(states(mirror)) == 101)
    for name in names[:3]:
        mirror.run("host", "ip", "link", "set", f"x{name}", "up")
        send(mirror, name)
    cables(mirror, "delete", names[:1])
    wait_for("one is gone", lambda: len(states(mirror)) == 100)
    counted = mirror.session()["totals"]["matched_packets"]
    assert counted >= 3 and len(mirror.session()["sources"]) == 101
    cables(mirror, "delete", names[1:])
    wait_for("they share a line", lambda: len(mirror.session()["sources"]) == 1)
    [gone] = mirror.session()["sources"]
    assert (gone["interface"], gone["state"]) == ("gone interfaces", "detached")
    totals = mirror.session()["totals"]
    assert totals["matched_packets"] == gone["inbound"]["matched_packets"] + gone["outbound"]["matched_packets"]
    assert totals["matched_packets"] >= counted
    mirror.daemon.stop(signal.SIGKILL)
    mirror.start_daemon()
    assert mirror.session()["totals"] == totals


@pytest.mark.any_kernel
def test_short_grace_periods_of_a_killed_daemon_are_set_back(mirror):
    expedited = Path("/sys/kernel/rcu_expedited")
    mirror.daemon.stop(signal.SIGKILL)
    [namespace] = (mirror.pins / "vxtap").iterdir()
    (namespace / "quick").mkdir()
    expedited.write_text("1")
    mirror.start_daemon()
    wait_for("they are as they were", lambda: expedited.read_text() == "0\n")
    assert not (namespace / "quick").exists()
