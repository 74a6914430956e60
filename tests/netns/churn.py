"""Hard times for a daemon, while a stream passes of which no packet may be lost or doubled."""

import json
import re
import signal
import time
from pathlib import Path

from client import Api
from lab import COLLECTOR, wait_for
from stream import RULE

OTHER_COLLECTOR = "10.91.0.3"
LATE = [f"late{i}" for i in range(4)]  # interfaces that come and go
OTHERS = ["late*", "late[12]*:flip", "netns:/proc/self/ns/net/late1"]  # what leads to them, or to nothing


def as_another_layout(lab):
    """What is pinned becomes that of a daemon whose maps are not like ours, unless two are at work already."""
    layouts = list((lab.pins / "vxtap").glob("net-*/layout-*"))
    if len(layouts) == 1:
        layouts[0].rename(layouts[0].with_name("layout-of-another"))


def kill_at_random(mirror, rng, layouts):
    """Ends the daemon, at any moment between its start and a while after that, and starts the next one."""
    time.sleep(rng.uniform(0, 0.3))
    mirror.daemon.stop(rng.choice([signal.SIGKILL] * 9 + [signal.SIGUSR1]))
    if layouts and rng.random() < 0.3:
        as_another_layout(mirror)
    mirror.daemon = mirror.start("host", *mirror.daemon_command())


def kills(mirror, count, rng, layouts):
    for _ in range(count):
        kill_at_random(mirror, rng, layouts)
    mirror.daemon.wait_for_line("ready: ")


class Churn:
    """Random interfaces, sessions, rules and outages beside the session of the stream."""

    def __init__(self, mirror, rng):
        self.mirror, self.rng = mirror, rng
        self.api = Api(mirror.socket)
        self.base = mirror.document(RULE, fall_through=True)
        self.rest()
        self.kinds = [self.interface, self.rename, self.sessions, self.rules, self.start_or_stop, self.outage]

    def rest(self):
        """Nothing but the session of the stream."""
        self.api.do("PUT", "/v1/config?prune=1", self.base)

    def step(self):
        self.rng.choice(self.kinds)()

    def ip(self, role, *words):
        """What is wanted may be so already."""
        self.mirror.run(role, "ip", *words, check=False)

    def interface(self):
        name = self.rng.choice(LATE)
        self.ip("host", "link", "delete", name)
        self.ip("host", "link", "add", name, "type", "veth", "peer", "name", f"{name}-far")
        self.ip("host", "link", "set", name, "up")
        if self.rng.random() < 0.5:
            self.ip("host", "link", "delete", name)

    def rename(self):
        first, second = self.rng.sample(LATE, 2)
        self.ip("host", "link", "set", first, "name", second)

    def sessions(self):
        number = self.rng.randint(2, 6)
        body = {"name": f"s{number}", "filter": "f", "priority": number, "vni": number,
                "sources": ["src0", *self.rng.sample([*LATE, *OTHERS], 2)], "fall_through": True, "enabled": True,
                "destination": self.rng.choice([COLLECTOR, OTHER_COLLECTOR])}
        if self.api.ask("POST", "/v1/sessions", body)[0] != 201:
            self.api.ask("DELETE", f"/v1/sessions/s{number}")

    def rules(self):
        """Which nothing but TCP matches: what the kernels say among themselves is none of the stream's copies."""
        priority = self.rng.randint(11, 20)
        rule = {"direction": "inbound", "priority": priority, "policy": "collect", "protocol": "tcp"}
        if self.api.ask("POST", "/v1/filters/f/rules", rule)[0] != 201:
            self.api.ask("DELETE", f"/v1/filters/f/rules/inbound/{priority}")

    def start_or_stop(self):
        action = self.rng.choice(["start", "stop"])
        self.api.ask("POST", f"/v1/sessions/s{self.rng.randint(2, 6)}/{action}")

    def outage(self):
        """Of another collector than the stream's."""
        action = self.rng.choice(["add", "delete"])
        self.ip("collector", "address", action, f"{OTHER_COLLECTOR}/24", "dev", "col0")

    def end(self):
        """At rest, exactly the configured state."""
        for name in LATE:
            self.ip("host", "link", "delete", name)
        self.rest()
        held = self.api.do("GET", "/v1/config")
        assert [s["name"] for s in held["sessions"]] == ["ids"], held
        assert [rule["priority"] for rule in held["filters"][0]["inbound"]] == [10], held
        wait_for("a healthy daemon", lambda: self.api.do("GET", "/v1/status")["healthy"])


def pid(lab):
    """Of the daemon: `ip netns exec` becomes what it starts."""
    return lab.daemon.popen.pid


def descriptors(lab):
    """Where the daemon's file descriptors lead, sorted."""
    links = Path(f"/proc/{pid(lab)}/fd").iterdir()
    return sorted(re.sub("^[0-9]+.log$", "log", link.readlink().name.split(":")[0]) for link in links)


def resident_kib(lab):
    for line in Path(f"/proc/{pid(lab)}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])


def kernel_state(lab):
    """What the daemon has in the kernel: pins, attached programs, devices, qdiscs."""
    pinned = sorted(str(path.relative_to(lab.pins)) for path in lab.pins.rglob("*"))
    links = json.loads(lab.run("host", "ip", "-j", "link").stdout)
    devices = [(link["ifindex"], link["ifname"]) for link in links]
    [attached] = json.loads(lab.run("host", "bpftool", "-j", "net").stdout)
    filters = [(hook["devname"], hook["kind"], hook["name"].split(":")[0]) for hook in attached["tc"]]
    return [pinned, devices, filters, lab.run("host", "tc", "qdisc").stdout]
