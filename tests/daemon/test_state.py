"""The state on disk: damaged, too new, too old, in use, not writable, and on a full disk."""

import json
import os
import random
import shutil
import signal
import sqlite3
import zlib
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from lab import BIN, HOST, run
from client import Api

EMPTY = {"filters": [], "sessions": []}
SCHEMA_VERSION = range(60, 64)  # in the header of a database: sqlite.org/fileformat.html §1.3
UDP = '{"priority": 1, "policy": "collect", "protocol": "udp"}'


def rules(count):
    return [{"priority": n + 1, "policy": "collect", "source_cidr": f"10.{n % 256}.0.0/16"}
            for n in range(count)]


def database(lab):
    return Path(lab.state, "vxtap.db")


def kept_aside(lab):
    return [path for path in Path(lab.state).glob("vxtap.db.damaged-*") if path.name[-4:] != "-wal"]


def export(lab):
    return json.loads(lab.vxtap("export").stdout)


def status(lab):
    return json.loads(lab.vxtap("status", "-o", "json").stdout)


def execute(file, *statements):
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def fill_state(lab, stop_signal=signal.SIGTERM):
    """Leaves a state of several filters, one of them large, and a stopped daemon. Gives what it
    exported."""
    lab.start_daemon()
    document = lab.document(UDP, vni="auto")
    document["filters"] += [{"name": f"f{i}", "inbound": rules(3)} for i in range(10)]
    document["filters"].append({"name": "large", "inbound": rules(1000)})
    lab.apply(document)
    exported = export(lab)
    lab.daemon.stop(stop_signal)
    return exported


def refused(lab, *command):
    """The one sentence of a daemon that does not start."""
    done = run(*(command or daemon_command(lab)), check=False)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


def daemon_command(lab, role="host", name="other.sock"):
    return lab.command(role, str(BIN / "vxtapd"), "--socket", str(lab.path / name), "--state-dir",
                       lab.state)


# Damage: each changes the file of a database.


def flip_the_middle(file):
    data = bytearray(file.read_bytes())
    middle = len(data) // 2
    data[middle:middle + 4] = bytes(byte ^ 0xFF for byte in data[middle:middle + 4])
    file.write_bytes(data)


