"""What does not depend on the kernel: API, command line, state. The labs are those of ../netns."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "netns"))

from mirror import Mirror  # noqa: E402


def pytest_configure():
    if os.geteuid() != 0:
        pytest.exit("these tests need root, to make network namespaces", 1)


@pytest.fixture
def lab():
    """Without a daemon yet."""
    with Mirror() as made:
        yield made


@pytest.fixture
def mirror(lab):
    lab.start_daemon()
    return lab


@pytest.fixture(scope="module")
def shared():
    """One daemon for all tests of a module that leave nothing behind."""
    with Mirror() as made:
        made.start_daemon()
        yield made
