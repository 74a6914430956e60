"""Several clients at once: those that want the same, those that ask again, and those that are slow,
silent or broken. What cannot be done changes nothing."""

import http.client
import json
import signal
import socket
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from api import CheckedApi
from lab import BIN, COLLECTOR, HOST

RULE = {"priority": 10, "policy": "collect", "protocol": "tcp", "destination_port": "443/443"}
SESSION = {"name": "ids", "filter": "web", "sources": ["src0"], "destination": COLLECTOR, "vni": 42,
           "priority": 1, "enabled": True}
BASE = {"filters": [{"name": "web", "inbound": [RULE]}], "sessions": [SESSION]}
CONFIG, FILTERS, SESSIONS = "/v1/config", "/v1/filters", "/v1/sessions"
WEB, IDS = f"{FILTERS}/web", f"{SESSIONS}/ids"

LONGEST_HEADER, LONGEST_BODY, LONGEST_DOCUMENT = 8 << 10, 4 << 20, 64 << 20  # bytes
MOST_CONNECTIONS = 128
SOON = 5  # seconds; an answer takes some milliseconds, and the server gives up a client after 30


@pytest.fixture
def api(mirror):
    api = CheckedApi(mirror.socket)
    api.do("PUT", CONFIG, BASE)
    yield api
    api.close()


def rules(count):
    return [{**RULE, "priority": priority} for priority in range(1, count + 1)]


def in_threads(count, work):
    """Runs work(0), work(1) … at the same time; what they give."""
    gate = threading.Barrier(count)
    with ThreadPoolExecutor(count) as pool:
        return [*pool.map(lambda number: gate.wait() >= 0 and work(number), range(count))]


# Two operators.


@pytest.mark.parametrize("method,path,first,second", [
    ("PATCH", WEB, {"description": "first"}, {"description": "second"}),
    ("PATCH", WEB, {"inbound": []}, {"tags": {"a": "b"}}),
    ("PATCH", f"{WEB}/rules/inbound/10", {"policy": "ignore"}, {"protocol": "udp"}),
    ("PATCH", IDS, {"sources": []}, {"packet_length": 64}),
    ("PUT", CONFIG, {"sessions": [{**SESSION, "vni": 43}]}, {"filters": [{"name": "other"}]})])
def test_second_operator(api, method, path, first, second):
    """Both have read the same; the change that comes later is refused until it is made anew."""
    read = api.call("GET", path)
    etag = read.headers["ETag"]
    assert api.call(method, path, first, if_match=etag).status == 200
    changed = api.do("GET", CONFIG)
    error = api.refused(412, "PreconditionFailed", method, path, second, if_match=etag)
    assert api.do("GET", CONFIG) == changed
    now = api.call("GET", path)
    assert now.body != read.body and now.headers["ETag"] in error["message"]
    assert (error["field"], error["value"]) == ("If-Match", etag)
    assert api.call(method, path, second, if_match=now.headers["ETag"]).status == 200


@pytest.mark.parametrize("method,path", [
    ("DELETE", IDS), ("POST", f"{IDS}/stop"), ("POST", f"{IDS}/start"),
    ("DELETE", f"{IDS}/sources/src0"), ("POST", f"{IDS}/sources/lo"),
    ("DELETE", f"{WEB}/rules/inbound/10")])
def test_stale_step(api, method, path):
    """A change of another kind by the other operator counts as well."""
    owner = path if "rules" in path else IDS
    stale = api.call("GET", owner).headers["ETag"]
    fields = {"policy": "ignore"} if "rules" in path else {"description": "somebody was here"}
    answer = api.call("PATCH", owner, fields)
    changed = api.do("GET", CONFIG)
    api.refused(412, "PreconditionFailed", method, path, if_match=stale)
    assert api.do("GET", CONFIG) == changed
    assert api.call(method, path, if_match=answer.headers["ETag"]).status in (200, 204)


