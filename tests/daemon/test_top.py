"""The live views, looked at in a terminal."""

import os
import re
import signal
import subprocess
import unicodedata

import pytest
from lab import BIN, run, wait_for
from terminal import Terminal

VXTAP = str(BIN / "vxtap")
COLLECT = '{"priority": 1, "policy": "collect", "protocol": "udp"}'
LONG = "a session with a name that is long enough for a wide screen 日本"
SENDER = ("import socket, sys, time\n"
          "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
          "while True: s.sendto(bytes(200), (sys.argv[1], 9)); time.sleep(0.01)\n")


def columns(line):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
               for c in line)


@pytest.fixture
def busy(mirror):
    """`ids` mirrors what src0 gets, `lost` has no way for what lo gets, LONG is stopped."""
    document = mirror.document(COLLECT, COLLECT)
    [ids] = document["sessions"]
    document["sessions"] += [
        {**ids, "name": "lost", "vni": 2, "priority": 2, "sources": ["lo"],
         "destination": "203.0.113.9"},
        {**ids, "name": LONG, "vni": 3, "priority": 3, "sources": ["src0", "late0"],
         "enabled": False}]
    mirror.apply(document)
    mirror.start("client", "/usr/bin/python3", "-c", SENDER, "10.90.0.1")
    mirror.start("host", "/usr/bin/python3", "-c", SENDER, "127.0.0.1")
    return mirror


def top(busy, width=80, height=24, *options, **environment):
    environment = {"LC_ALL": "C.UTF-8", **environment}
    return Terminal(busy.path, width, height,
                    [VXTAP, "--socket", busy.socket, "top", "--interval", "0.5", *options],
                    **environment)


# The rates of both sessions are there.
RUNNING = ("▂", "no_route")


def row(screen, *beginning):
    """The cells of the row that begins so."""
    found = [line.split() for line in screen if line.split()[:len(beginning)] == list(beginning)]
    assert len(found) == 1, (beginning, screen)
    return found[0]


def number(cell):
    """One that `top` writes; none is below zero."""
    digits, prefix = re.fullmatch(r"(\d+(?:\.\d+)?)([kMGTP]?)", cell).groups()
    return float(digits) * 1000 ** " kMGTP".index(prefix or " ")


def running(terminal):
    """A screen with rates that are not zero."""
    def seen():
        screen = terminal.screen()
        cells = [line.split() for line in screen if line.startswith("ids ") and " in " in line]
        return screen if cells and cells[0][3] not in ("-", "0") else None

    return wait_for("rates", seen)


def test_page_of_80_by_24(busy):
    with top(busy) as terminal:
        running(terminal)
        screen = terminal.wait_for("no_route", "2 of 3 sessions enabled", " problem")
        assert len(screen) == 24 and max(map(columns, screen)) <= 80
        assert re.search(r"\d\d:\d\d:\d\d  every 0.5 s$", screen[0])
        assert screen[3].split() == ["SESSION", "SOURCE", "DIR", "MATCH", "MIRROR", "BITS↓", "CUT",
                                     "DROP", "TREND"]
        matched, mirrored, bits, cut, dropped = map(number, row(screen, "ids", "src0", "in")[3:8])
        assert 0 < matched == mirrored < 1000 and cut == dropped == 0
        # 200 bytes with the headers of UDP, IPv4 and Ethernet, as far as three digits tell.
        assert bits == pytest.approx(mirrored * (200 + 8 + 20 + 14) * 8, rel=0.02)
        assert row(screen, "ids", "src0", "out")[3:8] == ["0"] * 5
        lost = list(map(number, row(screen, "lost", "lo", "in")[3:8]))
        assert lost[0] == lost[4] > 0 == lost[1]
        reason = row(screen, "lost", "no_route")
        assert number(reason[2]) > 0 and int(reason[3]) > 0
        assert sum("stopped" in line for line in screen) == 4
        assert LONG not in "\n".join(screen) and LONG[:12] in "\n".join(screen)
        assert screen[23].startswith("?:help q:quit s:sort")


