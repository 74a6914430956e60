"""The daemon as a service: what it tells the service manager, and its settings read again."""

import grp
import json
import os
import signal
import socket
import stat
from contextlib import contextmanager

import pytest
from lab import BIN, PATIENCE, run, wait_for

GROUP = "daemon"  # Debian has it on every machine
RULES = [{"priority": n + 1, "policy": "collect"} for n in range(3)]


@contextmanager
def service_manager(lab, monkeypatch, **environment):
    """Where the daemon's messages to systemd arrive. Reads them until one holds a word."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        path = str(lab.path / "notify")
        manager.bind(path)
        manager.settimeout(PATIENCE)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

        def wait_for_word(word):
            while True:
                message = manager.recv(4096).decode()
                if word in message:
                    return message

        yield wait_for_word


def write_settings(lab, **settings):
    path = lab.path / "vxtapd.json"
    path.write_text(json.dumps(settings))
    return "--config", str(path)


def reload(lab, expected):
    """Has the settings read, and waits for a line that this has not said before."""
    before = lab.daemon.log.read_text().count(expected)
    lab.daemon.popen.send_signal(signal.SIGHUP)
    wait_for(expected, lambda: lab.daemon.log.read_text().count(expected) > before)


def filter_of(lab, name, rules):
    document = {"filters": [{"name": name, "inbound": rules}], "sessions": []}
    return lab.vxtap("apply", "-f", "-", input=json.dumps(document), check=False)


def test_readiness_reload_and_stop_are_told(lab, monkeypatch):
    with service_manager(lab, monkeypatch) as wait_for_word:
        lab.start_daemon(*write_settings(lab))
        assert "0 session(s), 0 of 0 source(s) active" in wait_for_word("READY=1")
        lab.daemon.popen.send_signal(signal.SIGHUP)
        wait_for_word("RELOADING=1")
        wait_for_word("READY=1")
        lab.daemon.popen.send_signal(signal.SIGTERM)
        wait_for_word("STOPPING=1")


def test_status_follows_the_sources(lab, monkeypatch):
    with service_manager(lab, monkeypatch) as wait_for_word:
        lab.start_daemon()
        lab.apply(lab.document('{"priority": 1, "policy": "collect"}'))
        wait_for_word("STATUS=1 session(s), 1 of 1 source(s) active")


def test_the_watchdog_is_petted_again_and_again(lab, monkeypatch):
    with service_manager(lab, monkeypatch, WATCHDOG_USEC="2000000") as wait_for_word:
        lab.start_daemon()
        wait_for_word("WATCHDOG=1")
        wait_for_word("WATCHDOG=1")


def test_limits_change_at_once(lab):
    lab.start_daemon(*write_settings(lab, limits={"rules_per_direction": 2}))
    assert filter_of(lab, "f", RULES).returncode == 2
    write_settings(lab, limits={"rules_per_direction": 3})
    reload(lab, "read the settings again")
    assert filter_of(lab, "f", RULES).returncode == 0


def test_the_log_level_changes_at_once(lab, monkeypatch):
    with service_manager(lab, monkeypatch) as wait_for_word:
        lab.start_daemon(*write_settings(lab))
        wait_for_word("READY=1")
        write_settings(lab, log_level="error")
        lab.daemon.popen.send_signal(signal.SIGHUP)
        wait_for_word("READY=1")
    assert "read the settings again" not in lab.daemon.log.read_text()
    write_settings(lab, log_level="loud")
    reload(lab, 'log_level: "loud": must be trace, debug, info, warn or error')


def test_the_command_line_wins_over_the_settings(lab):
    lab.start_daemon(*write_settings(lab, log_level="error"), "--log-level", "info")
    reload(lab, "read the settings again")


@pytest.mark.parametrize("name, value", [("tunnel_port", 4800), ("socket_group", GROUP)])
def test_what_needs_a_restart_is_said(lab, name, value):
    lab.start_daemon(*write_settings(lab))
    write_settings(lab, **{name: value})
    reload(lab, f"the setting {name} has changed: it is used from the next start on")
    write_settings(lab)
    reload(lab, "read the settings again")
    assert lab.daemon.log.read_text().count("has changed") == 1


def test_settings_that_cannot_be_read_change_nothing(lab):
    lab.start_daemon(*write_settings(lab, limits={"rules_per_direction": 2}))
    write_settings(lab, limits={"rules_per_direction": 3}, colour="red")
    reload(lab, 'the settings stay as they were: colour: "red": there is no such setting')
    assert filter_of(lab, "f", RULES).returncode == 2


def test_the_socket_belongs_to_its_group(lab):
    lab.start_daemon(*write_settings(lab, socket_group=GROUP))
    found = os.stat(lab.socket)
    assert stat.S_IMODE(found.st_mode) == 0o660
    assert (found.st_uid, found.st_gid) == (0, grp.getgrnam(GROUP).gr_gid)


def test_a_member_of_the_group_gets_in_and_nobody_else(lab):
    lab.start_daemon(*write_settings(lab, socket_group=GROUP))
    lab.path.chmod(0o755)
    status = (str(BIN / "vxtap"), "--socket", lab.socket, "status")
    run("setpriv", "--reuid=65534", f"--regid={GROUP}", "--clear-groups", *status)
    refused = run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *status, check=False)
    assert refused.returncode == 3 and "ermission denied" in refused.stderr


def test_a_group_that_is_missing_is_refused(lab):
    daemon = run(*lab.command("host", str(BIN / "vxtapd"), "--socket", lab.socket, "--state-dir",
                              lab.state, *write_settings(lab, socket_group="nobody-has-it")),
                 check=False)
    assert daemon.returncode == 2
    assert "socket_group: nobody-has-it: there is no such group" in daemon.stderr
    assert not os.path.exists(lab.socket)
