"""The unit and the default settings, as they are in the package."""

import json
import os
import re
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("VXTAP_BIN_DIR", REPOSITORY / "build" / "bin")).absolute()
UNIT = REPOSITORY / "packaging" / "systemd" / "vxtapd.service"
MOST_EXPOSURE = 20  # tenths


def analyze(*arguments):
    return subprocess.run(("systemd-analyze", *arguments), text=True, capture_output=True, check=False)


def test_unit_is_exposed_to_little():
    done = analyze("security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSURE}", str(UNIT))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Overall exposure level for vxtapd.service" in done.stdout


def test_unit_has_no_errors(tmp_path):
    # The program is not installed here; the rest is held against systemd as it stands.
    text = UNIT.read_text()
    assert "ExecStart=/usr/sbin/vxtapd\n" in text
    copy = tmp_path / UNIT.name
    copy.write_text(text.replace("/usr/sbin/vxtapd", str(BIN / "vxtapd")))
    done = analyze("verify", "--man=no", str(copy))
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "vxtapd.service" in line]
    assert not ours


def test_default_settings_are_the_daemons_own():
    settings = json.loads((REPOSITORY / "packaging/config/vxtapd.json").read_text())
    page = (REPOSITORY / "packaging/man/vxtapd.json.5").read_text()
    for name, value in {**settings, **settings.pop("limits")}.items():
        if name == "limits":
            continue
        said = re.search(rf"^\.It Cm {name}$(?s:.*?)^Default:\s+(?:\.Qq )?(\w+)", page, re.MULTILINE)
        assert said and said[1] == str(value), name
