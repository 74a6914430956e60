import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from fixtures import lab, mirror, need_root  # noqa: E402, F401


def pytest_configure(config):
    config.addinivalue_line("markers", "tshark: needs tshark, which the small guests do not have")
    config.addinivalue_line("markers", "any_kernel: would prove nothing more under another kernel")
    need_root()
