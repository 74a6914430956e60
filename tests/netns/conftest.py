import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from mirror import Mirror  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "tshark: needs tshark, which the small guests do not have")
    config.addinivalue_line("markers", "any_kernel: would prove nothing more under another kernel")
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
