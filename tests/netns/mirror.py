"""A lab with a running daemon, and what tests say most often."""

import json
from pathlib import Path

from capture import Capture, decapsulate
from lab import Lab

TRAFFIC = str(Path(__file__).parent / "traffic.py")
PYTHON = "/usr/bin/python3"


class Mirror(Lab):
    def document(self, inbound="", outbound="", **session):
        """A document of one filter and one session `ids` on src0; rules in JSON."""
        fields = {"name": "ids", "filter": "f", "sources": ["src0"], "destination": "10.91.0.2",
                  "vni": 42, "priority": 1, "packet_length": 8500, "enabled": True, **session}
        rules = lambda text: json.loads(f"[{text}]")  # noqa: E731
        return {"filters": [{"name": "f", "inbound": rules(inbound), "outbound": rules(outbound)}],
                "sessions": [fields]}

    def apply(self, document, *options, check=True):
        return self.vxtap("apply", "-f", "-", *options, check=check, input=json.dumps(document))

    def stats(self):
        return json.loads(self.vxtap("stats", "-o", "json").stdout)

    def status(self):
        return json.loads(self.vxtap("status", "-o", "json").stdout)

    def session(self, name="ids"):
        return next(s for s in self.stats()["sessions"] if s["name"] == name)

    def captures(self, *expression):
        """References at the source, by direction as the host sees it, and the collector's capture."""
        return (Capture(self, "host", "src0", *expression, direction="in"),
                Capture(self, "host", "src0", *expression, direction="out"),
                Capture(self, "collector", "col0", "udp", "port", "4789", direction="in"))

    def server(self, role, *arguments):
        process = self.start(role, PYTHON, TRAFFIC, *arguments)
        process.wait_for_line("listening")
        return process

    def client(self, *arguments):
        return self.run("client", PYTHON, TRAFFIC, *arguments)

    def tcp(self, address, port, size):
        server = self.server("host", "tcp_server", address, port, size)
        self.client("tcp_client", address, port, size)
        assert server.popen.wait(60) == 0

    def udp(self, address, port, count, size, source_port="0"):
        server = self.server("host", "udp_echo", address, port)
        self.client("udp_client", address, port, count, size, source_port)
        server.stop()

    def copies(self, capture):
        return [decapsulate(frame) for frame in capture.stop()]