def test_if_match(mirror, api):
    """RFC 9110 §13.1.1: a list, any, and a strong comparison."""
    etag = api.call("GET", WEB).headers["ETag"]
    for good in ("*", etag, f'"x", {etag}', f'{etag},"x"', f'W/"x" ,\t{etag} ,'):
        assert api.call("PATCH", WEB, {"group": ""}, if_match=good).status == 200
    for bad in ('"x"', f"W/{etag}", f'W/{etag}, "x"', etag.strip('"'), f"x{etag}", f'{etag} "x"',
                f'"{etag}"', '"*"', ""):
        api.refused(412, "PreconditionFailed", "PATCH", WEB, {"group": ""}, if_match=bad)
    request = (f'PATCH {WEB} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nIf-Match: "x"\r\n'
               f'If-Match: {etag}\r\nContent-Length: 2\r\n\r\n{{}}')
    assert spoken(mirror, request.encode()).startswith(b"HTTP/1.1 200 ")
    api.refused(404, "FilterNotFound", "PATCH", f"{FILTERS}/nosuch", {}, if_match="*")


def test_etag_names_the_object(mirror, api):
    """The same over a restart and after a change and its opposite; that of one object does not
    depend on others."""
    def tags():
        return [api.call("GET", path).headers["ETag"] for path in (WEB, IDS, CONFIG)]

    before = tags()
    api.do("PATCH", WEB, {"description": "x"})
    assert [now == then for now, then in zip(tags(), before)] == [False, True, False]
    api.do("PATCH", WEB, {"description": None})
    mirror.daemon.stop(signal.SIGKILL)
    mirror.start_daemon()
    api.close()
    assert tags() == before


def test_no_update_is_lost(mirror, api):
    """Several clients read, add a rule to what they read, and write that, at the same time."""
    clients, each = 4, 10

    def add(number):
        mine = CheckedApi(mirror.socket)
        for index in range(each):
            added, status = {**RULE, "priority": 100 + number * each + index}, 412
            while status == 412:
                read = mine.call("GET", WEB)
                changed = {"inbound": [*read.body["inbound"], added]}
                status = mine.call("PATCH", WEB, changed, if_match=read.headers["ETag"]).status
            assert status == 200

    in_threads(clients, add)
    kept = [rule["priority"] for rule in api.do("GET", WEB)["inbound"]]
    assert kept == [10, *range(100, 100 + clients * each)]


# Sending again.

POSTS = [(FILTERS, {"name": "dns", "tags": {"a": "b"}}),
         (f"{WEB}/rules", {**RULE, "direction": "outbound"}),
         (SESSIONS, {**SESSION, "name": "new", "vni": "auto", "priority": 2, "sources": ["late0"]}),
         (f"{IDS}/stop", None), (f"{IDS}/start", None), (f"{IDS}/attach", {"sources": ["lo"]}),
         (f"{IDS}/detach", {"sources": ["lo"]}), (f"{IDS}/sources/late0", None)]


def same_again(api, path, body, first):
    """Sends the request once more; the answer must be the first one, and nothing may change."""
    before = api.do("GET", CONFIG)
    again = api.call("POST", path, body, idempotency_key=path)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (again.status, again.body) == (first.status, first.body)
    for name in ("ETag", "Location", "Content-Type"):
        assert again.headers[name] == first.headers[name]
    assert api.do("GET", CONFIG) == before


def test_same_request_again(mirror, api):
    """It gets the answer that it got, also after others, and after a kill and a restart."""
    firsts = []
    for path, body in POSTS:
        first = api.call("POST", path, body, idempotency_key=path)
        assert first.status in (200, 201) and "Idempotency-Replayed" not in first.headers
        same_again(api, path, body, first)
        firsts.append(first)
    api.do("DELETE", f"{FILTERS}/dns")  # and is not made anew by what follows
    for attempt in range(2):
        for (path, body), first in zip(POSTS, firsts):
            same_again(api, path, body, first)
            error = api.refused(409, "IdempotencyKeyReused", "POST", path, {"other": attempt},
                                idempotency_key=path)
            assert (error["field"], error["value"]) == ("Idempotency-Key", path)
        mirror.daemon.stop(signal.SIGKILL)
        mirror.start_daemon()
        api.close()


def test_answers_of_an_older_version(mirror, api):
    """They were kept without their headers, and are given as they were kept."""
    first = api.call("POST", f"{IDS}/stop", idempotency_key="k")
    assert mirror.daemon.stop() == 0
    with closing(sqlite3.connect(Path(mirror.state) / "vxtap.db")) as database:
        database.executescript("ALTER TABLE answers DROP COLUMN headers; DROP TABLE counters;"
                               "PRAGMA user_version = 2")
    mirror.start_daemon()
    with connected(mirror) as client:
        head = f"POST {IDS}/stop HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\n\r\n"
        client.sendall(head.encode())
        again = response(client)
        assert (again.status, json.loads(again.read())) == (200, first.body)
        assert again.headers["Idempotency-Replayed"] == "true" and "ETag" not in again.headers


