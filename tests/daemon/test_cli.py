"""The command line: its help, what it prints for people and for programs, and its exit codes."""

import contextlib
import http.client
import json
import os
import pty
import re
import socket
import subprocess
import threading
import unicodedata
from urllib.parse import quote

import pytest
from lab import BIN, run

VXTAP = str(BIN / "vxtap")
ODD = "zwölf 100%?#&=+;'\" ñ"
RULE = {"priority": 10, "policy": "collect", "protocol": "tcp", "source_cidr": "10.0.0.0/8",
        "destination_cidr": "10.1.0.0/16", "source_port": "1024/65535",
        "destination_port": "443/443"}
WEB = {"name": "web", "description": "web servers", "group": "noc",
       "tags": {"team": "noc", "site": "a", "expression": "x=y"}, "inbound": [RULE],
       "outbound": [{**RULE, "policy": "ignore"}, {"priority": 200000, "policy": "collect"}]}
FILTERS = [WEB, {"name": "dns", "group": "lab", "tags": {"team": "lab", "site": "a"}},
           {"name": ODD}]
IDS = {"name": "ids", "filter": "web", "sources": ["eth0"], "destination": "10.91.0.2", "vni": 42,
       "priority": 1, "packet_length": 1500, "oversize": "truncate", "fall_through": False,
       "enabled": True, "description": "intrusion", "group": "noc",
       "tags": {"team": "noc", "site": "a"}}
SESSIONS = [IDS,
            {**IDS, "name": "npm", "filter": "dns", "sources": ["src0", "eth0"], "priority": 2,
             "vni": 43, "destination": "fd91::2", "enabled": False, "group": "lab",
             "tags": {"team": "lab", "site": "a"}},
            {**IDS, "name": ODD, "sources": [], "priority": 3, "vni": 44, "enabled": False,
             "group": "", "tags": {}}]
DOCUMENT = {"filters": FILTERS, "sessions": SESSIONS}
PACKET = {"protocol": "tcp", "source": "10.0.0.1", "destination": "10.1.0.1", "source_port": 40000,
          "destination_port": 443}
EXPLAIN = ["explain", "--interface", "eth0", "--direction", "inbound",
           *(word for field, value in PACKET.items()
             for word in ("--" + field.replace("_", "-"), str(value)))]


@pytest.fixture(scope="module", autouse=True)
def interfaces(shared):
    shared.run("host", "ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth1")


@pytest.fixture(autouse=True)
def objects(shared):
    shared.apply(DOCUMENT, "--prune")


def api(shared, method, path, body=None):
    """The text of the API's answer, without the command line."""
    connection = http.client.HTTPConnection("vxtap")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(shared.socket)
    with contextlib.closing(connection):
        connection.request(method, "/v1" + path, body)
        return connection.getresponse().read().decode()


def get(shared, kind, name):
    return json.loads(api(shared, "GET", f"/{kind}/{quote(name, safe='')}"))


# Help


def help_of(*path):
    return run(VXTAP, *path, "--help").stdout


def subcommands(*path):
    """The names that the help of a command lists."""
    _, _, listed = help_of(*path).partition("\nSubcommands:\n")
    return re.findall(r"^  (\w+) ", listed, re.MULTILINE)


def commands(*path):
    """All commands from there on, found by asking each for its help."""
    found = [path]
    for name in subcommands(*path):
        found += commands(*path, name)
    return found


def examples(*path):
    """The command lines under `Example:`, which may go on over several lines."""
    text = help_of(*path).partition("\nExample: ")[2].replace("\\\n", " ")
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def test_commands_of_the_contract():
    found = {" ".join(path) for path in commands()}
    assert found >= {"", "attach", "detach", "stats", "explain", "apply", "export", "status",
                     "version", "session start", "session stop"}
    verbs = {"filter": "create list show update delete", "rule": "add list update delete",
             "session": "create list show update delete"}
    for noun, names in verbs.items():
        assert found >= {f"{noun} {verb}" for verb in names.split()}


