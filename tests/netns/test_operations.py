"""Sessions, sources and documents while the daemon runs, and its beginning and end."""

import json
import os

import pytest
from capture import Capture
from lab import BIN, COLLECTOR, HOST, run, wait_for
from mirror import PYTHON, TRAFFIC

ALL = '{"priority": 1, "policy": "collect"}'
UDP = '{"priority": 1, "policy": "collect", "protocol": "udp"}'


def collector_capture(mirror):
    return Capture(mirror, "collector", "col0", "udp", "port", "4789", direction="in")


def test_stop_and_start(mirror):
    mirror.apply(mirror.document(UDP))
    collector = collector_capture(mirror)
    mirror.udp(HOST, "5353", "5", "64")
    mirror.vxtap("session", "stop", "ids")
    mirror.udp(HOST, "5353", "7", "64")
    assert mirror.session()["totals"]["matched_packets"] == 5
    mirror.vxtap("session", "start", "ids")
    mirror.udp(HOST, "5353", "3", "64")
    assert len(mirror.copies(collector)) == 8
    assert mirror.session()["totals"]["mirrored_packets"] == 8


@pytest.mark.parametrize("off,on", [(["session", "stop", "ids"], ["session", "start", "ids"]),
                                    (["detach", "ids", "src0"], ["attach", "ids", "src0"])])
def test_production_while_switching(mirror, off, on):
    """Every datagram comes back exactly once, in order: the client checks that."""
    mirror.apply(mirror.document(ALL, ALL))
    server = mirror.server("host", "udp_echo", HOST, "5353")
    client = mirror.start("client", PYTHON, TRAFFIC, "udp_client", HOST, "5353", "3000", "64", "0",
                          "0.001")
    switched = 0
    while client.popen.poll() is None:
        mirror.vxtap(*off)
        mirror.vxtap(*on)
        switched += 1
    assert client.popen.returncode == 0, client.log.read_text()
    assert switched >= 3
    server.stop()
    totals = mirror.session()["totals"]
    assert 0 < totals["matched_packets"] <= 6000 + 100  # and some neighbour discovery
    assert totals["matched_packets"] == totals["mirrored_packets"]


def test_routes_of_routers_stay(lab):
    """Where a device begins to forward, as the tunnel device must, the kernel forgets what routers have said."""
    lab.run("client", "ip", "address", "add", "fe80::99/64", "dev", "cli0", "nodad")
    lab.client("advertise_router", "cli0")
    routes = lambda: lab.run("host", "ip", "-6", "route", "show", "default").stdout.split(" expires ")[0]  # noqa: E731
    wait_for("the route", lambda: "fe80::99" in routes())
    before = routes()
    accept = "/proc/sys/net/ipv6/conf/src0/accept_ra"
    for _ in range(2):
        lab.start_daemon()
        assert routes() == before
        forwarding = "/proc/sys/net/ipv6/conf/vxtap0/forwarding"
        lab.run("host", "sh", "-c", f"echo 0 > {forwarding}")
        wait_for("a way again", lambda: lab.run("host", "cat", forwarding).stdout == "1\n")  # noqa: B023
        lab.daemon.stop()
        assert routes() == before
        assert lab.run("host", "cat", accept).stdout == "1\n"


def test_several_sessions(mirror):
    document = mirror.document(UDP, name="first", vni=1, priority=10, fall_through=True)
    for name, vni, priority, enabled in (("second", 2, 20, False), ("third", 3, 30, True),
                                         ("fourth", 4, 40, True)):
        document["sessions"].append({**document["sessions"][0], "name": name, "vni": vni,
                                     "priority": priority, "enabled": enabled,
                                     "fall_through": False})
    mirror.apply(document)
    collector = collector_capture(mirror)
    mirror.udp(HOST, "5353", "4", "64")
    vnis = sorted(copy.vni for copy in mirror.copies(collector))
    assert vnis == [1] * 4 + [3] * 4
    matched = {s["name"]: s["totals"]["matched_packets"] for s in mirror.stats()["sessions"]}
    assert matched == {"first": 4, "second": 0, "third": 4, "fourth": 0}


def test_underlay_as_source(mirror):
    """The mirror's own packets are not mirrored again: the copies stay as many as the packets."""
    document = mirror.document(ALL, ALL)
    document["sessions"][0]["sources"] = ["src0", "und0"]
    mirror.apply(document)
    collector = collector_capture(mirror)
    mirror.run("client", "ping", "-c", "5", "-i", "0.1", HOST)
    copies = mirror.copies(collector)
    echo = [c for c in copies if c.inner[12:14] == b"\x08\x00" and c.inner[23] == 1]
    assert len(echo) == 10 and len(copies) < 40
    und0 = next(s for s in mirror.stats()["sources"] if s["interface"] == "und0")
    # Its own packets are the copies, and the collector's ICMP errors: nobody listens there.
    assert und0["own_packets"] >= mirror.session()["totals"]["mirrored_packets"]


