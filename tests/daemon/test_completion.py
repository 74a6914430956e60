"""What the shells themselves make of packaging/completions, at a terminal."""

import contextlib
import fcntl
import json
import os
import pty
import re
import shlex
import signal
import struct
import subprocess
import termios
from pathlib import Path

import pytest
from lab import BIN, run, wait_for
from test_cli import help_of, subcommands

COMPLETIONS = Path(__file__).resolve().parents[2] / "packaging" / "completions"
INTERFACES = ["lo", "o$d'é", "peer0", "src0", "und0"]
FILES = ["it's \"here\".json", "mirror.json", "two words.json"]
# Their first two characters tell them apart.
NAMES = ["two words", "it's", 'say "hi"', "ids:eu:1 a", "$HOME", "schön", "日本 語", "back\\slash",
         "wow!b !", "~tilde", "=ls", "#hash", "semi;colon", "k=v w", "star*", "{x,y}", "`tick`",
         "per%cent", "at@host", "(paren)", "pipe|and&", "<less>", " lead", "'quoted'", '"double"',
         "-dash", "web"]


class Terminal:
    """A shell at a terminal of its own, in a directory with FILES. A prompt is `> `."""

    PREFIXES = ["", "NO_COLOR=1 ", "sudo "]  # what may stand in front of vxtap
    DUMP = "\x18d"  # the keys that write the line into a file
    CLEAR = "\x05\x15"
    INTERRUPT = "\x03"

    def __init__(self, directory, command, *setup):
        self.directory = directory
        self.files = directory / "files"
        self.dumped = directory / "line"
        self.shown = ""
        self._fill()
        environment = {"PATH": f"{BIN}:{directory}:{os.environ['PATH']}", "HOME": str(directory),
                       "XDG_DATA_HOME": str(directory), "LC_ALL": "C.UTF-8", "TERM": "dumb",
                       "INPUTRC": "/dev/null", "PS1": "> "}
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 50, 1000, 0, 0))
        # With job control, so the terminal has to be the session's.
        self.popen = subprocess.Popen(["setsid", "--ctty", *command], stdin=slave, stdout=slave,
                                      stderr=slave, cwd=self.files, env=environment)
        os.close(slave)
        os.set_blocking(self.master, False)
        for line in setup:
            self.press(line + "\r")
        self.run("echo ready")

    def _fill(self):
        broken = self.directory / "broken"
        for made in (self.files, broken):
            made.mkdir()
        for name in FILES:
            (self.files / name).touch()
        (broken / "vxtap").write_text("#!/bin/sh\necho an error >&2; exit 1\n")
        (broken / "vxtap").chmod(0o755)
        # fish completes only commands that there are.
        (self.directory / "sudo").touch(0o755)

    def press(self, keys):
        os.write(self.master, keys.encode())

    def read(self):
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.master, 65536):
                self.shown += data.decode(errors="replace")

    def wait_for(self, what, condition):
        def met():
            self.read()
            return condition()

        try:
            wait_for(what, met)
        except TimeoutError as error:
            self.press(self.INTERRUPT)
            raise AssertionError(f"{what}: {self.shown}") from error

    def run(self, line):
        """What the line prints on stdout."""
        output, done = self.directory / "output", self.directory / "done"
        done.unlink(missing_ok=True)
        self.press(f"{line} > {output}; echo > {done}\r")
        self.wait_for(line, done.exists)
        return output.read_text()

    def line(self, text, keys="\t"):
        """What the line is after `text` and `keys`; `shown` is what the terminal got meanwhile."""
        self.read()
        self.shown = ""
        self.dumped.unlink(missing_ok=True)
        self.press(text + keys + self.DUMP)
        self.wait_for(text, lambda: self.dumped.exists() and self.dumped.read_text().endswith("\0"))
        self.press(self.CLEAR)
        return self.dumped.read_text()[:-1]

    def candidates(self, text):
        """All that may stand for the last word, sorted; it may not be quoted."""
        line = self.line(text, self.ALL)
        return sorted(shlex.split(line[text.rindex(" "):])) if line != text else []

    def close(self):
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()
        os.close(self.master)


def quoted_like_posix(text):
    """Three beginnings of a word that a user may have typed: plain, and with a quote open."""
    return [re.sub(r"([^\w])", r"\\\1", text), "'" + text.replace("'", "'\\''"),
            '"' + re.sub(r'(["\\$`])', r"\\\1", text)]


class Bash(Terminal):
    ALL = "\x18*"

    def __init__(self, directory, *setup):
        dump = f"bind -x '\"\\C-xd\": printf \"%s\\0\" \"$READLINE_LINE\" > {directory}/line'"
        super().__init__(directory, ["bash", "--noprofile", "--norc", "-i"], *setup,
                         "bind '\"\\C-x*\": insert-completions'", dump)

    quoted = staticmethod(quoted_like_posix)