def test_help():
    for path in commands():
        done = run(VXTAP, *path, "--help")
        description, _, rest = done.stdout.partition("\nUsage: ")
        assert description.strip() and rest and done.stderr == "", path
        assert run(VXTAP, *path, "-h").stdout == done.stdout
        shown = examples(*path)
        assert shown and all(line.startswith("vxtap " + " ".join(path)) for line in shown), path
        # Every option and command says what it is for, if need be in the next line.
        entries = re.sub(r"\n {20,}", "  ", rest.partition("\nExample:")[0])
        for entry in re.findall(r"^  \S.*", entries, re.MULTILINE):
            assert re.search(r"\S {2,}\S", entry), (path, entry)


# What an example makes is not there yet; what it takes away is.
BARE = {"filters": [{"name": "web"}], "sessions": []}
BEFORE = {"filter create": {"filters": [], "sessions": []}, "session create": BARE,
          "rule add": BARE, "filter delete": BARE,
          "detach": {**DOCUMENT, "sessions": [{**IDS, "sources": ["eth0", "eth1"]}]}}


def objects_before(example):
    fitting = [objects for command, objects in BEFORE.items()
               if example.startswith(f"vxtap {command} ")]
    return fitting[0] if fitting else DOCUMENT


def test_examples_work(shared, tmp_path):
    """As they stand, in a shell, with the objects of the same names."""
    wrapper = tmp_path / "vxtap"
    wrapper.write_text(f'#!/bin/sh\nexec {VXTAP} --socket {shared.socket} "$@"\n')
    wrapper.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "TERM": "xterm"}
    (tmp_path / "mirror.json").write_text(json.dumps(DOCUMENT))
    (tmp_path / "capture.pcap").write_bytes(bytes.fromhex("d4c3b2a1020004000000000000000000"
                                                          "0000040001000000"))
    for path in commands():
        for example in examples(*path):
            shared.apply(objects_before(example), "--prune")
            live = path == ("top",) and "--once" not in example
            endless = "--watch" in example or live
            shell = ["sh", "-c", example]
            if live:  # it needs a terminal
                shell = ["script", "--quiet", "--command", example, "/dev/null"]
            limit = ["timeout", "--signal", "INT", "2"] if endless else []
            done = run(*limit, *shell, check=False, cwd=tmp_path, env=environment)
            assert done.returncode == (124 if endless else 0), (example, done.stderr)
            assert done.stdout or not endless, example


# For programs


READING = [
    (["filter", "list"], "/filters"),
    (["filter", "list", "--group", "noc", "--tag", "site=a"], "/filters?group=noc&tag=site%3Da"),
    (["filter", "show", "web"], "/filters/web"),
    (["filter", "show", ODD], f"/filters/{quote(ODD)}"),
    (["rule", "list", "web"], "/filters/web/rules"),
    (["session", "list"], "/sessions"),
    (["session", "list", "--disabled"], "/sessions?enabled=false"),
    (["session", "show", "ids"], "/sessions/ids"),
    (["session", "show", ODD], f"/sessions/{quote(ODD)}"),
    (["stats"], "/stats"),
    (["stats", "--rules"], "/stats"),
    (["stats", "ids"], "/stats?session=ids"),
    (["export"], "/config"),
    (["status"], "/status"),
]