def truncate(file):
    os.truncate(file, file.stat().st_size // 2)


def truncate_to_nothing(file):
    os.truncate(file, 0)


def put_garbage(file):
    file.write_bytes(random.Random(1).randbytes(20000))


def change_a_row(file):
    execute(file, "UPDATE filters SET body = replace(body, 'collect', 'ignore') WHERE name = 'f'")


def change_a_body_and_its_checksum(file):
    body = '{"name": "f", "colour": "red"}'
    checksum = zlib.crc32(("f" + body).encode())
    execute(file, f"UPDATE filters SET body = '{body}', checksum = {checksum} WHERE name = 'f'")


def remove_the_filter_of_a_session(file):
    execute(file, "DELETE FROM filters WHERE name = 'f'")


def rename_a_table(file):
    execute(file, "ALTER TABLE filters RENAME TO gilters")


def change_the_index(file):
    """The row of that name is there, but is not found by its name any more."""
    with closing(sqlite3.connect(file)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE tbl_name = 'filters'"
                                     " AND type = 'index'").fetchone()
    data, start = file.read_bytes(), (page - 1) * size
    place = data.index(b"large", start, start + size)
    file.write_bytes(data[:place] + b"largf" + data[place + 5:])


@pytest.mark.parametrize("damage", [
    flip_the_middle, truncate, truncate_to_nothing, put_garbage, change_a_row,
    change_a_body_and_its_checksum, remove_the_filter_of_a_session, rename_a_table,
    change_the_index])
def test_damage(lab, damage):
    fill_state(lab)
    damage(database(lab))
    damaged = database(lab).read_bytes()

    daemon = lab.start_daemon()
    (aside,) = kept_aside(lab)
    assert aside.read_bytes() == damaged
    assert "damaged" in daemon.log.read_text() and str(aside) in daemon.log.read_text()
    assert export(lab) == EMPTY

    # It is told until somebody has looked after it, and nothing else stands in the way.
    lab.apply(lab.document(UDP))
    exported = export(lab)
    daemon.stop()
    lab.start_daemon()
    assert export(lab) == exported
    shown = status(lab)
    assert not shown["healthy"] and any(str(aside) in problem for problem in shown["problems"])
    assert str(aside) in lab.vxtap("status").stdout
    aside.unlink()
    assert status(lab)["problems"] == []


@pytest.mark.parametrize("stop_signal", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_any_flipped_bit(lab, stop_signal):
    """Wherever it is: all that was there is found, and can be deleted for good, or the damage is
    reported."""
    exported = fill_state(lab, stop_signal)
    state = Path(lab.state)
    files = {path.name: path.read_bytes() for path in state.iterdir()}
    seed = int(os.environ.get("VXTAP_SEED", random.randrange(1 << 32)))
    print("VXTAP_SEED", seed)
    rng = random.Random(seed)
    for _ in range(25):
        shutil.rmtree(state)
        state.mkdir()
        name = rng.choice(sorted(name for name, data in files.items() if data))
        data = bytearray(files[name])
        place = rng.choice([place for place, byte in enumerate(data)
                            if byte and place not in SCHEMA_VERSION])
        data[place] ^= 1 << rng.randrange(8)
        for file, content in {**files, name: data}.items():
            (state / file).write_bytes(content)
        daemon = lab.start_daemon()
        if not kept_aside(lab):
            assert export(lab) == exported, (name, place)
            lab.apply(EMPTY, "--prune")
            daemon.stop(signal.SIGKILL)
            daemon = lab.start_daemon()
            assert export(lab) == EMPTY, (name, place)
        daemon.stop(signal.SIGKILL)


def test_damaged_twice(lab):
    fill_state(lab)
    contents = [random.Random(i).randbytes(9000) for i in range(3)]
    for content in contents:
        database(lab).write_bytes(content)
        lab.start_daemon().stop()
    assert sorted(path.read_bytes() for path in kept_aside(lab)) == sorted(contents)


def test_newer_schema(lab):
    fill_state(lab)
    execute(database(lab), "PRAGMA user_version = 99")
    before = database(lab).read_bytes()
    said = refused(lab)
    assert "newer" in said and "99" in said and lab.state in said
    assert database(lab).read_bytes() == before
    assert [path.name for path in Path(lab.state).iterdir()] == ["vxtap.db"]


def test_older_schema(lab):
    exported = fill_state(lab)
    database(lab).unlink()
    table = "(name TEXT PRIMARY KEY, body TEXT NOT NULL, checksum INTEGER NOT NULL)"
    execute(database(lab), f"CREATE TABLE filters {table}", f"CREATE TABLE sessions {table}",
            "PRAGMA user_version = 1")
    with closing(sqlite3.connect(database(lab))) as connection, connection:
        for kind in ("filters", "sessions"):
            for item in exported[kind]:
                name, body = item["name"], json.dumps(item)
                connection.execute(f"INSERT INTO {kind} VALUES (?, ?, ?)",
                                   (name, body, zlib.crc32((name + body).encode())))
    lab.start_daemon()
    assert export(lab) == exported and status(lab)["problems"] == []
    lab.daemon.stop()
    with closing(sqlite3.connect(database(lab))) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] > 1
    lab.start_daemon()
    assert export(lab) == exported


def test_in_use(lab):
    lab.start_daemon()
    lab.apply(lab.document(UDP))
    exported = export(lab)
    assert "another vxtapd" in refused(lab, *daemon_command(lab, "client"))
    lab.apply(lab.document(UDP, priority=2))
    assert export(lab) != exported
    lab.daemon.stop(signal.SIGKILL)
    lab.start_daemon()


def test_file_in_its_place(lab):
    Path(lab.state).write_text("not a directory")
    assert lab.state in refused(lab)
    assert Path(lab.state).read_text() == "not a directory"


@contextmanager
def mounted(directory, *options):
    Path(directory).mkdir(exist_ok=True)
    run("mount", *options, directory)
    try:
        yield
    finally:
        run("umount", "--lazy", directory)


@pytest.mark.parametrize("filled", [False, True], ids=["empty", "filled"])
def test_read_only(lab, filled):
    exported = fill_state(lab) if filled else EMPTY
    with mounted(lab.state, "-o", "bind,ro", lab.state):
        assert lab.state in refused(lab)
    lab.start_daemon()
    assert export(lab) == exported and status(lab)["problems"] == []


def test_acknowledged_is_on_disk(mirror):
    """The daemon has no moment after its answer."""
    api = Api(mirror.socket)
    names = []
    for number in range(10):
        names.append(f"f{number}")
        api.do("POST", "/v1/filters", {"name": names[-1], "inbound": rules(3)})
        mirror.daemon.stop(signal.SIGKILL)
        api.close()
        mirror.start_daemon()
        assert [f["name"] for f in export(mirror)["filters"]] == names


def test_full_disk(lab):
    """A change that cannot be kept is refused, and everything else goes on as it was."""
    with mounted(lab.state, "-t", "tmpfs", "-o", "size=2m", "tmpfs"):
        lab.start_daemon()
        lab.apply(lab.document(UDP))
        exported = export(lab)
        api = Api(lab.socket)
        large = {"name": "large", "inbound": rules(1000), "outbound": rules(1000)}
        filler = Path(lab.state, "filler")
        with open(filler, "wb", buffering=0) as file, pytest.raises(OSError):
            while True:
                file.write(b"x" * 4096)

        for method, path, body in (("POST", "/v1/filters", large),
                                   ("PUT", "/v1/config?prune=1", {"filters": [large]})):
            code, answer = api.ask(method, path, body)
            assert code == 500 and answer["error"]["code"] == "StateNotWritten"
            assert export(lab) == exported
        lab.udp(HOST, "5353", "5", "64")
        assert lab.session()["totals"]["mirrored_packets"] == 5
        for stop_signal in (signal.SIGKILL, signal.SIGTERM):
            lab.daemon.stop(stop_signal)
            lab.start_daemon()
            assert export(lab) == exported

        filler.unlink()
        api = Api(lab.socket)
        api.do("POST", "/v1/filters", large)
        grown = export(lab)
        assert [f["name"] for f in grown["filters"]] == ["f", "large"]
        lab.daemon.stop(signal.SIGKILL)
        lab.start_daemon()
        assert export(lab) == grown and status(lab)["problems"] == []
        lab.daemon.stop()