def test_source_comes_and_goes(mirror):
    document = mirror.document(ALL, ALL)
    document["sessions"][0]["sources"] = ["late0"]
    said = mirror.apply(document).stderr
    assert "late0" in said and "pending" in said

    def state():
        shown = json.loads(mirror.vxtap("session", "show", "ids", "-o", "json").stdout)
        return shown["source_states"][0]["state"]

    assert state() == "pending"
    for _ in range(2):
        mirror.run("host", "ip", "link", "add", "late0", "type", "veth", "peer", "name", "late1")
        wait_for("late0 becomes active", lambda: state() == "active")
        before = mirror.session()["totals"]["matched_packets"]
        for device in ("late0", "late1"):
            mirror.run("host", "ip", "link", "set", device, "up")
        packet = "ffffffffffff0200000000010800" + "4500001c000000004001" + "0000c0000201c0000202" + "00" * 30
        mirror.run("host", PYTHON, TRAFFIC, "raw_frame", "late0", packet)
        assert mirror.session()["totals"]["matched_packets"] > before
        mirror.run("host", "ip", "link", "delete", "late0")
        wait_for("late0 becomes pending", lambda: state() == "pending")


def test_source_gets_the_address_of_a_collector(mirror):
    """That source pauses, the other one goes on, and it comes back by itself."""
    document = mirror.document(UDP, UDP, destination="10.90.0.77")
    other = {**document["sessions"][0], "name": "other", "vni": 43, "priority": 2,
             "destination": COLLECTOR, "sources": ["und0"]}
    mirror.apply({**document, "sessions": [*document["sessions"], other]})

    def state_of(interface):
        sources = mirror.status()["sources"]
        return next(source["state"] for source in sources if source["interface"] == interface)

    def matched():
        mirror.udp(HOST, "5353", "3", "64")
        return mirror.session()["totals"]["matched_packets"]

    before = matched()
    mirror.run("host", "ip", "address", "add", "10.90.0.77/32", "dev", "src0")
    wait_for("src0 pauses", lambda: state_of("src0") == "paused")
    paused = matched()
    assert matched() == paused and state_of("und0") == "active"
    assert "10.90.0.77" in mirror.daemon.log.read_text()
    mirror.vxtap("session", "update", "ids", "--description", "paused")  # it is in nobody's way
    mirror.run("host", "ip", "address", "delete", "10.90.0.77/32", "dev", "src0")
    wait_for("src0 is back", lambda: state_of("src0") == "active")
    assert matched() > paused >= before


@pytest.mark.any_kernel
def test_export_apply_prune(mirror):
    mirror.apply(mirror.document(ALL, ALL, vni="auto", tags={"team": "noc"}))
    exported = mirror.vxtap("export").stdout
    plan = json.loads(mirror.apply(json.loads(exported), "-o", "json").stdout)
    assert {change["action"] for change in plan["changes"]} == {"unchanged"}
    assert mirror.vxtap("export").stdout == exported
    empty = {"filters": [], "sessions": []}
    mirror.apply(empty)
    mirror.apply(empty, "--prune", "--dry-run")
    assert mirror.vxtap("export").stdout == exported
    plan = mirror.apply(empty, "--prune").stdout
    assert "delete" in plan
    assert json.loads(mirror.vxtap("export").stdout) == empty


def invalid(change):
    """A valid document with one change: a path and its value."""
    document = {"filters": [{"name": "f", "inbound": [{"priority": 1, "policy": "collect"}]}],
                "sessions": [{"name": "s", "filter": "f", "destination": "10.91.0.2", "priority": 2}]}
    *path, last = change[0]
    place = document
    for step in path:
        place = place[step]
    place[last] = change[1]
    return document