class PlainBash(Bash):
    """Without the package bash-completion."""

    PREFIXES = ["", "NO_COLOR=1 "]

    def __init__(self, directory):
        super().__init__(directory, f"source {COMPLETIONS}/vxtap.bash")


class LoadingBash(Bash):
    """With bash-completion, which finds the script by the command's name."""

    def __init__(self, directory):
        place = directory / "bash-completion" / "completions"
        place.mkdir(parents=True)
        (place / "vxtap").symlink_to(COMPLETIONS / "vxtap.bash")
        super().__init__(directory, "source /usr/share/bash-completion/bash_completion")


class Zsh(Terminal):
    ALL = "\x18a"

    def __init__(self, directory):
        super().__init__(directory, ["zsh", "-f", "-i"], f"fpath=({COMPLETIONS} $fpath)",
                         "autoload -Uz compinit; compinit -D",
                         f"dump() {{ printf '%s\\0' $BUFFER > {directory}/line }}",
                         "zle -N dump; bindkey '^Xd' dump",
                         "all() { _main_complete; compstate[insert]=all }",
                         "zle -C all complete-word all; bindkey '^Xa' all")

    quoted = staticmethod(quoted_like_posix)


class Fish(Terminal):
    def __init__(self, directory):
        super().__init__(directory, ["fish", "--no-config", "-i"],
                         f"set fish_complete_path {COMPLETIONS} $__fish_data_dir/completions",
                         "function fish_prompt; printf '> '; end",
                         f"bind \\cxd 'printf \"%s\\\\0\" (commandline) > {directory}/line'")

    def candidates(self, text):
        lines = self.run(f"complete -C {shlex.quote(text)}").splitlines()
        return sorted(line.split("\t")[0] for line in lines)

    @staticmethod
    def quoted(text):
        return [re.sub(r"([^\w])", r"\\\1", text), "'" + re.sub(r"(['\\])", r"\\\1", text),
                '"' + re.sub(r'(["\\$])', r"\\\1", text)]


@pytest.fixture(scope="module", autouse=True)
def objects(shared):
    shared.run("host", "ip", "link", "add", INTERFACES[1], "type", "veth",
               "peer", "name", INTERFACES[2])
    shared.apply({"filters": [{"name": name} for name in NAMES],
                  "sessions": [{"name": name, "filter": "web", "destination": "10.91.0.2",
                                "priority": 1 + i} for i, name in enumerate(NAMES)]})


@pytest.fixture(scope="module", params=[PlainBash, LoadingBash, Zsh, Fish])
def shell(request, tmp_path_factory):
    made = request.param(tmp_path_factory.mktemp("shell"))
    yield made
    made.close()


def command_line(shared, text):
    return f"vxtap --socket {shared.socket} {text}"


def options(*path):
    """Those of a command and of what is above it."""
    lines = "\n".join(help_of(*path[:depth]) for depth in range(len(path) + 1)).splitlines()
    return sorted({option for line in lines if line.startswith("  -")
                   for option in re.findall(r"(?<=[ ,])--[\w-]+", line[:34])})


@pytest.mark.parametrize("text,path", [("", ()), ("filter ", ("filter",)), ("rule ", ("rule",)),
                                       ("-o json session ", ("session",))])
def test_commands(shell, shared, text, path):
    assert shell.candidates(command_line(shared, text)) == sorted(subcommands(*path))


@pytest.mark.parametrize("path", [(), ("filter",), ("rule", "add"), ("session", "update"),
                                  ("stats",), ("apply",)])
def test_options(shell, shared, path):
    expected = options(*path)
    assert {"--help", "--socket", "--output"} <= set(expected)
    assert shell.candidates(command_line(shared, " ".join((*path, "--")))) == expected


@pytest.mark.parametrize("text,expected", [
    ("rule add web --direction ", ["inbound", "outbound"]),
    ("rule add --direction in", ["inbound"]),
    ("rule add web --direction inbound --policy ", ["collect", "ignore"]),
    ("session create s --oversize ", ["fragment", "truncate"]),
    ("explain --direction ", ["inbound", "outbound"]),
    ("-o ", ["json", "table"]),
    ("filter list --output ", ["json", "table"]),
    ("filter show ", NAMES),
    ("filter delete ", NAMES),
    ("rule list ", NAMES),
    ("rule add --direction inbound ", NAMES),
    ("rule add --direction=inbound ", NAMES),
    ("session create s --filter ", NAMES),
    ("session list --filter ", NAMES),
    ("session show ", NAMES),
    ("session stop ", NAMES),
    ("stats ", NAMES),
    ("stats --rules ", NAMES),
    ("attach ", NAMES),
    ("attach 'two words' ", INTERFACES),
    ("attach two\\ words src0 ", INTERFACES),
    ("detach web ", INTERFACES),
    ("session create s --source ", INTERFACES),
    ("session list --source ", INTERFACES),
    ("explain --interface ", INTERFACES),
    ("apply -f ", FILES),
    ("apply --dry-run --file ", FILES),
    ("explain --pcap ", FILES),
    ("filter create ", []),
    ("filter show web ", []),
    ("rule list web ", []),
    ("session create s --destination ", []),
    ("status ", []),
    ("nonsense ", []),
])
def test_values(shell, shared, text, expected):
    assert shell.candidates(command_line(shared, text)) == sorted(expected)


