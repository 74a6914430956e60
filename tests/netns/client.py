"""The daemon's API without its command line."""

import http.client
import json
import socket


class Api(http.client.HTTPConnection):
    """A connection to the daemon's API that stays open: a request costs no process, as it does
    through the command line."""

    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)

    def ask(self, method, path, body=None):
        """Status and body of the answer."""
        self.request(method, path, None if body is None else json.dumps(body))
        answer = self.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None

    def do(self, method, path, body=None):
        """The body of an answer that is no refusal."""
        status, answer = self.ask(method, path, body)
        assert 200 <= status < 300, (method, path, status, answer)
        return answer