def test_page_of_200_by_50_and_back(busy):
    with top(busy, 200, 50) as terminal:
        screen = running(terminal)
        assert len(screen) == 50 and LONG + " late0" in "\n".join(screen)
        assert max(map(columns, screen)) <= 200
        terminal.resize(60, 12)
        screen = terminal.wait_for("?:help", absent=[LONG])
        assert len(screen) == 12 and max(map(columns, screen)) <= 60
        terminal.press("End")
        terminal.wait_for(" of 8")
        terminal.resize(200, 50)
        terminal.wait_for(LONG, "ids")


def test_keys(busy):
    with top(busy) as terminal:
        running(terminal)
        terminal.press("?")
        terminal.wait_for("sort by the next", "q Ctrl-C")
        terminal.press("?")
        terminal.press("g")
        screen = terminal.wait_for("g:group=session")
        assert row(screen, "lost", "*", "*")
        terminal.press("g", "g", "g", "/", "LOST")
        screen = terminal.wait_for("filter: LOST_", absent=["ids  "])
        terminal.press("Enter", "s")
        screen = terminal.wait_for("/:filter=LOST", "CUT↓")
        assert row(screen, "lost", "lo", "out")
        terminal.press("r")
        terminal.wait_for("CUT↑")
        terminal.press("Escape")
        terminal.wait_for("ids  ")
        terminal.press("i")
        terminal.wait_for("i:all", absent=["stopped"])
        terminal.press("+")
        terminal.wait_for("every 1 s")
        terminal.press("p")
        terminal.wait_for("paused", "p:go on")
        stood = terminal.screen()
        busy.udp("10.90.0.1", "5353", "5", "200")
        assert terminal.screen() == stood
        terminal.press("p")
        terminal.wait_for("every 1 s")


def test_ascii(busy):
    for options, locale in (((), "C"), (("--ascii",), "C.UTF-8")):
        with top(busy, 200, 50, *options, LC_ALL=locale) as terminal:
            running(terminal)
            screen = "\n".join(terminal.wait_for("#", "BITSv", LONG.replace("日本", "????")))
            assert screen.isascii()


