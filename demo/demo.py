#!/usr/bin/python3
"""The main job on real traffic: a client, a host that mirrors, and a collector, each in a network
namespace of its own. Says what was mirrored and what was not, and whether the collector and the
daemon's counters agree; ends with 1 if they do not."""

import json
import signal
import struct
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "netns"))

from capture import Capture, decapsulate  # noqa: E402
from lab import CLIENT, COLLECTOR, HOST, Lab  # noqa: E402

TRAFFIC = str(Path(__file__).resolve().parents[1] / "tests" / "netns" / "traffic.py")
PYTHON = "/usr/bin/python3"
WEB, DNS, BACKUP = 8080, 53, 8873

DOCUMENT = {
    "filters": [{
        "name": "web-and-ping",
        "inbound": [
            {"priority": 10, "policy": "ignore", "protocol": "tcp",
             "destination_port": f"{BACKUP}/{BACKUP}"},
            {"priority": 20, "policy": "collect", "protocol": "tcp"},
            {"priority": 30, "policy": "collect", "protocol": "icmp"}],
        "outbound": [
            {"priority": 10, "policy": "ignore", "protocol": "tcp",
             "source_port": f"{BACKUP}/{BACKUP}"},
            {"priority": 20, "policy": "collect", "protocol": "tcp"},
            {"priority": 30, "policy": "collect", "protocol": "icmp"}]}],
    "sessions": [{"name": "ids", "filter": "web-and-ping", "sources": ["src0"],
                  "destination": COLLECTOR, "vni": 42, "priority": 1, "packet_length": 8500,
                  "enabled": True}]}


def say(text):
    print(f"\n== {text}", flush=True)


def send_traffic(lab):
    """Real programs: ping, curl from two web servers, and a DNS-like exchange."""
    content = lab.path / "www"
    content.mkdir()
    (content / "index.html").write_bytes(b"vxtap " * 20000)
    for port in (WEB, BACKUP):
        server = lab.start("host", PYTHON, "-u", "-m", "http.server", str(port), "--bind", HOST,
                           "--directory", str(content))
        lab.run("client", "curl", "--silent", "--show-error", "--fail", "--retry", "20",
                "--retry-connrefused", "--retry-delay", "1", "--output", "/dev/null",
                f"http://{HOST}:{port}/index.html")
        server.stop()
    lab.run("client", "ping", "-c", "5", "-i", "0.1", HOST)
    dns = lab.start("host", PYTHON, TRAFFIC, "udp_echo", HOST, str(DNS))
    dns.wait_for_line("listening")
    lab.run("client", PYTHON, TRAFFIC, "udp_client", HOST, str(DNS), "10", "60")
    dns.stop()


def kind(frame):
    """In plain words what an inner or reference frame is."""
    if frame[12:14] != b"\x08\x00":
        return "not IPv4 (ARP and the like)"
    if frame[23] == 1:
        return "ICMP"
    ports = struct.unpack_from("!2H", frame, 34)
    if frame[23] == 17:
        return f"UDP port {DNS}" if DNS in ports else "UDP"
    return f"TCP port {BACKUP}" if BACKUP in ports else f"TCP port {WEB}" if WEB in ports else "TCP"


def show_collector(lab, path, number):
    say(f"what the collector decodes: the first {number} copies")
    fields = ["ip.src", "ip.dst", "udp.srcport", "udp.dstport", "vxlan.vni", "_ws.col.Protocol",
              "_ws.col.Info"]
    options = [part for field in fields for part in ("-e", field)]
    out = lab.run("collector", "tshark", "-r", str(path), "-c", str(number), "-T", "fields", "-E",
                  "separator=|", *options).stdout
    print("outer source and inner source | outer destination and inner | UDP ports | VNI | inner")
    print(out, end="")


def compare(seen, copies, stats):
    """Prints what was seen, mirrored and counted; gives whether all three agree."""
    seen_kinds = Counter(kind(frame) for frame in seen)
    copied_kinds = Counter(kind(copy.inner) for copy in copies)
    say("what the source interface saw, and what of it arrived at the collector")
    for name, count in sorted(seen_kinds.items()):
        print(f"  {name:30} {count:5} seen {copied_kinds[name]:5} mirrored")
    totals = stats["sessions"][0]["totals"]
    wanted = sorted(frame for frame in seen if kind(frame) in ("ICMP", f"TCP port {WEB}"))
    exact = sorted(copy.inner for copy in copies) == wanted
    counted = (totals["matched_packets"] == totals["mirrored_packets"] == len(copies)
               and totals["mirrored_bytes"] == sum(len(copy.inner) for copy in copies))
    say("in plain words")
    print(f"The web download (TCP port {WEB}) and the pings were mirrored, both directions: "
          f"{len(copies)} packets,\n"
          + ("each byte for byte what the interface saw, and nothing else." if exact
             else "but they are NOT what the interface saw."))
    print(f"The other download (TCP port {BACKUP}) was not: an `ignore` rule of smaller priority "
          "wins.\n"
          f"The DNS-like exchange (UDP port {DNS}) was not: no rule matches it. ARP is never "
          "mirrored.")
    print(f"vxtap counted {totals['mirrored_packets']} packets and {totals['mirrored_bytes']} bytes:"
          f" the collector and the counters {'agree exactly' if counted else 'DO NOT AGREE'}.")
    return exact and counted and set(copied_kinds) == {"ICMP", f"TCP port {WEB}"}


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    lab = Lab()
    try:
        say("three hosts: client, host, collector")
        print(f"client {CLIENT} -- src0 {HOST} host 10.91.0.1 und0 -- {COLLECTOR} collector")
        lab.start_daemon()
        say("vxtap apply -f demo.json")
        print(json.dumps(DOCUMENT["filters"][0]["inbound"], indent=1))
        print(lab.vxtap("apply", "-f", "-", input=json.dumps(DOCUMENT)).stdout, end="")
        source = Capture(lab, "host", "src0")
        collector = Capture(lab, "collector", "col0", "udp", "port", "4789", direction="in")
        say("ping, two downloads with curl, a DNS-like exchange")
        send_traffic(lab)
        seen = source.stop()
        copies = [decapsulate(frame) for frame in collector.stop()]
        show_collector(lab, collector.path, 12)
        say("vxtap stats --rules")
        print(lab.vxtap("stats", "--rules").stdout, end="")
        stats = json.loads(lab.vxtap("stats", "-o", "json").stdout)
        good = compare(seen, copies, stats)
        lab.daemon.stop()
        print("\nEverything is cleaned up." if good else "\nThe demo FAILED.")
        return 0 if good else 1
    except KeyboardInterrupt:
        print("\ninterrupted, cleaning up")
        return 130
    finally:
        lab.close()


if __name__ == "__main__":
    sys.exit(main())