@pytest.mark.parametrize("text", ["filter show --socket {} ", "--socket {} filter show ",
                                  "--socket={} filter show ", "filter --socket={} show "])
def test_socket(shell, shared, text):
    """The daemon that is asked is the one of the command line."""
    assert shell.candidates("vxtap " + text.format(shared.socket)) == sorted(NAMES)


@pytest.mark.parametrize("text,expected", [
    ("fil", "filter"),
    ("session sta", "start"),
    ("rule add web --dir", "--direction"),
    ("rule add web --direction=in", "--direction=inbound"),
    ("filter list --output=j", "--output=json"),
    ("session create s --filter=tw", "--filter=two words"),
    ("session create s --filter='tw", "--filter=two words"),
    ("session create s --filter=ids:", "--filter=ids:eu:1 a"),
    ("session create s --source=o", "--source=o$d'é"),
    ("filter show ids:e", "ids:eu:1 a"),
    ("filter show ids:eu\\:", "ids:eu:1 a"),
    ("filter show tw'o 'w", "two words"),
    ("filter show k=v", "k=v w"),
    ("filter show -- -d", "-dash"),
    ("apply -f mi", "mirror.json"),
    ("apply -f it", 'it\'s "here".json'),
    ("apply --file=mi", "--file=mirror.json"),
    ("apply --file=tw", "--file=two words.json"),
    ("apply --file='tw", "--file=two words.json"),
    ("export > mi", "mirror.json"),
    ("export >mi", ">mirror.json"),
    ("export 2> mi", "mirror.json"),
    ("export > mirror.json --so", "--socket"),
])
def test_one_candidate(shell, shared, text, expected):
    line = shell.line(command_line(shared, text))
    assert line.endswith(" ") and shlex.split(line)[-1] == expected


def test_names_as_the_shell_reads_them(shell, shared):
    """A completed line, run by the shell, names the object: however the word was begun."""
    for name in NAMES:
        for begun in shell.quoted(name[:2]):
            line = command_line(shared, f"-o json filter show -- {begun}\t")
            assert json.loads(shell.run(line))["name"] == name, line


def test_common_beginning(shell, shared):
    """Several names fit: what they have in common is written, and more of it decides."""
    names = ["common one", "common two"]
    shared.apply({"filters": [{"name": name} for name in names]})
    try:
        begun = shell.line(command_line(shared, "filter show com"))
        assert shlex.split(begun)[-1] == "common "
        assert shlex.split(shell.line(begun + "t"))[-1] == names[1]
    finally:
        for name in names:
            shared.vxtap("filter", "delete", name)


def test_in_front_of_the_cursor_only(shell, shared):
    after = " --help"
    line = shell.line(command_line(shared, "fil" + after), "\x02" * len(after) + "\t")
    assert line.split() == command_line(shared, "filter --help").split()


def test_behind_other_words(shell, shared):
    for prefix in shell.PREFIXES:
        line = shell.line(prefix + command_line(shared, "filter show tw"))
        assert shlex.split(line)[-1] == "two words", prefix


def test_command_substitution_is_not_run(shell, shared):
    shell.line(command_line(shared, "filter show $(touch run) `touch run` "))
    assert not (shell.files / "run").exists()


@pytest.mark.parametrize("text", [
    "vxtap --socket /nowhere/sock filter show ",
    "vxtap --socket /nowhere/sock attach ids ",
    "/nowhere/vxtap filter ",
    "../broken/vxtap filter ",
    "vxtap nonsense --nonsense=",
    "vxtap filter show '",
])
def test_nothing_is_said(shell, text):
    """Without a daemon, a program or a sense the line stays, and nothing is printed over it."""
    assert shell.line(text) == text
    assert text in shell.shown
    assert not re.search("rror|daemon|reach|ommand|No such|not found", shell.shown), shell.shown


def test_without_a_daemon(shell):
    base = "vxtap --socket /nowhere/sock "
    assert shell.candidates(base + "session ") == sorted(subcommands("session"))
    assert shell.candidates(base + "rule add web --policy ") == ["collect", "ignore"]
    assert shell.candidates(base + "apply -f ") == FILES
