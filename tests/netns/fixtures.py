"""What the suites that need a lab share."""

import os

import pytest
from mirror import Mirror


def need_root():
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
