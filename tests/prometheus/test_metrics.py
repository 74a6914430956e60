"""The text itself, and the address where it is served."""

import json
import re
from pathlib import Path

import pytest
from conftest import ADDRESS, PROMETHEUS
from lab import BIN, HOST, run, wait_for

ROOT = Path(__file__).resolve().parents[2]
PROMTOOL = str(PROMETHEUS / "promtool")
COLLECT = '{"priority": 1, "policy": "collect", "protocol": "udp"}'
ODD = 'quo"te back\\slash {brace="x"} zwölf 日本'


def samples(text):
    """Values by name and labels, as they are written."""
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
            for line in text.splitlines() if not line.startswith("#")}


def test_promtool_accepts_the_metrics(mirror):
    document = mirror.document(COLLECT, COLLECT, sources=["src0", "late0"])
    document["sessions"].append({**document["sessions"][0], "name": ODD, "vni": 7, "priority": 2,
                                 "enabled": False})
    mirror.apply(document)
    mirror.udp(HOST, "5353", "5", "200")
    status, text = mirror.curl(f"http://{ADDRESS}/metrics")
    assert status == 200
    checked = run(PROMTOOL, "check", "metrics", input=text)
    assert checked.stdout + checked.stderr == ""
    found = samples(text)
    labels = 'session="ids",source="src0",direction="inbound"'
    assert found[f"vxtap_mirrored_packets_total{{{labels}}}"] == 5
    assert found['vxtap_source_active{source="late0"}'] == 0 < found["vxtap_problems"]
    escaped = 'quo\\"te back\\\\slash {brace=\\"x\\"} zwölf 日本'
    assert found[f'vxtap_session_enabled{{session="{escaped}"}}'] == 0
    [descriptors] = [line for line in text.splitlines() if line.startswith("process_open_fds ")]
    assert 5 < int(descriptors.split()[1]) < 1000


def test_socket_and_address_say_the_same(mirror):
    mirror.apply(mirror.document(COLLECT))

    def mine(*where):
        status, text = mirror.curl(*where)
        assert status == 200
        return [line for line in text.splitlines() if "process_" not in line]

    # In between a packet may pass: what hosts say by themselves when their interfaces come up.
    wait_for("the same from both", lambda: mine(f"http://{ADDRESS}/metrics")
             == mine("--unix-socket", mirror.socket, "http://localhost/metrics"))
    assert mine(f"http://{ADDRESS}/metrics")


@pytest.mark.parametrize("status,arguments", [
    (404, [f"http://{ADDRESS}/"]),
    (404, [f"http://{ADDRESS}/v1/config"]),
    (404, [f"http://{ADDRESS}/v1/sessions", "-X", "POST"]),
    (404, [f"http://{ADDRESS}/metrics/x"]),
    (400, [f"http://{ADDRESS}/metrics?session=ids"]),
    (405, [f"http://{ADDRESS}/metrics", "-X", "POST"]),
    (405, [f"http://{ADDRESS}/metrics", "-X", "DELETE"]),
    (413, [f"http://{ADDRESS}/metrics", "-X", "GET", "--data", "x"])], ids=str)
def test_nothing_but_the_metrics(mirror, status, arguments):
    before = mirror.vxtap("export").stdout
    answered, body = mirror.curl(*arguments)
    assert answered == status and json.loads(body)["error"]["message"]
    assert mirror.vxtap("export").stdout == before


def test_silent_clients_shut_nobody_out(mirror):
    """More connections than there may be, which say nothing, or never end what they say."""
    holder = ("import socket, sys, time\n"
              "held = [socket.create_connection(('127.0.0.1', 9469)) for _ in range(60)]\n"
              "for n, s in enumerate(held): n % 2 and s.sendall(b'GET /metrics HTTP/1.1\\r\\nA: ')\n"
              "print('listening', file=sys.stderr, flush=True)\n"
              "time.sleep(600)\n")
    mirror.start("host", "/usr/bin/python3", "-c", holder).wait_for_line("listening")
    assert mirror.curl(f"http://{ADDRESS}/metrics")[0] == 200
    descriptors = Path(f"/proc/{daemon_pid(mirror)}/fd")
    wait_for("most of them are closed", lambda: len(list(descriptors.iterdir())) < 60)
    assert mirror.vxtap("status").returncode == 0


def daemon_pid(mirror):
    return mirror.daemon.popen.pid  # ip netns exec becomes the command


def test_ipv6_and_a_restart(lab):
    for _ in range(2):  # the second finds what the first one's connections have left
        lab.start_daemon(address="[::1]:9469")
        assert lab.curl("http://[::1]:9469/metrics")[0] == 200
        assert lab.daemon.stop() == 0


@pytest.mark.parametrize("value", [
    "", "9469", ":9469", "localhost:9469", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0",
    "127.0.0.1:65536", "127.0.0.1:http", "::1:9469", "[::1]", "[127.0.0.1]:9469", "[]:9469",
    "127.0.0.1:9469 ", 9469, None, ["127.0.0.1:9469"]], ids=str)
def test_address_that_is_none(lab, value):
    settings = lab.path / "vxtapd.json"
    settings.write_text(json.dumps({"metrics_address": value}))
    done = run(str(BIN / "vxtapd"), "--config", str(settings), "--state-dir", lab.state,
               "--socket", lab.socket, check=False)
    assert done.returncode == 2 and not Path(lab.socket).exists()
    assert done.stderr.startswith(f"vxtapd: metrics_address: {json.dumps(value)}: must be")


@pytest.mark.parametrize("address,why", [("127.0.0.1:9469", "another program listens there"),
                                         ("192.0.2.77:9469", "no such address")])
def test_address_that_cannot_be(lab, address, why):
    """In use, or not this host's: the daemon says so, and leaves nothing behind."""
    lab.start("host", "/usr/bin/python3", "-m", "http.server", "--bind", "127.0.0.1", "9469")
    wait_for("it listens", lambda: ":9469" in lab.run("host", "ss", "-Hltn").stdout)
    with pytest.raises(RuntimeError) as ended:
        lab.start_daemon(address=address)
    said = str(ended.value)
    assert "ended with 1" in said and f"metrics_address: {address}: " in said and why in said
    assert "vxtap0" not in lab.run("host", "ip", "link").stdout
    assert not Path(lab.socket).exists()


def test_units_and_names():
    """What promtool has no opinion on: one prefix, and a help text for each metric."""
    source = (ROOT / "agent" / "api" / "metrics.cpp").read_text()
    names = set(re.findall(r'"((?:vxtap|process)_\w+)"', source))
    assert {"vxtap_matched_packets_total", "process_cpu_seconds_total"} <= names
    for file in ("packaging/prometheus/vxtap.rules.yml", "packaging/grafana/vxtap.json"):
        used = set(re.findall(r"\b(?:vxtap|process)_\w+", (ROOT / file).read_text()))
        assert used and used <= names, (file, used - names)
