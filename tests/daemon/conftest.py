"""What does not depend on the kernel: API, command line, state. The labs are those of ../netns."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "netns"))

from fixtures import lab, mirror, need_root  # noqa: E402, F401
from mirror import Mirror  # noqa: E402


def pytest_configure():
    need_root()


@pytest.fixture(scope="module")
def shared():
    """One daemon for all tests of a module that leave nothing behind."""
    with Mirror() as made:
        made.start_daemon()
        yield made
