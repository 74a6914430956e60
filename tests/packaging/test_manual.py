"""The manual against the programs: every command, option and setting is in it, and nothing else."""

import os
import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("VXTAP_BIN_DIR", REPOSITORY / "build" / "bin")).absolute()
MANUAL = REPOSITORY / "packaging" / "man"
PAGES = ("vxtap.1", "vxtapd.8", "vxtapd.json.5")
EVERYWHERE = {"help", "socket", "output", "version"}  # explained once, in the description


def page(name):
    return (MANUAL / name).read_text()


def help_of(*command):
    return subprocess.run((BIN / command[0], *command[1:], "--help"), text=True, check=True,
                          capture_output=True).stdout


def options(text):
    """Long options at the beginnings of the lines of a help."""
    found = set()
    for line in re.findall(r"^  (-\S+)", text, re.MULTILINE):
        found.update(re.findall(r"--([a-z][a-z-]*)", line))
    return found


def documented_options(text):
    return set(re.findall(r"(?<=-)[a-z][a-z-]+", " ".join(re.findall(r"^\.It Fl (.*)$", text, re.MULTILINE))))


def subcommands(text):
    listed = re.search(r"^Subcommands:\n((?:  .*\n)+)", text, re.MULTILINE)
    return re.findall(r"^  (\w\S*)", listed[1], re.MULTILINE) if listed else []


def commands(*command):
    """All that take no further subcommand, as words behind the program's name."""
    below = subcommands(help_of(*command))
    return [found for word in below for found in commands(*command, word)] or [" ".join(command[1:])]


def sections():
    """What the manual says of each command."""
    found = {}
    for section in re.split(r"^\.S[sh] ", page("vxtap.1"), flags=re.MULTILINE)[1:]:
        heading = section.partition("\n")[0]
        found[re.split(r" (?:Ar|Op)\b", heading)[0]] = section
    return found


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_well_formed(name):
    done = subprocess.run(("mandoc", "-T", "lint", "-W", "warning", MANUAL / name), text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("command", commands("vxtap"))
def test_commands_and_their_options(command):
    section = sections().get(command)
    assert section, f"vxtap.1 says nothing of 'vxtap {command}'"
    assert documented_options(section) == options(help_of("vxtap", *command.split())) - EVERYWHERE


def test_no_command_is_made_up():
    known = {"NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "ENVIRONMENT", "EXIT STATUS", "EXAMPLES", "SEE ALSO"}
    assert set(sections()) - known == set(commands("vxtap"))


def test_options_for_all_commands():
    assert documented_options(sections()["DESCRIPTION"]) == options(help_of("vxtap"))


def test_options_of_the_daemon():
    assert documented_options(page("vxtapd.8")) == options(help_of("vxtapd"))


def test_settings():
    """What the source of the settings compares a key with is a setting."""
    source = (REPOSITORY / "agent" / "settings.cpp").read_text()
    settings = set(re.findall(r'key [!=]= "(\w+)"', source))
    assert "tunnel_port" in settings
    assert set(re.findall(r"^\.It Cm (\w+)$", page("vxtapd.json.5"), re.MULTILINE)) == settings
