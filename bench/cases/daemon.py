"""What 1,000 sources with a session each ask of the daemon."""

import time
from pathlib import Path

from figures import columns, rows  # noqa: F401
from lab import wait_for
from mirror import Mirror
from scale import cpu_seconds

SOURCES = 1000
IDLE = 10  # seconds
POLLS = 5
# What is measured: its unit.
FIGURES = {"attached": "s", "idle CPU": "%", "resident memory": "MB", "stats -o json": "s", "stats, daemon's CPU": "s"}


def make_interfaces(lab):
    lines = [f"link add w{n} type veth peer name w{n + 1}" for n in range(0, SOURCES, 2)]
    lines += [f"link set w{n} addrgenmode none up" for n in range(SOURCES)]
    lab.run("host", "ip", "-batch", "-", input="\n".join(lines))


def document(lab):
    rule = '{"priority": 1, "policy": "collect", "protocol": "tcp", "destination_port": "443/443"}'
    made = lab.document(inbound=rule, outbound=rule)
    session = made["sessions"][0]
    made["sessions"] = [{**session, "name": f"s{n}", "sources": [f"w{n}"], "vni": n, "priority": n + 1}
                        for n in range(SOURCES)]
    return made


def attach(lab):
    """Seconds until every source is mirrored."""
    start = time.monotonic()
    lab.apply(document(lab))
    wait_for("all sources active", lambda: all(
        source["state"] == "active" for session in lab.stats()["sessions"] for source in session["sources"]))
    return time.monotonic() - start


def idle(lab):
    """Percent of a core."""
    before = sum(cpu_seconds(lab.daemon))
    time.sleep(IDLE)
    return (sum(cpu_seconds(lab.daemon)) - before) / IDLE * 100


def poll(lab):
    """Seconds that the command takes, and how many of them are the daemon's CPU time."""
    before, start = sum(cpu_seconds(lab.daemon)), time.monotonic()
    for _ in range(POLLS):
        lab.vxtap("stats", "-o", "json")
    return (time.monotonic() - start) / POLLS, (sum(cpu_seconds(lab.daemon)) - before) / POLLS


def resident_memory(lab):
    lines = Path(f"/proc/{lab.daemon.popen.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) * 1024 / 1e6


def sample():
    with Mirror() as lab:
        make_interfaces(lab)
        lab.start_daemon()
        attached = attach(lab)
        polled = poll(lab)
        return dict(zip(FIGURES, (attached, idle(lab), resident_memory(lab), *polled)))


def variants(quick):
    yield {"title": f"{SOURCES:,} interfaces, a session on each", "rounds": 1 if quick else 3}


def measure(variant, _options):
    return rows(FIGURES, [sample() for _ in range(variant["rounds"])])
