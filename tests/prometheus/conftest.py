"""The metrics as Prometheus sees them. `./run` unpacks Prometheus into build/: installed, it would
start a service of its own."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "netns"))

from fixtures import mirror, need_root  # noqa: E402, F401
from lab import BIN  # noqa: E402
from mirror import Mirror  # noqa: E402

ADDRESS = "127.0.0.1:9469"
PROMETHEUS = BIN.parent / "prometheus" / "usr" / "bin"


def pytest_configure():
    need_root()
    if not (PROMETHEUS / "promtool").exists():
        pytest.exit(f"there is no {PROMETHEUS}/promtool: './run test' brings it", 1)


class Measured(Mirror):
    """A lab whose daemon serves its metrics at an address."""

    def start_daemon(self, *options, address=ADDRESS):
        settings = self.path / "vxtapd.json"
        settings.write_text(json.dumps({"metrics_address": address}))
        return super().start_daemon("--config", str(settings), *options)

    def curl(self, *arguments):
        """Status and body of an answer, asked for on the host."""
        done = self.run("host", "curl", "--silent", "--max-time", "60", "--write-out",
                        "\n%{http_code}", *arguments)
        body, _, status = done.stdout.rpartition("\n")
        return int(status), body


@pytest.fixture
def lab():
    """Without a daemon yet."""
    with Measured() as made:
        yield made
