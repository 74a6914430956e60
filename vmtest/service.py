"""The checks of vmtest/systemd, inside the machine: the life of the package as an operator leads it.

Each check prints one line, which the host reads. They build upon one another, so the first that
fails ends them.
"""

import grp
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

# Whether copies are made while no daemon runs: between kill -9 and restart, and during an upgrade.
MIRRORS_WITHOUT_DAEMON = True

SETTINGS = Path("/etc/vxtap/vxtapd.json")
SOCKET = Path("/run/vxtap/vxtapd.sock")
STATE = Path("/var/lib/vxtap")
DEVICES = Path("/sys/class/net")
CLIENT, HOST, COLLECTOR = "10.90.0.2", "10.90.0.1", "10.91.0.2"
PORT = 7000
INNER = 8 + 14 + 20 + 8  # bytes of VXLAN, Ethernet, IPv4 and UDP headers
CAPABILITIES = {12: "CAP_NET_ADMIN", 13: "CAP_NET_RAW", 38: "CAP_PERFMON", 39: "CAP_BPF"}
PATIENCE = 180  # seconds; an emulated machine is slow


def run(*command, check=True, **options):
    done = subprocess.run(command, text=True, capture_output=True, **options)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.returncode}: {done.stderr}{done.stdout}")
    return done


def output(*command):
    return run(*command).stdout.strip()


def wait_for(what, condition):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        time.sleep(0.1)
    raise TimeoutError(what)


def show(name):
    return output("systemctl", "show", "--value", f"--property={name}", "vxtapd")


def active():
    return run("systemctl", "is-active", "vxtapd", check=False).stdout.strip() == "active"


def journal(text, priority=None):
    """Lines about the unit that hold a text; with a priority, those of the daemon that have it."""
    options = [] if priority is None else ["_COMM=vxtapd", f"PRIORITY={priority}"]
    lines = output("journalctl", "--unit=vxtapd", "--output=cat", "--no-pager", *options)
    return [line for line in lines.splitlines() if text in line]


def wait_for_restart(before):
    wait_for("a restart by systemd", lambda: int(show("NRestarts")) > before and active())