def test_keys_are_of_requests(api):
    """Another path or body is another request. Without a key everything is done anew."""
    key = {"idempotency_key": "k" * 255}
    api.call("POST", f"{IDS}/stop", **key)
    for path, body in ((f"{IDS}/start", None), (f"{IDS}/stop", {}), (FILTERS, {"name": "x"})):
        api.refused(409, "IdempotencyKeyReused", "POST", path, body, **key)
    api.refused(409, "IdempotencyKeyReused", "POST", "/v1/explain", {}, **key)
    assert "Idempotency-Replayed" not in api.call("POST", f"{IDS}/stop").headers


def test_refusals_are_not_kept(api):
    """What was refused may succeed later, with the same key."""
    session = {**SESSION, "name": "new", "filter": "later", "priority": 2}
    api.refused(400, "UnknownFilter", "POST", SESSIONS, session, idempotency_key="k")
    api.do("POST", FILTERS, {"name": "later"})
    assert api.call("POST", SESSIONS, session, idempotency_key="k").status == 201


def test_same_request_at_the_same_time(mirror, api):
    body = {**SESSION, "name": "new", "vni": "auto", "priority": 2}
    answers = in_threads(8, lambda _: CheckedApi(mirror.socket).call("POST", SESSIONS, body,
                                                                     idempotency_key="k"))
    assert [answer.status for answer in answers] == [201] * 8
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    assert {answer.body["vni"] for answer in answers} == {api.do("GET", f"{SESSIONS}/new")["vni"]}


def test_same_name_at_the_same_time(mirror, api):
    """Without a key one of them makes it, and the others hear that it is there."""
    answers = in_threads(8, lambda n: CheckedApi(mirror.socket).call("POST", FILTERS, {
        "name": "new", "description": str(n)}))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 7
    [made] = [answer.body["description"] for answer in answers if answer.status == 201]
    assert api.do("GET", f"{FILTERS}/new")["description"] == made


def test_last_thousand_answers(api):
    """So many are kept, those of the last changes."""
    for number in range(1001):
        api.call("POST", f"{IDS}/start", idempotency_key=f"key {number}")
    for number, kept in ((0, False), (2, True), (1000, True)):
        headers = api.call("POST", f"{IDS}/start", idempotency_key=f"key {number}").headers
        assert ("Idempotency-Replayed" in headers) == kept, number


# Trying first.


@pytest.mark.parametrize("query", ["", "&prune=1"])
def test_dry_run(api, query):
    """It says what would be done, warnings included, and does nothing."""
    document = {"filters": [{"name": "dns"}], "sessions": [
        {**SESSION, "name": "other", "filter": "dns", "priority": 2, "sources": ["late0"]}]}
    before, stats = api.do("GET", CONFIG), api.do("GET", "/v1/stats")
    said = api.do("PUT", f"{CONFIG}?dry_run=1{query}", document)
    assert (api.do("GET", CONFIG), api.do("GET", "/v1/stats")) == (before, stats)
    done = api.do("PUT", f"{CONFIG}?dry_run=0{query}", document)
    assert said == {**done, "dry_run": True} and done["dry_run"] is False
    assert {"action": "create", "kind": "session", "name": "other"} in done["changes"]
    assert any("late0" in warning and "pending" in warning for warning in done["warnings"])
    document["sessions"][0]["sources"] = ["src0"]
    said = api.do("PUT", f"{CONFIG}?dry_run=1{query}", document)
    assert said == {**api.do("PUT", f"{CONFIG}?{query}", document), "dry_run": True}
    assert not any("late0" in warning for warning in said["warnings"])


def test_dry_run_refuses(api):
    """Just what would be refused."""
    before = api.do("GET", CONFIG)
    for status, code, wrong in ((409, "SourceIsDestination", {"destination": HOST}),
                                (409, "PriorityTaken", {"name": "other"}),
                                (400, "OwnDevice", {"sources": ["vxtap0"]})):
        for query in ("?dry_run=1", ""):
            api.refused(status, code, "PUT", CONFIG + query, {"sessions": [{**SESSION, **wrong}]})
    assert api.do("GET", CONFIG) == before