@pytest.mark.any_kernel
@pytest.mark.parametrize("path,value,said", [
    (("filters", 0, "inbound", 0, "source_cidr"), "10.0.0.1/8",
     ["filters[0].inbound[0].source_cidr", "10.0.0.1/8", "10.0.0.0/8"]),
    (("filters", 0, "inbound", 0, "protocol"), "icpm",
     ["filters[0].inbound[0].protocol", "icpm", "0-255"]),
    (("filters", 0, "inbound", 0, "colour"), "red", ["filters[0].inbound[0].colour", "red"]),
    (("sessions", 0, "filter"), "g", ["sessions[0].filter", "g", "existing filter"]),
    (("sessions", 0, "priority"), 0, ["sessions[0].priority", "0", "1 to 32766"]),
    (("sessions", 0, "vni"), 16777216, ["sessions[0].vni", "16777216", "0 to 16777215"]),
    (("sessions", 0, "packet_length"), 63, ["sessions[0].packet_length", "63", "64 to 8500"]),
])
def test_invalid_document(mirror, path, value, said):
    mirror.apply(mirror.document(ALL, ALL))
    before = mirror.vxtap("export").stdout
    done = mirror.apply(invalid((path, value)), check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and all(part in done.stderr for part in said)
    assert mirror.vxtap("export").stdout == before


@pytest.mark.any_kernel
def test_exit_codes(mirror):
    def code(*arguments, **options):
        return mirror.vxtap(*arguments, check=False, **options).returncode

    assert code("apply", "-f", "-", input='{"filters": [') == 2
    assert code("apply", "-f", "/nowhere") == 2
    assert code("nonsense") == 2
    assert code("session", "show", "nobody") == 4
    assert code("session", "start", "nobody") == 4
    assert code("stats", "nobody") == 4
    mirror.apply(mirror.document(ALL))
    taken = mirror.document(ALL, name="other")
    assert mirror.apply(taken, check=False).returncode == 5
    owns = mirror.document(ALL)
    owns["sessions"][0]["sources"] = ["und0"]
    owns["sessions"][0]["destination"] = "10.91.0.1"
    assert mirror.apply(owns, check=False).returncode == 5
    mirror.daemon.stop()
    assert code("status") == 3


def has_own_device(links):
    return ": vxtap" in links  # and not the namespace that a cable's other end is in


def own_traces(mirror):
    links = mirror.run("host", "ip", "-o", "link", "show").stdout
    filters = "".join(mirror.run("host", "tc", "filter", "show", "dev", "src0", side).stdout
                      for side in ("ingress", "egress"))
    qdiscs = mirror.run("host", "tc", "qdisc", "show", "dev", "src0").stdout
    return has_own_device(links) or "mirror_" in filters or "clsact" in qdiscs


def test_clean_stop_leaves_nothing(mirror):
    mirror.apply(mirror.document(ALL, ALL))
    assert mirror.daemon.stop() == 0
    assert not own_traces(mirror)
    assert not os.path.exists(mirror.socket)
    mirror.start_daemon()


def test_foreign_filters_stay(lab):
    for command in (("qdisc", "add", "dev", "src0", "clsact"),
                    ("filter", "add", "dev", "src0", "ingress", "prio", "7", "protocol", "all",
                     "u32", "match", "u32", "0", "0", "flowid", "1:1")):
        lab.run("host", "tc", *command)
    before = [lab.run("host", "tc", kind, "show", "dev", "src0", *side).stdout
              for kind, side in (("qdisc", []), ("filter", ["ingress"]))]
    lab.start_daemon()
    lab.apply(lab.document(UDP))
    lab.udp(HOST, "5353", "5", "64")
    assert lab.session()["totals"]["mirrored_packets"] == 5
    lab.daemon.stop()
    after = [lab.run("host", "tc", kind, "show", "dev", "src0", *side).stdout
             for kind, side in (("qdisc", []), ("filter", ["ingress"]))]
    # u32 counts its hits; everything else is as it was.
    assert [text.split("rule hit")[0] for text in after] == [t.split("rule hit")[0] for t in before]


def refused(lab, *options, code=1, **popen):
    done = run(*lab.command("host", str(BIN / "vxtapd"), "--socket", lab.socket + "2", "--state-dir",
                            lab.state + "2", *options), check=False, **popen)
    assert done.returncode == code
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


def test_refuses_to_start(lab):
    def left():
        return has_own_device(lab.run("host", "ip", "-o", "link", "show").stdout)

    holder = lab.server("host", "udp_echo", "0.0.0.0", "4789")
    assert "port 4789" in refused(lab) and not left()
    holder.stop()
    lab.run("host", "ip", "link", "add", "vx9", "type", "vxlan", "external", "dstport", "4789")
    assert "port 4789" in refused(lab) and not left()
    lab.run("host", "ip", "link", "delete", "vx9")
    lab.run("host", "ip", "link", "add", "vxtap0", "type", "veth", "peer", "name", "x1")
    assert "'vxtap0'" in refused(lab)
    lab.run("host", "ip", "link", "delete", "vxtap0")
    bad = lab.path / "bad.json"
    bad.write_text('{"sessions": 3}')
    assert "sessions" in refused(lab, "--apply", str(bad), code=2) and not left()
    daemon = ["setpriv", "--reuid", "65534", str(BIN / "vxtapd")]
    done = run(*lab.command("host", *daemon), check=False)
    assert done.returncode == 1 and "root" in done.stderr and len(done.stderr.splitlines()) == 1
    without_bpf = "-bpf,-sys_admin,-perfmon"
    done = run(*lab.command("host", "setpriv", f"--bounding-set={without_bpf}",
                            f"--inh-caps={without_bpf}", *lab.daemon_command()), check=False)
    assert done.returncode == 1 and "CAP_BPF" in done.stderr
    assert len(done.stderr.splitlines()) == 1 and not left()
    lab.start_daemon()
    assert "another vxtapd" in refused(lab)


def test_tunnel_devices_come_back(mirror):
    mirror.apply(mirror.document(UDP))
    mirror.run("host", "ip", "link", "delete", "vxtap0")
    wait_for("vxtap0 is back", lambda: mirror.run("host", "ip", "link", "show", "vxtap0",
                                                  check=False).returncode == 0)
    collector = collector_capture(mirror)

    def mirrored_again():
        before = mirror.session()["totals"]["mirrored_packets"]
        mirror.udp(HOST, "5353", "1", "64")
        return mirror.session()["totals"]["mirrored_packets"] > before

    wait_for("copies leave again", mirrored_again)
    assert mirror.copies(collector)