def build_network():
    for name in ("client", "collector"):
        run("ip", "netns", "add", name)
    for name, near, near_address, far, far_address in (
            ("client", "src0", HOST, "cli0", CLIENT), ("collector", "und0", "10.91.0.1", "col0", COLLECTOR)):
        run("ip", "link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
        run("ip", "address", "add", f"{near_address}/24", "dev", near)
        run("ip", "link", "set", near, "up")
        run("ip", "-n", name, "address", "add", f"{far_address}/24", "dev", far)
        run("ip", "-n", name, "link", "set", far, "up")
        run("ip", "netns", "exec", name, "sysctl", "-q", "net.core.rmem_max=8388608", check=False)
    run("sysctl", "-q", "net.core.rmem_max=8388608")


def load(namespace, *arguments):
    prefix = ("ip", "netns", "exec", namespace) if namespace else ()
    process = subprocess.Popen((*prefix, "/usr/bin/python3", "/vxtap/load.py", *map(str, arguments)),
                               stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def end(process):
    process.send_signal(signal.SIGTERM)
    return json.loads(process.communicate(timeout=PATIENCE)[0])


@contextmanager
def traffic():
    """Gives a function that ends the traffic and says what was sent, and what arrived where."""
    host = load("", "receive", HOST, PORT, 0)
    collector = load("collector", "receive", COLLECTOR, 4789, INNER)
    client = load("client", "send", HOST, PORT)
    processes = (client, host, collector)
    try:
        yield lambda: [end(process) for process in processes]
    finally:
        for process in processes:
            process.kill()


def demand_traffic(ended, every_copy=True):
    """No packet of production lost, no copy doubled, and none lost or at least some there."""
    sent, arrived, copies = ended()
    assert sent > 50, f"only {sent} sent"
    assert arrived == list(range(sent)), f"production: {sent} sent, {len(arrived)} arrived"
    assert len(set(copies)) == len(copies), f"{len(copies) - len(set(copies))} copies doubled"
    if every_copy:
        assert copies == list(range(sent)), f"{sent} sent, {len(copies)} copied"
    assert copies and sent - copies[-1] < 50, "the last packets were not copied"


def installs_and_starts():
    run("dpkg", "-i", "/vxtap/first.deb")
    wait_for("the service", active)
    assert output("systemctl", "is-enabled", "vxtapd") == "enabled"
    assert show("StatusText") == "0 session(s), 0 of 0 source(s) active"
    assert journal("ready: ", priority=6), "no line at level info"


def lets_root_and_the_group_in():
    found = SOCKET.stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o660, 0)
    assert found.st_gid == grp.getgrnam("vxtap").gr_gid
    assert stat.S_IMODE(STATE.stat().st_mode) == 0o700
    as_nobody = ("setpriv", "--reuid=65534", "--clear-groups")
    run(*as_nobody, "--regid=vxtap", "vxtap", "status")
    assert run(*as_nobody, "--regid=65534", "vxtap", "status", check=False).returncode == 3


def has_the_least_privileges():
    status = Path("/proc", show("MainPID"), "status").read_text()
    for held in ("CapBnd", "CapPrm", "CapEff"):
        bits = int(re.search(rf"^{held}:\t(\w+)$", status, re.MULTILINE)[1], 16)
        assert {bit for bit in range(64) if bits >> bit & 1} == set(CAPABILITIES), f"{held} {bits:x}"
    assert "NoNewPrivs:\t1" in status and "Seccomp:\t2" in status


def mirrors():
    rule = {"priority": 1, "policy": "collect", "protocol": "udp", "destination_port": f"{PORT}/{PORT}"}
    session = {"name": "ids", "filter": "f", "sources": ["src0"], "destination": COLLECTOR,
               "vni": 42, "priority": 1, "enabled": True}
    document = {"filters": [{"name": "f", "inbound": [rule]}], "sessions": [session]}
    run("vxtap", "apply", "-f", "-", input=json.dumps(document))
    wait_for("the source", lambda: show("StatusText") == "1 session(s), 1 of 1 source(s) active")
    with traffic() as ended:
        wait_for("copies", lambda: counted("mirrored_packets") > 200)
        demand_traffic(ended)
    assert counted("matched_packets") == counted("mirrored_packets")


def finds_an_interface_of_a_container():
    """Of a namespace that was made while the service ran, which has a mount namespace of its own."""
    run("ip", "netns", "add", "web")
    run("ip", "link", "add", "near", "type", "veth", "peer", "name", "eth0", "netns", "web")
    run("vxtap", "attach", "ids", "netns:web/eth0")
    wait_for("its end here", lambda: source_states().get("netns:web/eth0") == ("near", "active"))
    run("ip", "netns", "delete", "web")
    wait_for("its end", lambda: source_states().get("netns:web/eth0") == ("netns:web/eth0", "pending"))
    run("vxtap", "detach", "ids", "netns:web/eth0")


def source_states():
    shown = json.loads(output("vxtap", "session", "show", "ids", "-o", "json"))["source_states"]
    return {one["source"]: (one["interface"], one["state"]) for one in shown}


def counted(name):
    [session] = json.loads(output("vxtap", "stats", "-o", "json"))["sessions"]
    return session["totals"][name]


def reloads():
    pid = show("MainPID")
    SETTINGS.write_text('{"log_level": "debug", "limits": {"rules_per_direction": 0}}')
    run("systemctl", "reload", "vxtapd")
    wait_for("a refusal", lambda: journal("limits.rules_per_direction: 0: must be", priority=3))
    SETTINGS.write_text('{"log_level": "debug", "tunnel_port": 4800}')
    run("systemctl", "reload", "vxtapd")
    wait_for("a warning", lambda: journal("the setting tunnel_port has changed", priority=4))
    SETTINGS.write_text('{"log_level": "debug"}')
    run("systemctl", "reload", "vxtapd")
    wait_for("the end", lambda: len(journal("read the settings again")) == 2)
    assert active() and show("MainPID") == pid


def survives_kill_9_under_load():
    before = int(show("NRestarts"))
    with traffic() as ended:
        wait_for("copies", lambda: counted("mirrored_packets") > 200)
        run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", "vxtapd")
        wait_for_restart(before)
        wait_for("copies again", lambda: counted("mirrored_packets") > 50)
        demand_traffic(ended, every_copy=MIRRORS_WITHOUT_DAEMON)
    assert "status=9/KILL" in output("journalctl", "--unit=vxtapd", "--no-pager")


def is_restarted_when_it_hangs():
    before = int(show("NRestarts"))
    drop_in = Path("/run/systemd/system/vxtapd.service.d/watchdog.conf")
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text("[Service]\nWatchdogSec=20\n")
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "vxtapd")
    os.kill(int(show("MainPID")), signal.SIGSTOP)
    wait_for("the watchdog", lambda: journal("Watchdog timeout"))
    wait_for("a restart", lambda: active() and int(show("NRestarts")) > 0)
    assert int(show("NRestarts")) <= before + 1
    shutil.rmtree(drop_in.parent)
    run("systemctl", "daemon-reload")