@pytest.mark.parametrize("command,path", READING,
                         ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_json_is_the_answer_unchanged(shared, command, path):
    def at_rest(text):
        return re.sub(r'("uptime_seconds": )\d+', r"\1 0", text)

    answer = api(shared, "GET", path)
    assert json.loads(answer)
    for arguments in (["-o", "json", *command], [*command, "--output=json"]):
        done = shared.vxtap(*arguments)
        assert at_rest(done.stdout) == at_rest(answer) and done.stderr == ""


def test_json_of_explain(shared):
    question = {"interface": "eth0", "direction": "inbound", "packet": PACKET}
    answer = api(shared, "POST", "/explain", json.dumps(question))
    assert json.loads(answer)["packets"]
    assert shared.vxtap(*EXPLAIN, "-o", "json").stdout == answer


def test_json_of_apply(shared):
    document = {"filters": [{"name": "new"}], "sessions": [{**IDS, "sources": ["late0"]}]}
    answer = api(shared, "PUT", "/config?dry_run=1", json.dumps(document))
    done = shared.apply(document, "--dry-run", "-o", "json")
    assert done.stdout == answer and json.loads(answer)["changes"]


def test_json_of_changes(shared):
    """A change answers with the object as it is now; what was deleted is not there to print."""
    for command, path in ((["filter", "create", "new"], "/filters/new"),
                          (["filter", "update", "dns", "--group", "x"], "/filters/dns"),
                          (["rule", "add", "dns", "--direction", "inbound", "--priority", "7",
                            "--policy", "ignore"], "/filters/dns/rules/inbound/7"),
                          (["session", "stop", "ids"], "/sessions/ids"),
                          (["session", "start", "ids"], "/sessions/ids"),
                          (["detach", "npm", "src0"], "/sessions/npm"),
                          (["attach", "npm", "src0"], "/sessions/npm")):
        done = shared.vxtap(*command, "-o", "json")
        assert done.stdout == api(shared, "GET", path), command
    assert shared.vxtap("filter", "delete", "new", "-o", "json").stdout == ""


def test_json_of_version():
    version = json.loads(run(VXTAP, "version", "-o", "json").stdout)["version"]
    for words in (["version"], ["--version"]):
        assert run(VXTAP, *words).stdout == f"vxtap {version}\n"
        assert json.loads(run(VXTAP, "-o", "json", *words).stdout) == {"version": version}


def test_json_of_an_error(shared):
    done = shared.vxtap("filter", "show", "nobody", "-o", "json", check=False)
    assert done.stdout == api(shared, "GET", "/filters/nobody")
    assert json.loads(done.stdout)["error"]["code"] == "FilterNotFound"
    assert "nobody" in done.stderr and done.returncode == 4


# For people


def on_screen(line):
    """One entry for each column of a terminal: a wide character has two, a combining one none."""
    cells = []
    for character in line:
        if unicodedata.combining(character):
            cells[-1] += character
        else:
            wide = unicodedata.east_asian_width(character) in "WF"
            cells += [character, ""] if wide else [character]
    return cells


def table(text):
    """The rows of a table, split where two columns or more are blank in every line."""
    lines = [on_screen(line) for line in text.splitlines()]
    width = max(map(len, lines))
    lines = [line + [" "] * (width - len(line)) for line in lines]
    blank = "".join(" " if all(line[i] == " " for line in lines) else "x" for i in range(width))
    spans = [match.span() for match in re.finditer(r"x+(?: x+)*", blank)]
    return [["".join(line[first:end]).strip() for first, end in spans] for line in lines]


def tables(text):
    return [table(part) for part in text.split("\n\n")]


def test_filter_table(shared):
    shared.vxtap("filter", "update", "dns", "--description", "ein Satz über Züge")
    assert table(shared.vxtap("filter", "list").stdout) == [
        ["NAME", "INBOUND", "OUTBOUND", "SESSIONS", "GROUP", "TAGS", "DESCRIPTION"],
        ["dns", "0", "0", "npm", "lab", "site=a,team=lab", "ein Satz über Züge"],
        ["web", "1", "2", f"ids,{ODD}", "noc", "expression=x=y,site=a,team=noc", "web servers"],
        [ODD, "0", "0", "-", "-", "-", "-"]]


def test_rule_table(shared):
    matches = ["tcp", "10.0.0.0/8", "1024/65535", "10.1.0.0/16", "443/443"]
    expected = [["DIRECTION", "PRIORITY", "POLICY", "PROTOCOL", "SOURCE", "PORT", "DESTINATION",
                 "PORT"],
                ["inbound", "10", "collect", *matches],
                ["outbound", "10", "ignore", *matches],
                ["outbound", "200000", "collect", "all", "any", "any", "any", "any"]]
    assert table(shared.vxtap("rule", "list", "web").stdout) == expected
    assert tables(shared.vxtap("filter", "show", "web").stdout)[1] == expected


def test_session_table(shared):
    assert table(shared.vxtap("session", "list").stdout) == [
        ["NAME", "ENABLED", "FILTER", "SOURCES", "DESTINATION", "VNI", "PRIORITY"],
        ["ids", "yes", "web", "eth0", "10.91.0.2", "42", "1"],
        ["npm", "no", "dns", "src0,eth0", "fd91::2", "43", "2"],
        [ODD, "no", "web", "-", "10.91.0.2", "44", "3"]]


def test_stats_tables(shared):
    sessions, rules, sources = tables(shared.vxtap("stats", "--rules").stdout)
    assert sessions[0] == ["SESSION", "SOURCE", "STATE", "DIRECTION", "MATCHED", "BYTES",
                           "MIRRORED", "BYTES", "TRUNCATED", "DROPPED"]
    assert ["npm", "src0", "active", "outbound", "0", "0", "0", "0", "0", "0"] in sessions
    assert ["ids", "outbound", "200000", "0", "0"] in rules
    assert sources[0] == ["SOURCE", "SEEN", "SKIPPED", "OWN"] and len(sources) == 3
    assert len(tables(shared.vxtap("stats", "ids").stdout)) == 2


def test_status_table(shared):
    _, sessions, sources, destinations, _ = tables(shared.vxtap("status").stdout)
    assert sessions[0] == ["SESSION", "STATE", "DESTINATION", "VNI", "ACTIVE SOURCES", "WHY"]
    assert sessions[1][:5] == ["ids", "mirroring", "10.91.0.2", "42", "1 of 1"]
    assert sessions[2][:5] == ["npm", "stopped", "fd91::2", "43", "2 of 2"]
    assert "session start" in sessions[2][5]
    assert sources == [["SOURCE", "STATE", "WRITTEN AS", "SESSIONS", "WHY"],
                       ["eth0", "active", "eth0", "ids,npm", ""], ["src0", "active", "src0", "npm", ""]]
    assert destinations[0] == ["DESTINATION", "LEAVES BY", "OUTER HEADERS", "WHY"]
    assert destinations[1][:2] == ["10.91.0.2", "und0"]


def test_fields_are_aligned(shared):
    for kind, name in (("filter", "web"), ("session", "ids")):
        fields = tables(shared.vxtap(kind, "show", name).stdout.split("\nsource ")[0])[0]
        assert all(len(field) == 2 and field[0].endswith(":") for field in fields), fields
        assert ["name:", name] in fields and ["group:", "noc"] in fields


def test_wide_characters(shared):
    """A table is aligned on the screen, where these have two columns, or none."""
    for name in ("日本語", "u\u0308ber"):
        shared.vxtap("filter", "create", name)
    rows = table(shared.vxtap("filter", "list").stdout)
    assert {len(row) for row in rows} == {7}
    assert {"日本語", "u\u0308ber"} < {row[0] for row in rows}


def test_control_characters(shared):
    """What somebody wrote into a description does not reach the reader's terminal as it is."""
    shared.vxtap("filter", "create", "sly", "--description", "two\nlines\tand \033[31mred",
                 "--group", "a\rb", "--tag", "k\nk=v\033")
    for command in (["filter", "list"], ["filter", "show", "sly"]):
        shown = shared.vxtap(*command).stdout
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", shown)
    assert len(table(shared.vxtap("filter", "list").stdout)) == 2 + len(FILTERS)


PRINTING = [command for command, _ in READING] + [EXPLAIN, ["version"]]


def on_a_terminal(shared, *arguments, **environment):
    """What a terminal gets from stdout."""
    master, slave = pty.openpty()
    process = subprocess.Popen([VXTAP, "--socket", shared.socket, *arguments], stdout=slave,
                               env={**os.environ, **environment})
    os.close(slave)
    text = b""

    def read():
        nonlocal text
        with contextlib.suppress(OSError):  # the terminal's end, once no process has it
            while data := os.read(master, 65536):
                text += data

    read()
    assert process.wait() == 0
    read()  # The kernel may say that this is the end before it has looked for what was written last.
    os.close(master)
    return text.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("command", PRINTING, ids=" ".join)
def test_colour(shared, command):
    def at_rest(text):
        return re.sub(r"up \d+ s|\"uptime_seconds\": \d+", "", text)

    plain = at_rest(shared.vxtap(*command).stdout)
    assert "\033" not in plain
    # A header is bold.
    bold = re.sub(r"^((?:NAME|DIRECTION|SESSION|SOURCE|DESTINATION) .*)$", "\033[1m\\1\033[0m", plain,
                  flags=re.MULTILINE)
    assert at_rest(on_a_terminal(shared, *command, NO_COLOR="")) == bold
    assert at_rest(on_a_terminal(shared, *command, NO_COLOR="1")) == plain
    json_text = shared.vxtap(*command, "-o", "json").stdout
    assert at_rest(on_a_terminal(shared, *command, "-o", "json", NO_COLOR="")) == at_rest(json_text)


def test_warnings_go_to_stderr(shared):
    plain = shared.vxtap("attach", "ids", "late0")
    assert plain.stdout == ""
    assert plain.stderr.startswith("warning: ") and "late0" in plain.stderr
    shared.vxtap("detach", "ids", "late0")
    done = shared.vxtap("attach", "ids", "late0", "-o", "json")
    assert done.stderr == plain.stderr
    assert [f"warning: {text}\n" for text in json.loads(done.stdout)["warnings"]] == [done.stderr]
    said = shared.apply({"sessions": [{**IDS, "sources": ["late1"]}]})
    assert "late1" in said.stderr and "late1" not in said.stdout


def test_changes_say_nothing(shared):
    for command in (["filter", "create", "new"], ["filter", "update", "new", "--group", "x"],
                    ["session", "stop", "ids"], ["filter", "delete", "new"]):
        done = shared.vxtap(*command)
        assert done.stdout == done.stderr == "", command


# Lists


def listed(shared, kind, *options):
    answer = json.loads(shared.vxtap(kind, "list", *options, "-o", "json").stdout)
    names = [entry["name"] for entry in answer[kind + "s"]]
    shown = shared.vxtap(kind, "list", *options).stdout
    assert [row[0] for row in table(shown)[1:]] == names
    return set(names)


@pytest.mark.parametrize("options,names", [
    ([], {"web", "dns", ODD}),
    (["--group", "noc"], {"web"}),
    (["--group", ""], {ODD}),
    (["--group", "no"], set()),
    (["--tag", "site=a"], {"web", "dns"}),
    (["--tag", "site=a", "--tag", "team=lab"], {"dns"}),
    (["--tag=team=noc", "--group=lab"], set()),
    (["--tag", "expression=x=y"], {"web"}),
    (["--tag", "site="], set()),
])
def test_filter_list(shared, options, names):
    assert listed(shared, "filter", *options) == names


@pytest.mark.parametrize("options,names", [
    ([], {"ids", "npm", ODD}),
    (["--group", "lab"], {"npm"}),
    (["--tag", "site=a"], {"ids", "npm"}),
    (["--tag", "site=a", "--tag", "team=noc"], {"ids"}),
    (["--filter", "web"], {"ids", ODD}),
    (["--filter", ODD], set()),
    (["--source", "eth0"], {"ids", "npm"}),
    (["--source", "src0"], {"npm"}),
    (["--source", "late0"], set()),
    (["--destination", "10.91.0.2"], {"ids", ODD}),
    (["--destination", "fd91:0::2"], {"npm"}),
    (["--enabled"], {"ids"}),
    (["--disabled"], {"npm", ODD}),
    (["--disabled", "--source", "eth0", "--group", "lab"], {"npm"}),
    (["--enabled", "--filter", "dns"], set()),
])
def test_session_list(shared, options, names):
    assert listed(shared, "session", *options) == names


# Changes


def changed(before, after):
    return {field: after[field] for field in before if before[field] != after[field]}


@pytest.mark.parametrize("options,change", [
    ([], {}),
    (["--description", "new"], {"description": "new"}),
    (["--description", ""], {"description": ""}),
    (["--group", "x"], {"group": "x"}),
    (["--tag", "site=b"], {"tags": {**WEB["tags"], "site": "b"}}),
    (["--tag", "new=1", "--tag", "empty="], {"tags": {**WEB["tags"], "new": "1", "empty": ""}}),
    (["--tag", "site"], {"tags": {"team": "noc", "expression": "x=y"}}),
    (["--tag", "nobody"], {}),
])
def test_filter_update(shared, options, change):
    before = get(shared, "filters", "web")
    shared.vxtap("filter", "update", "web", *options)
    assert changed(before, get(shared, "filters", "web")) == change


@pytest.mark.parametrize("options,change", [
    ([], {}),
    (["--filter", "dns"], {"filter": "dns"}),
    (["--source", "src0"], {"sources": ["src0"]}),
    (["--source", "eth0", "--source", "src0"], {"sources": ["eth0", "src0"]}),
    (["--destination", "fd91::2"], {"destination": "fd91::2"}),
    (["--vni", "0"], {"vni": 0}),
    (["--priority", "32766"], {"priority": 32766}),
    (["--packet-length", "64"], {"packet_length": 64}),
    (["--oversize", "fragment"], {"oversize": "fragment"}),
    (["--fall-through"], {"fall_through": True}),
    (["--no-fall-through"], {}),
    (["--disable"], {"enabled": False}),
    (["--enable"], {}),
    (["--description", ""], {"description": ""}),
    (["--group", "x"], {"group": "x"}),
    (["--tag", "site", "--tag", "new=1"], {"tags": {"team": "noc", "new": "1"}}),
])
def test_session_update(shared, options, change):
    before = get(shared, "sessions", "ids")
    shared.vxtap("session", "update", "ids", *options)
    after = changed(before, get(shared, "sessions", "ids"))
    for report in ("source_states", "notes"):  # follow from the rest
        after.pop(report, None)
    assert after == change


@pytest.mark.parametrize("options,change", [
    ([], {}),
    (["--policy", "ignore"], {"policy": "ignore"}),
    (["--protocol", "132"], {"protocol": "sctp"}),
    (["--source-cidr", "10.2.0.0/16"], {"source_cidr": "10.2.0.0/16"}),
    (["--destination-cidr", "10.2.0.0/16"], {"destination_cidr": "10.2.0.0/16"}),
    (["--source-port", "1/1"], {"source_port": "1/1"}),
    (["--destination-port", "-1/-1"], {"destination_port": "-1/-1"}),
])
def test_rule_update(shared, options, change):
    path = "/filters/web/rules/inbound/10"
    before = json.loads(api(shared, "GET", path))
    shared.vxtap("rule", "update", "web", "--direction", "inbound", "--priority", "10", *options)
    assert changed(before, json.loads(api(shared, "GET", path))) == change


def test_rule_moves(shared):
    before = get(shared, "filters", "web")["inbound"][0]
    shared.vxtap("rule", "update", "web", "--direction", "inbound", "--priority", "10",
                 "--new-priority", "11")
    assert get(shared, "filters", "web")["inbound"] == [{**before, "priority": 11}]


def test_attach_and_detach(shared):
    shared.vxtap("attach", "ids", "src0", "eth1")
    assert get(shared, "sessions", "ids")["sources"] == ["eth0", "src0", "eth1"]
    shared.vxtap("detach", "ids", "eth0", "src0")
    assert get(shared, "sessions", "ids")["sources"] == ["eth1"]


def test_options_in_front_of_the_name(shared):
    """One value for each time that an option is given: the next word is the name."""
    shared.vxtap("filter", "create", "--tag", "a=b", "new", "--group", "x")
    assert get(shared, "filters", "new")["tags"] == {"a": "b"}
    shared.vxtap("session", "create", "--source", "src0", "new", "--filter", "new",
                 "--destination", "10.91.0.2", "--priority", "9")
    assert get(shared, "sessions", "new")["sources"] == ["src0"]


# Exit codes


NEW_SESSION = ["session", "create", "new", "--filter", "web", "--destination", "10.91.0.2",
               "--priority", "9"]
RULE_10 = ["--direction", "inbound", "--priority", "10"]


@pytest.mark.parametrize("code,command,said", [
    (2, [], "subcommand"),
    (2, ["filter"], "subcommand"),
    (2, ["nonsense"], "nonsense"),
    (2, ["status", "extra"], "extra"),
    (2, ["status", "--nonsense"], "--nonsense"),
    (2, ["-o", "yaml", "status"], "yaml"),
    (2, ["filter", "create"], "NAME"),
    (2, ["filter", "create", "a/b"], "a/b"),
    (2, ["filter", "create", "http://a"], "http://a"),
    (2, ["filter", "create", "n" * 129], "1-128"),
    (2, ["filter", "create", "new", "--tag", "aliyun=1"], "aliyun"),
    (2, ["filter", "list", "--tag", "team"], "key=value"),
    (2, ["rule", "add", "web", "--direction", "up", "--priority", "1"], "up"),
    (2, ["rule", "add", "web", "--direction", "inbound", "--priority", "1"], "policy"),
    (2, ["rule", "add", "web", "--direction", "inbound", "--priority", "0", "--policy", "ignore"],
     "1 to 16777216"),
    (2, ["rule", "update", "web", *RULE_10, "--source-cidr", "10.0.0.1/8"], "10.0.0.0/8"),
    (2, ["rule", "update", "web", *RULE_10, "--protocol", "icmp"], "port"),
    (2, ["session", "create", "new", "--filter", "web"], "destination"),
    (2, [*NEW_SESSION[:-1], "many"], "many"),
    (2, [*NEW_SESSION, "--vni", "16777216"], "0 to 16777215"),
    (2, [*NEW_SESSION, "--packet-length", "63"], "64 to 8500"),
    (2, [*NEW_SESSION, "--source", "a b"], "a b"),
    (2, ["session", "update", "ids", "--filter", "nobody"], "existing filter"),
    (2, ["session", "list", "--destination", "here"], "here"),
    (2, ["attach", "ids"], "IF"),
    (2, ["stats", "--watch", "0"], "--watch"),
    (2, ["explain", "--interface", "eth0", "--direction", "inbound"], "protocol"),
    (2, [*EXPLAIN, "--pcap", "/nowhere"], "--pcap"),
    (2, ["apply", "-f", "/nowhere"], "/nowhere"),
    (2, ["apply", "-f", "/dev/null"], ""),
    (4, ["filter", "show", "nobody"], "nobody"),
    (4, ["filter", "update", "nobody", "--group", "x"], "nobody"),
    (4, ["filter", "delete", "nobody"], "nobody"),
    (4, ["rule", "list", "nobody"], "nobody"),
    (4, ["rule", "add", "nobody", *RULE_10, "--policy", "ignore"], "nobody"),
    (4, ["rule", "update", "dns", *RULE_10, "--policy", "ignore"], "10"),
    (4, ["rule", "delete", "dns", *RULE_10], "10"),
    (4, ["session", "show", "nobody"], "nobody"),
    (4, ["session", "update", "nobody", "--group", "x"], "nobody"),
    (4, ["session", "delete", "nobody"], "nobody"),
    (4, ["session", "start", "nobody"], "nobody"),
    (4, ["session", "stop", "nobody"], "nobody"),
    (4, ["attach", "nobody", "eth0"], "nobody"),
    (4, ["detach", "ids", "src0"], "src0"),
    (4, ["stats", "nobody"], "nobody"),
    (4, ["explain", "--interface", "late0", *EXPLAIN[3:]], "late0"),
    (5, ["filter", "create", "web"], "web"),
    (5, ["filter", "delete", "web"], "ids"),
    (5, ["filter", "update", "web", "--group", "x", "--if-match", '"old"'], "old"),
    (5, ["rule", "add", "web", *RULE_10, "--policy", "ignore"], "10"),
    (5, ["rule", "update", "web", "--direction", "outbound", "--priority", "10", "--new-priority",
         "200000"], "200000"),
    (5, ["session", "create", "ids", *NEW_SESSION[3:]], "ids"),
    (5, [*NEW_SESSION[:-1], "1"], "ids"),
    (5, ["session", "update", "npm", "--priority", "1"], "ids"),
    (5, ["session", "update", "ids", "--destination", "10.91.0.1", "--source", "und0"], "und0"),
], ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else None)
def test_refused(shared, code, command, said):
    """The exit code; a message on stderr that names what is wrong; nothing changed."""
    before = shared.vxtap("export").stdout
    done = shared.vxtap(*command, check=False)
    assert done.returncode == code, done.stderr
    assert said in done.stderr and done.stderr.strip() and done.stdout == ""
    assert len(done.stderr.splitlines()) <= 2
    assert shared.vxtap("export").stdout == before


@pytest.mark.parametrize("command", [
    ["filter", "show", ""], ["filter", "update", "", "--group", "x"], ["filter", "delete", ""],
    ["rule", "list", ""], ["session", "show", ""], ["session", "delete", ""],
    ["session", "start", ""], ["attach", "", "eth0"]], ids=" ".join)
def test_empty_name(shared, command):
    """A variable of a script that is not set: the mistake is the user's, and is named."""
    done = shared.vxtap(*command, check=False)
    assert done.returncode in (2, 4) and done.stdout == ""
    assert re.search("name|filter|session", done.stderr.lower())


@pytest.mark.parametrize("path", ["/nowhere/sock", "/" + "x" * 200, "/etc/passwd", "/etc"])
def test_not_reachable(path):
    for command in (["status"], ["export"], ["filter", "list", "-o", "json"]):
        done = run(VXTAP, "--socket", path, *command, check=False)
        assert done.returncode == 3 and done.stdout == ""
        assert path in done.stderr and len(done.stderr.splitlines()) == 1


def http_answer(status, body):
    return (f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()


@pytest.mark.parametrize("answer", [
    b"",
    b"nonsense\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
    http_answer("200 OK", "not JSON"),
    http_answer("200 OK", "{}"),
    http_answer("200 OK", "[]"),
    http_answer("500 Internal Server Error", '{"error": {"code": "Internal", "message": "why"}}'),
    http_answer("500 Internal Server Error", "not JSON"),
    http_answer("302 Found", "{}"),
])
def test_daemon_failed(tmp_path, answer):
    """Whatever the other side answers, it is said in one line."""
    path = str(tmp_path / "sock")
    with socket.create_server(path, family=socket.AF_UNIX) as server:
        def serve():
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        done = run(VXTAP, "--socket", path, "filter", "list", check=False)
        thread.join()
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("vxtap: ") and len(done.stderr.splitlines()) == 1


def test_full_disk(shared):
    """What could not be written was not done."""
    with open("/dev/full", "w") as full:
        done = subprocess.run([VXTAP, "--socket", shared.socket, "export"], stdout=full,
                              stderr=subprocess.PIPE, text=True)
    assert done.returncode != 0 and done.stderr
