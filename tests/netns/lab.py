"""Three hosts in network namespaces of our own: client -- host -- collector.

The host runs vxtapd: `src0` is its interface to the client, `und0` the one to the collector.
Offloads are off, so that every packet that a capture sees is a packet of the wire.
"""

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

BIN = Path(os.environ.get("VXTAP_BIN_DIR",
                          Path(__file__).resolve().parents[2] / "build" / "bin")).absolute()
PREFIX = "vxtap-test-"
numbers = itertools.count()
PATIENCE = 60  # seconds; an emulated machine is slow

OFFLOADS = ("tso", "gso", "gro", "tx", "rx", "txvlan", "rxvlan")

CLIENT, HOST, COLLECTOR = "10.90.0.2", "10.90.0.1", "10.91.0.2"
CLIENT6, HOST6, COLLECTOR6 = "fd90::2", "fd90::1", "fd91::2"


def run(*command, check=True, **options):
    """The finished process, its output as text. An error shows what the command said."""
    done = subprocess.run(command, text=True, capture_output=True, **options)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.returncode}: {done.stderr}{done.stdout}")
    return done


def wait_for(what, condition):
    """Calls `condition` until it gives something true, and returns that."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        time.sleep(0.05)
    raise TimeoutError(what)


def sweep():
    """Removes the namespaces and BPF file systems of test runs whose process is gone."""
    for line in run("ip", "netns", "list").stdout.splitlines():
        match = re.match(PREFIX + r"(\d+)-", line)
        if match and not Path(f"/proc/{match[1]}").exists():
            name = line.split()[0]
            for pid in run("ip", "netns", "pids", name).stdout.split():
                os.kill(int(pid), signal.SIGKILL)
            run("ip", "netns", "delete", name)
    for mount in re.findall(r"^\S+ (\S+) bpf ", Path("/proc/self/mounts").read_text(), re.MULTILINE):
        match = re.search(f"/{PREFIX}" + r"(\d+)-[^/]*$", str(Path(mount).parent))
        if match and not Path(f"/proc/{match[1]}").exists():
            run("umount", mount)
            shutil.rmtree(Path(mount).parent)


class Process:
    """A process in a namespace, ended by its own id."""

    def __init__(self, command, stderr):
        self.log = Path(stderr)
        with open(stderr, "wb") as sink:
            self.popen = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=sink)

    def wait_for_line(self, text):
        def said():
            if text in self.log.read_text(errors="replace"):
                return True
            if self.popen.poll() is not None:
                raise RuntimeError(f"ended with {self.popen.returncode}: {self.log.read_text()}")
            return False

        wait_for(f"{self.popen.args}: {text}", said)

    def stop(self, number=signal.SIGTERM):
        """The exit status."""
        if self.popen.poll() is None:
            self.popen.send_signal(number)
        return self.popen.wait(PATIENCE)


class Lab:
    ROLES = ("client", "host", "collector")

    def __init__(self, underlay_mtu=9000):
        sweep()
        self.directory = tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-")
        self.path = Path(self.directory.name)
        self.socket = str(self.path / "vxtapd.sock")
        self.state = str(self.path / "state")
        self.pins = self.path / "bpf"  # not under /sys, which `ip netns exec` hides
        self.processes = []
        self.daemon = None
        number = next(numbers)  # a process may have several labs
        self.names = {role: f"{PREFIX}{os.getpid()}-{number}-{role}"
                      for role in self.ROLES}
        try:
            self.pins.mkdir()
            run("mount", "-t", "bpf", "bpf", str(self.pins))
            self._namespaces()
            self._make(underlay_mtu)
        except BaseException:
            self.close()
            raise

    def _make(self, underlay_mtu):
        self._veth("client", "cli0", "host", "src0", 1500)
        self._veth("host", "und0", "collector", "col0", underlay_mtu)
        self._addresses()

    def _namespaces(self):
        for name in self.names.values():
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")

    def _veth(self, near_role, near, far_role, far, mtu):
        run("ip", "link", "add", near, "netns", self.names[near_role], "type", "veth",
            "peer", "name", far, "netns", self.names[far_role])
        for role, device in ((near_role, near), (far_role, far)):
            self.offloads(role, device, "off")
            # No link-local address: IPv6 says nothing by itself then, and captures can be exact.
            run("ip", "-n", self.names[role], "link", "set", device, "addrgenmode", "none")
            run("ip", "-n", self.names[role], "link", "set", device, "mtu", str(mtu), "up")

    def offloads(self, role, device, switch):
        self.run(role, "ethtool", "-K", device, *(word for name in OFFLOADS for word in (name, switch)))

    def rename(self, role, old, new):
        """Before 6.2 the kernel renames nothing that is up."""
        self.run(role, "ip", "link", "set", old, "down")
        self.run(role, "ip", "link", "set", old, "name", new)
        self.run(role, "ip", "link", "set", new, "up")

    def _addresses(self):
        ends = (("client", "cli0", CLIENT, CLIENT6), ("host", "src0", HOST, HOST6),
                ("host", "und0", "10.91.0.1", "fd91::1"),
                ("collector", "col0", COLLECTOR, COLLECTOR6))
        for role, device, address, address6 in ends:
            name = self.names[role]
            run("ip", "-n", name, "address", "add", f"{address}/24", "dev", device)
            run("ip", "-n", name, "address", "add", f"{address6}/64", "dev", device, "nodad")
        for near, far in ((0, 1), (1, 0), (2, 3), (3, 2)):
            role, device = ends[near][:2]
            peer_role, peer, _, address6 = ends[far]
            mac = self.run(peer_role, "cat", f"/sys/class/net/{peer}/address").stdout.strip()
            run("ip", "-n", self.names[role], "neighbour", "replace", address6, "lladdr", mac,
                "dev", device, "nud", "permanent")

    def command(self, role, *command):
        return ["ip", "netns", "exec", self.names[role], *command]

    def run(self, role, *command, check=True, **options):
        return run(*self.command(role, *command), check=check, **options)

    def start(self, role, *command):
        """A process that close() ends."""
        process = Process(self.command(role, *command), self.path / f"{len(self.processes)}.log")
        self.processes.append(process)
        return process

    def daemon_command(self, *options, **settings):
        """With these settings, unless the options name a file of others."""
        config = self.path / "settings.json"
        config.write_text(json.dumps({"pin_dir": str(self.pins / "vxtap"), **settings}))
        named = () if "--config" in options else ("--config", str(config))
        return [str(BIN / "vxtapd"), "--socket", self.socket, "--state-dir", self.state, *named, *options]

    def start_daemon(self, *options, **settings):
        self.daemon = self.start("host", *self.daemon_command(*options, **settings))
        self.daemon.wait_for_line("ready: ")
        return self.daemon

    def vxtap(self, *arguments, check=True, **options):
        return run(str(BIN / "vxtap"), "--socket", self.socket, *arguments, check=check, **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for process in reversed(self.processes):
            process.stop(signal.SIGKILL)
        for name in self.names.values():
            if Path("/run/netns", name).exists():
                run("ip", "netns", "delete", name)
        if self.pins.is_mount():
            run("umount", str(self.pins))
        self.directory.cleanup()