def mirrors_on_during_an_upgrade():
    pid = show("MainPID")
    first = output("dpkg-query", "--show", "--showformat=${Version}", "vxtap")
    with traffic() as ended:
        wait_for("copies", lambda: counted("mirrored_packets") > 50)
        run("dpkg", "-i", "/vxtap/second.deb")
        assert active() and show("MainPID") != pid
        wait_for("copies again", lambda: counted("mirrored_packets") > 50)
        demand_traffic(ended, every_copy=MIRRORS_WITHOUT_DAEMON)
    assert output("dpkg-query", "--show", "--showformat=${Version}", "vxtap").startswith(f"{first}+")
    assert "debug" in SETTINGS.read_text(), "the operator's settings are gone"


def stays_down_with_bad_settings():
    good = SETTINGS.read_text()
    SETTINGS.write_text('{"tunnel_port": 0}')
    assert run("systemctl", "restart", "vxtapd", check=False).returncode != 0
    assert show("ActiveState") == "failed" and show("ExecMainStatus") == "2"
    assert journal("tunnel_port: 0: must be a whole number from 1 to 65535", priority=3)
    SETTINGS.write_text(good)
    run("systemctl", "reset-failed", "vxtapd")
    run("systemctl", "start", "vxtapd")


def leaves_nothing_when_stopped():
    run("systemctl", "stop", "vxtapd")
    assert show("ActiveState") == "inactive" and show("Result") == "success"
    assert not [path.name for path in DEVICES.iterdir() if path.name.startswith("vxtap")]
    assert not SOCKET.exists()
    run("systemctl", "start", "vxtapd")
    wait_for("its session", lambda: show("StatusText") == "1 session(s), 1 of 1 source(s) active")


def is_removed_with_its_settings_kept():
    run("dpkg", "--remove", "vxtap")
    assert not [path.name for path in DEVICES.iterdir() if path.name.startswith("vxtap")]
    assert show("ActiveState") == "inactive" and show("LoadState") in ("not-found", "masked")
    assert SETTINGS.exists() and (STATE / "vxtap.db").exists()


def is_purged():
    run("dpkg", "--purge", "vxtap")
    assert show("LoadState") == "not-found"
    left = [path for path in (SETTINGS.parent, STATE, SOCKET.parent) if path.exists()]
    assert not left, left
    assert run("dpkg-query", "--show", "vxtap", check=False).returncode != 0


CHECKS = (installs_and_starts, lets_root_and_the_group_in, has_the_least_privileges, mirrors,
          finds_an_interface_of_a_container, reloads, survives_kill_9_under_load,
          is_restarted_when_it_hangs, mirrors_on_during_an_upgrade, stays_down_with_bad_settings,
          leaves_nothing_when_stopped, is_removed_with_its_settings_kept, is_purged)


def main():
    build_network()
    for check in CHECKS:
        try:
            check()
        except Exception as error:  # whatever it is, the host must hear of it
            print(run("systemctl", "status", "--no-pager", "vxtapd", check=False).stdout)
            print(run("journalctl", "--no-pager", "--lines=80", check=False).stdout)
            reason = f"{type(error).__name__}: {error}".replace("\n", " | ")
            print(f"vxtap-guest: {check.__name__} ... FAILED: {reason}")
            break
        print(f"vxtap-guest: {check.__name__} ... ok")
    print("vxtap-guest: the end")


if __name__ == "__main__":
    main()