@pytest.mark.parametrize("end", ["q", "C-c", signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=str)
def test_terminal_is_given_back(busy, end):
    with top(busy) as terminal:
        running(terminal)
        assert terminal.told("alternate_on") == "1" and terminal.told("cursor_flag") == "0"
        if isinstance(end, str):
            terminal.press(end)
        else:
            [pid] = run("pgrep", "--full", f"^{VXTAP} --socket {busy.socket} top").stdout.split()
            os.kill(int(pid), end)
        terminal.wait_for("was here before", "exit status 0", absent=["SESSION"])
        wait_for("the settings are written", lambda: terminal.after.exists()
                 and terminal.after.read_text().count("\n") == terminal.before.read_text().count("\n"))
        assert terminal.after.read_text() == terminal.before.read_text()
        assert terminal.told("alternate_on") == "0" and terminal.told("cursor_flag") == "1"


def test_daemon_restarts(busy):
    """Its counters begin at zero then; no rate is below that at any time."""
    with top(busy) as terminal:
        running(terminal)
        busy.daemon.stop()
        screen = terminal.wait_for("trying again: no daemon at")
        assert row(screen, "ids", "src0", "in")[3:8] == ["-"] * 5
        busy.start_daemon()
        terminal.wait_for("no_route", absent=["no daemon"])
        for line in running(terminal)[4:]:
            cells = line.split()
            if cells and cells[0] in ("ids", "lost") and len(cells) > 7:
                assert all(number(cell) >= 0 for cell in cells[3:8])
        terminal.press("q")
        terminal.wait_for("exit status 0")


def test_sessions_come_and_go(busy):
    with top(busy) as terminal:
        running(terminal)
        busy.vxtap("session", "delete", "lost")
        terminal.wait_for("ids  ", absent=["lost  "])
        busy.vxtap("session", "stop", "ids")
        wait_for("ids is stopped", lambda: "stopped" in " ".join(row(terminal.screen(), "ids", "src0", "in")))
        busy.vxtap("session", "delete", "ids")
        busy.vxtap("session", "delete", LONG)
        terminal.wait_for("no session has a source")


def test_once(busy):
    """For a file or a mail: a page without the terminal's own."""
    done = busy.vxtap("top", "--once", "--interval", "1")
    assert done.stderr == "" and "\x1b" not in done.stdout and "?:help" not in done.stdout
    lines = done.stdout.splitlines()
    assert number(row(lines, "ids", "src0", "in")[3]) > 0
    assert row(lines, "lost", "no_route") and max(map(columns, lines)) <= 120


@pytest.mark.parametrize("options,said", [
    ([], "needs a terminal"), (["-o", "json"], "--output"), (["--interval", "0"], "--interval"),
    (["--interval", "soon"], "--interval"), (["--once", "extra"], "extra")], ids=str)
def test_refused(shared, options, said):
    done = shared.vxtap("top", *options, check=False)
    assert done.returncode == 2 and said in done.stderr and done.stdout == ""


def test_no_daemon(tmp_path):
    """Said at once, and the terminal is left alone."""
    with Terminal(tmp_path, 80, 24, [VXTAP, "--socket", "/nowhere/sock", "top"]) as terminal:
        screen = terminal.wait_for("was here before", "no daemon at /nowhere/sock", "exit status 3")
        assert len([line for line in screen if line]) <= 4


@pytest.mark.parametrize("kind", ["nonsense", "dumb"])
def test_terminal_that_cannot(busy, kind):
    with top(busy, TERM=kind) as terminal:
        terminal.wait_for(f"TERM: '{kind}'", "exit status 2")


# stats --watch, status --check


def test_watch_in_a_terminal(busy):
    with Terminal(busy.path, 120, 30, [VXTAP, "--socket", busy.socket, "stats", "--watch", "0.2"]) \
            as terminal:
        first = terminal.wait_for("SESSION", "ids", "OWN")
        wait_for("the counters go on", lambda: terminal.screen() not in ([""], first))
        busy.daemon.stop()
        terminal.wait_for("no daemon at", "trying again")
        busy.start_daemon()
        terminal.wait_for("SESSION", "ids", absent=["no daemon"])
        terminal.press("C-c")


def test_watch_in_a_pipe(busy):
    """Whole answers, one after the other; a daemon that went is told of once."""
    log = busy.path / "watch.log"
    with open(log, "w") as out, open(str(log) + ".err", "w") as err:
        process = subprocess.Popen([VXTAP, "--socket", busy.socket, "stats", "--watch", "0.1"],
                                   stdout=out, stderr=err)
    try:
        wait_for("two rounds", lambda: log.read_text().count("SEEN") > 1)
        busy.daemon.stop()
        errors = log.with_name("watch.log.err")
        wait_for("it is said", lambda: "no daemon at" in errors.read_text())
        busy.start_daemon()
        rounds = log.read_text().count("SEEN")
        wait_for("it goes on", lambda: log.read_text().count("SEEN") > rounds + 1)
        said = [line for line in errors.read_text().splitlines() if "no daemon" in line]
        assert len(said) == len(set(said)) and "\x1b" not in log.read_text()
    finally:
        process.terminate()
        process.wait()


def test_status_for_scripts(mirror):
    assert mirror.vxtap("status", "--check").returncode == 0
    mirror.apply(mirror.document(COLLECT, sources=["late0"]))
    assert mirror.vxtap("status").returncode == 0
    done = mirror.vxtap("status", "--check", check=False)
    assert done.returncode == 6 and "1 problem" in done.stderr
    assert "problem: source 'late0' is pending" in done.stdout


@pytest.mark.parametrize("state,why,fields,inbound", [
    ("mirroring", "", {}, COLLECT),
    ("stopped", "session start", {"enabled": False}, COLLECT),
    ("waiting", "rule add", {}, ""),
    ("waiting", "vxtap attach", {"sources": []}, COLLECT),
    ("waiting", "none of its sources", {"sources": ["late0"]}, COLLECT),
    ("impaired", "see below", {"destination": "203.0.113.9"}, COLLECT)])
def test_states_of_sessions(mirror, state, why, fields, inbound):
    mirror.apply(mirror.document(inbound, **fields))
    [line] = [line for line in mirror.vxtap("status").stdout.splitlines() if line.startswith("ids")]
    assert line.split()[1] == state and why in line