# Requests are bounded.


def connected(mirror):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(SOON)
    client.connect(mirror.socket)
    return client


def spoken(mirror, request):
    """All that the server says to these bytes until it closes."""
    with connected(mirror) as client:
        try:
            client.sendall(request)
        except BrokenPipeError:
            pass  # it has heard enough
        answer = b""
        try:
            while data := client.recv(65536):
                answer += data
        except ConnectionResetError:
            pass  # it has not read everything
        return answer


def response(client):
    """The answer that a client reads now; its body is still to be read."""
    answer = http.client.HTTPResponse(client)
    answer.begin()
    return answer


def code_of(answer):
    return json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"]


def quick(mirror):
    """Asks as a new client; the answer must come soon."""
    begin = time.monotonic()
    api = CheckedApi(mirror.socket)
    answer = api.call("GET", IDS)
    api.close()
    assert time.monotonic() - begin < SOON
    return answer


@pytest.mark.parametrize("method,path,longest", [
    ("POST", FILTERS, LONGEST_BODY), ("PATCH", IDS, LONGEST_BODY), ("DELETE", IDS, LONGEST_BODY),
    ("PUT", CONFIG, LONGEST_DOCUMENT)])
def test_body_limit(mirror, api, method, path, longest):
    before = api.do("GET", CONFIG)
    api.refused(413, "TooLarge", method, path, bytes(longest + 1))
    api.refused(413, "TooLarge", method, path, content_length=str(1 << 62))  # and nothing comes
    code = "UnexpectedBody" if method == "DELETE" else "MalformedJson"
    api.refused(400, code, method, path, b" " * longest)
    chunk = b"%x\r\n" % (1 << 20) + bytes(1 << 20) + b"\r\n"
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    answer = spoken(mirror, head + chunk * ((longest >> 20) + 1) + b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ") and code_of(answer) == "TooLarge"
    assert api.do("GET", CONFIG) == before


def test_chunked_body(mirror, api):
    """Is one like others."""
    body = b'{"description": "in pieces"}'
    pieces = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    head = (b"PATCH /v1/filters/web HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n")
    assert spoken(mirror, head + pieces).startswith(b"HTTP/1.1 200 ")
    assert api.do("GET", WEB)["description"] == "in pieces"


@pytest.mark.parametrize("text", [
    b"hello\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40),
    b"GET /v1\r\n\r\n", b"GET /v1 HTTP/9.9\r\n\r\n", b"GET  HTTP/1.1\r\n\r\n",
    b"GET /v1 HTTP/1.1\r\nNo colon\r\n\r\n",
    b"G\0T /v1 HTTP/1.1\r\n\r\n", b"GET /v1/\xff HTTP/1.1\r\nA: \x00\r\n\r\n",
    b"POST /v1/filters HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST /v1/filters HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /v1/filters HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}}",
    b"POST /v1/filters HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
    b"POST /v1/filters HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"],
    ids=lambda text: repr(text[:60]))
def test_malformed_http(mirror, api, text):
    answer = spoken(mirror, text)
    assert answer.startswith(b"HTTP/1.1 400 ") and code_of(answer) == "MalformedRequest"
    assert quick(mirror).status == 200


@pytest.mark.parametrize("text", [
    b"GET /v1 HTTP/1.1\r\nX: %s\r\n\r\n", b"GET /%s HTTP/1.1\r\n\r\n", b"GET /v1?%s",
    b"GET /v1 HTTP/1.1\r\nA: b\r\n%s"], ids=repr)
def test_header_limit(mirror, api, text):
    """Has an answer of its own, wherever the length is, also before the header has ended."""
    filler = b"A: b\r\n" * 5000 if text.endswith(b"\n%s") else b"x" * 10000
    answer = spoken(mirror, text % filler)
    assert answer.startswith(b"HTTP/1.1 431 ") and code_of(answer) == "HeaderTooLong"
    assert str(LONGEST_HEADER).encode() in answer
    assert quick(mirror).status == 200


@pytest.mark.parametrize("text", [
    b"GET /v1/filters?group=x HTTP/1.1\r\nConnection: close\r\nX: %s\r\n\r\n",
    b"GET /v1/filters?group=%s HTTP/1.1\r\nConnection: close\r\n\r\n"], ids=repr)
def test_longest_header(mirror, api, text):
    filler = b"x" * (LONGEST_HEADER - len(text % b""))
    assert spoken(mirror, text % filler).startswith(b"HTTP/1.1 200 ")


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize("expectation", ["100-continue", "100-Continue"])
@pytest.mark.parametrize("length,body", [
    ("Content-Length: 2", b"{}"), ("Transfer-Encoding: chunked", b"2\r\n{}\r\n0\r\n\r\n")])
def test_expectation(mirror, api, expectation, length, body):
    """RFC 9110 §10.1.1: a client that asks whether its body is welcome hears so at once."""
    with connected(mirror) as client:
        for _ in range(2):
            client.sendall(f"PATCH {WEB} HTTP/1.1\r\nHost: x\r\nExpect: {expectation}\r\n"
                           f"{length}\r\n\r\n".encode())
            assert client.recv(65536) == CONTINUE
            client.sendall(body)
            answer = response(client)
            assert answer.status == 200 and json.loads(answer.read())["name"] == "web"


@pytest.mark.parametrize("head,status", [
    (f"PATCH {WEB} HTTP/1.1\r\nContent-Length: {LONGEST_BODY + 1}", 413),
    (f"PATCH {WEB}% HTTP/1.1\r\nContent-Length: 2", 400),
    (f"GET {WEB} HTTP/1.1", 200), (f"POST {IDS}/stop HTTP/1.1\r\nContent-Length: 0", 200)])
def test_expectation_without_need(mirror, api, head, status):
    """Where no body is wanted, or none comes, there is the answer only."""
    request = f"{head}\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n"
    assert spoken(mirror, request.encode()).startswith(b"HTTP/1.1 %d " % status)


def test_expectation_of_an_old_client(mirror, api):
    """HTTP/1.0 has no 100."""
    request = f"PATCH {WEB} HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{{}}"
    assert spoken(mirror, request.encode()).startswith(b"HTTP/1.0 200 ")


@pytest.mark.parametrize("path,body", [
    (FILTERS, b'{"name": %s}'), (WEB, b'{"description": %s}'), (CONFIG, b'{"filters": %s}'),
    ("/v1/explain", b'{"interface": %s}')])
def test_deep_nesting(mirror, api, path, body):
    """However deep, it is refused and kills nobody."""
    method = {WEB: "PATCH", CONFIG: "PUT"}.get(path, "POST")
    for opened, closed in ((b"[", b"]"), (b'{"a":', b"}")):
        deep = 600000
        answer = api.call(method, path, body % (opened * deep + b"1" + closed * deep))
        assert answer.status == 400
    assert mirror.daemon.popen.poll() is None


def test_head_has_no_body(mirror, api):
    """RFC 9110 §9.3.2: also where it is refused, or the next answer could not be found."""
    both = b"".join(f"{method} {FILTERS} HTTP/1.1\r\nHost: x\r\n{more}\r\n".encode()
                    for method, more in (("HEAD", ""), ("GET", "Connection: close\r\n")))
    head, _, rest = spoken(mirror, both).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 405 ") and b"\r\nAllow: GET, POST\r\n" in head + b"\r\n"
    assert rest.startswith(b"HTTP/1.1 200 ")
    for path, more, status in (("/v1/nosuch", "", 404), (f"{WEB}%", "", 400),
                               (WEB, f"A: {'b' * 9000}\r\n", 431)):
        request = f"HEAD {path} HTTP/1.1\r\nConnection: close\r\n{more}\r\n"
        answer = spoken(mirror, request.encode())
        assert answer.startswith(b"HTTP/1.1 %d " % status) and answer.endswith(b"\r\n\r\n")
        assert b"Content-Length: 0\r\n" not in answer


def test_requests_in_a_row(mirror, api):
    """A client may send the next ones before it has the answers; they come in order."""
    paths = [IDS, WEB, "/v1/nosuch", IDS]
    requests = "".join(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n" for path in paths)
    last = "GET /v1/filters HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answers = spoken(mirror, (requests + last).encode()).split(b"HTTP/1.1 ")[1:]
    assert [int(answer[:3]) for answer in answers] == [200, 200, 404, 200, 200]


class Trickle(threading.Thread):
    """Clients that send a byte of their request now and then."""

    def __init__(self, clients):
        super().__init__()
        self.clients, self.stopped = clients, threading.Event()

    def run(self):
        while not self.stopped.wait(0.1):
            for client in self.clients:
                try:
                    client.send(b"x")
                except (BrokenPipeError, ConnectionResetError):
                    pass  # it was closed for one that came later


def unread(mirror, path):
    """A client whose answer has begun, is too large for the socket, and is not read."""
    client = connected(mirror)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert client.recv(1, socket.MSG_PEEK) == b"H"
    return client


def test_slow_clients(mirror, api):
    """200 of them, of all kinds, delay nobody."""
    api.do("PATCH", WEB, {"inbound": rules(1000), "outbound": rules(1000)})
    silent = [connected(mirror) for _ in range(80)]
    trickling = [connected(mirror) for _ in range(80)]
    for client in trickling:
        client.sendall(b"POST /v1/filters HTTP/1.1\r\nContent-Length: 4000000\r\n\r\n{")
    clients = [*silent, *trickling, *(unread(mirror, WEB) for _ in range(40))]
    trickle = Trickle(trickling)
    trickle.start()
    try:
        for _ in range(20):
            assert quick(mirror).status == 200
        assert CheckedApi(mirror.socket).do("PATCH", IDS, {"description": "x"})
    finally:
        trickle.stopped.set()
        trickle.join()
        for client in clients:
            client.close()
    assert quick(mirror).status == 200


def test_clients_that_do_not_read(mirror, api):
    """As many of them as there may be connections hold up nobody: those that have waited longest
    are closed, and no others."""
    api.do("PATCH", WEB, {"inbound": rules(1000), "outbound": rules(1000)})
    api.close()
    clients = [unread(mirror, WEB) for _ in range(MOST_CONNECTIONS)]
    try:
        for _ in range(3):
            assert quick(mirror).status == 200
        with pytest.raises(http.client.IncompleteRead):
            response(clients[0]).read()
        assert len(json.loads(response(clients[-1]).read())["inbound"]) == 1000
    finally:
        for client in clients:
            client.close()


def test_clients_that_go(mirror, api):
    """In the midst of a request or of an answer."""
    api.do("PATCH", WEB, {"inbound": rules(1000), "outbound": rules(1000)})
    for _ in range(50):
        for request in (b"", b"GET", b"POST /v1/filters HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"):
            with connected(mirror) as client:
                client.sendall(request)
        unread(mirror, WEB).close()
    assert quick(mirror).status == 200
    assert len(api.do("GET", WEB)["inbound"]) == 1000


# Names in paths.


@pytest.mark.parametrize("name", ["a b", "ünï 😀", "%41", "%2F", "a+b", "?&#=;,", '"\'\\', ".",
                                  "..", "\xa0", "x" * 128, "😀" * 128, "http:", "{name}"])
def test_odd_names(api, name):
    """The Location of what was made leads to it, and so does what a client encodes itself."""
    made = api.call("POST", FILTERS, {"name": name})
    path = made.headers["Location"]
    session = {**SESSION, "name": name, "filter": name, "priority": 2}
    other = api.call("POST", SESSIONS, session).headers["Location"]
    every = "".join(f"%{byte:02x}" for byte in name.encode())
    for there in (path, f"{FILTERS}/{every}"):
        assert api.do("GET", there)["name"] == name
    assert api.do("PATCH", other, {"description": "x"})["description"] == "x"
    rule = api.call("POST", f"{path}/rules", {**RULE, "direction": "inbound"}).headers["Location"]
    assert api.do("GET", rule)["priority"] == 10
    found = api.do("GET", f"{SESSIONS}?filter={every}")["sessions"]
    assert [session["name"] for session in found] == [name]
    for there in (rule, other, path):
        assert api.call("DELETE", there).status == 204


@pytest.mark.parametrize("encoded,name", [("a%2Fb", "a/b"), ("a%2fb", "a/b"), ("%00", "\0"),
                                          ("web%20", "web "), ("%77eb%0A", "web\n"), ("WEB", "WEB"),
                                          ("%ff", "\ufffd"), ("web%00", "web\0")])
def test_names_that_are_not(api, encoded, name):
    """No other object is taken for the one that was meant, and nobody trips over what is odd."""
    for path in (f"{FILTERS}/{encoded}", f"{SESSIONS}/{encoded}", f"{FILTERS}/{encoded}/rules"):
        assert api.call("GET", path).body["error"]["value"] == name
        assert api.call("GET", path).status == 404


@pytest.mark.parametrize("path", [f"{WEB}%", f"{WEB}%4", f"{FILTERS}/%zz", f"{FILTERS}/%-1",
                                  f"{FILTERS}?group=%", f"{FILTERS}?%4=x"])
def test_malformed_paths(api, path):
    api.refused(400, "MalformedPath", "GET", path)


@pytest.mark.parametrize("target,status,code", [
    (f"http://localhost{WEB}", 200, None), (f"HTTP://a.b:80{FILTERS}?group=x", 200, None),
    (f"http://[::1]{WEB}%20", 404, "FilterNotFound"), ("http://localhost", 404, "NoSuchPath"),
    ("http://localhost?x=/v1", 404, "NoSuchPath"), (f"http://{WEB}", 400, "MalformedPath"),
    (f"https://localhost{WEB}", 400, "MalformedPath"), (f"ftp://x{WEB}", 400, "MalformedPath"),
    ("v1", 400, "MalformedPath"), ("http:", 400, "MalformedPath")])
def test_absolute_form(mirror, api, target, status, code):
    """RFC 9112 §3.2.2: a server must take it."""
    request = f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = spoken(mirror, request.encode())
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert code is None or code_of(answer) == code


# What cannot be done changes nothing.


def test_lowered_limit(lab):
    """A filter with more rules than there may be now can shrink, and change in no other way."""
    lab.start_daemon()
    CheckedApi(lab.socket).do("POST", FILTERS, {"name": "web", "inbound": rules(3)})
    assert lab.daemon.stop() == 0
    settings = lab.path / "vxtapd.json"
    settings.write_text('{"limits": {"rules_per_direction": 2}}')
    lab.start_daemon("--config", str(settings))
    api, rule = CheckedApi(lab.socket), f"{WEB}/rules/inbound/1"
    api.refused(400, "TooManyRules", "PATCH", rule, {"policy": "ignore"})
    api.refused(400, "TooManyRules", "PATCH", WEB, {"group": "x"})
    api.do("DELETE", f"{WEB}/rules/inbound/2")
    assert api.do("PATCH", rule, {"policy": "ignore"})["policy"] == "ignore"


def test_full_disk(lab):
    """A change that cannot be kept is refused, and a smaller one is made afterwards."""
    Path(lab.state).mkdir()
    # What is mounted here is seen by the daemon only, and goes with it.
    mount = f'mount -t tmpfs -o size=512k state {lab.state} && exec "$@"'
    lab.daemon = lab.start("host", "sh", "-c", mount, "sh", str(BIN / "vxtapd"),
                           "--socket", lab.socket, "--state-dir", lab.state)
    lab.daemon.wait_for_line("ready: ")
    api = CheckedApi(lab.socket)
    api.do("PUT", CONFIG, BASE)
    before = api.do("GET", CONFIG)
    many = {"filters": [{"name": str(number), "inbound": rules(1000)} for number in range(8)]}
    api.refused(500, "StateNotWritten", "PUT", CONFIG, many)
    assert api.do("GET", CONFIG) == before
    assert api.do("POST", f"{IDS}/stop")["enabled"] is False


def test_taken_port(mirror, api):
    """The tunnel's devices are gone and cannot come again: changes are refused until they can."""
    mirror.daemon.popen.send_signal(signal.SIGSTOP)  # or it would restore them at once
    mirror.run("host", "ip", "link", "delete", "vxtap0")
    thief = mirror.server("host", "udp_echo", "0.0.0.0", "4789")
    mirror.daemon.popen.send_signal(signal.SIGCONT)
    api.refused(500, "TunnelPortInUse", "POST", f"{IDS}/stop")
    assert api.do("GET", IDS)["enabled"] is True
    thief.stop()
    assert api.do("POST", f"{IDS}/stop")["enabled"] is False
