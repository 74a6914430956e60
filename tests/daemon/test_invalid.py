"""What is refused, in every way in which it can enter: how, with what words, and without a trace.

The table is in invalid.py. What of it is just allowed is tried in the same ways.
"""

import json
import re
from collections import namedtuple
from contextlib import contextmanager

import pytest
from invalid import (ABSENT, BASE, CHOICES, NEW, QUESTION, ROWS, WEB, Accepted, Cli, Http, Refused,
                     ways)
from lab import BIN, run
from client import Api

EXIT = {400: 2, 404: 4, 405: 2, 409: 5, 412: 5, 413: 2}

Answer = namedtuple("Answer", "status body")
# How a request is refused. The field and the value are those of the error, whole.
Refusal = namedtuple("Refusal", "status code field value says", defaults=((),))


class Client(Api):
    def send_request(self, request):
        try:
            self.request(request.method, request.target, text_of(request.body), request.headers)
            response = self.getresponse()
            return Answer(response.status, response.read())
        except BaseException:
            self.close()  # and the next request connects anew
            raise

    def configuration(self):
        return self.send_request(Http("GET", "/v1/config")).body


def text_of(body):
    return body if body is None or isinstance(body, (bytes, str)) else json.dumps(body)


@pytest.fixture(scope="module")
def api(shared):
    connection = Client(shared.socket)
    put(connection, BASE)
    yield connection
    connection.close()


def put(api, document):
    answer = api.send_request(Http("PUT", "/v1/config?prune=1", document))
    assert answer.status == 200, answer.body


def vxtap(lab, request, *options):
    return lab.vxtap(*options, *request.words, check=False, input=text_of(request.input))


def check_message(message, says):
    assert re.fullmatch(r"\S.*\s.*\S", message), f"not a sentence in one line: {message!r}"
    assert "exception" not in message, message
    for word in says:
        assert word in message


def check_error(body, refusal):
    error = json.loads(body)
    assert list(error) == ["error"]
    error = error["error"]
    assert list(error) == ["code", "message", "field", "value"]
    assert (error["code"], error["field"], error["value"]) == refusal[1:4], error["message"]
    check_message(error["message"], refusal.says)
    return error


def check_line(stderr, error):
    """Field, value and rule in one line, whatever the value holds."""
    line, newline, rest = stderr.partition("\n")
    assert (newline, rest) == ("\n", "")
    assert line.isprintable(), line
    assert line.startswith("vxtap: ") and line.endswith(error["message"])
    assert error["field"] in line
    if error["value"].isprintable():
        assert error["value"] in line


@contextmanager
def unchanged(api):
    """A failure must not be the next test's as well."""
    before = api.configuration()
    try:
        yield
        assert api.configuration() == before
    except BaseException:
        put(api, BASE)
        raise


def check_refused(lab, api, request, refusal):
    with unchanged(api):
        if isinstance(request, Http):
            answer = api.send_request(request)
            assert answer.status == refusal.status, answer.body
            check_error(answer.body, refusal)
        else:
            done = vxtap(lab, request, "-o", "json")
            assert done.returncode == EXIT[refusal.status], done.stderr
            check_line(done.stderr, check_error(done.stdout, refusal))


def check_usage(lab, api, request, *says):
    """What the command line refuses by itself: what is wrong in one line, and a hint."""
    with unchanged(api):
        done = vxtap(lab, request)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        line, _, hint = done.stderr.partition("\n")
        assert hint in ("", "Run with --help for more information.\n")
        assert line.startswith("vxtap: ") and line.isprintable()
        check_message(line, says)


def brief(row):
    text = ",".join(f"no {field}" if value is ABSENT else f"{field}={value!r}"
                    for field, value in row.fields.items())
    return f"{row.kind}({text if len(text) <= 40 else text[:37] + '...'})"


def cases(kind):
    return [pytest.param(row, way, id=f"{way.name}: {brief(row)}".encode("unicode_escape").decode())
            for row in ROWS if isinstance(row, kind) for way in ways(row)]


@pytest.mark.parametrize("row, way", cases(Refused))
def test_refused(shared, api, row, way):
    of_options = isinstance(way.request, Cli) and way.request.words[0] != "apply"
    if of_options and row.field in CHOICES and row.code.startswith("Invalid"):
        check_usage(shared, api, way.request, f"--{row.field}", row.value, *CHOICES[row.field])
        return
    check_refused(shared, api, way.request,
                  Refusal(row.status, row.code, way.field or way.prefix + row.field, row.value,
                          row.says))


def check_stored(found, row):
    assert {field: found[field] for field in row.stored} == row.stored


def stored(document, row, way):
    """The object that the way has created or changed."""
    changed = "PATCH" in way.name or "update" in way.name

    def find(kind, name):
        return next(found for found in document[f"{kind}s"] if found["name"] == name)

    if row.kind != "rule":
        return find(row.kind, {"filter": "web", "session": "ids"}[row.kind] if changed
                    else row.fields.get("name", "new"))
    into_web = changed or way.name in ("POST rule", "vxtap rule add")
    filter_ = find("filter", "web" if into_web else "new")
    priority = row.fields.get("priority", 10 if changed and way.name != "PATCH filter" else 30)
    return next({**rule, "direction": direction} for direction in CHOICES["direction"]
                for rule in filter_[direction] if rule["priority"] == priority
                and row.fields.get("direction", direction) == direction)


@pytest.mark.parametrize("row, way", cases(Accepted))
def test_just_allowed(shared, api, row, way):
    if isinstance(way.request, Http):
        answer = api.send_request(way.request)
        assert answer.status in (200, 201), answer.body
    else:
        done = vxtap(shared, way.request, "-o", "json")
        assert done.returncode == 0, done.stderr
    if row.kind == "packet":
        answer = answer.body if isinstance(way.request, Http) else done.stdout
        check_stored(json.loads(answer)["packets"][0]["packet"], row)
        return
    try:
        check_stored(stored(json.loads(api.configuration()), row, way), row)
    finally:
        put(api, BASE)


# What is no value of a field. Each request stands beside how it is refused.

def missing(field, name, code, *requests):
    return [(request, Refusal(404, code, field, name, ("no such",))) for request in requests]


NO_FILTER = missing(
    "filter", "nope", "FilterNotFound",
    Http("GET", "/v1/filters/nope"), Http("PATCH", "/v1/filters/nope", {}),
    Http("DELETE", "/v1/filters/nope"), Http("GET", "/v1/filters/nope/rules"),
    Http("POST", "/v1/filters/nope/rules", NEW["rule"]),
    Http("GET", "/v1/filters/nope/rules/inbound/10"),
    Http("PATCH", "/v1/filters/nope/rules/inbound/10", {}),
    Http("DELETE", "/v1/filters/nope/rules/inbound/10"),
    Cli(("filter", "show", "nope")), Cli(("filter", "update", "nope", "--group", "g")),
    Cli(("filter", "delete", "nope")), Cli(("rule", "list", "nope")),
    Cli(("rule", "add", "nope", "--direction", "inbound", "--priority", "1", "--policy", "ignore")),
    Cli(("rule", "update", "nope", "--direction", "inbound", "--priority", "10")),
    Cli(("rule", "delete", "nope", "--direction", "inbound", "--priority", "10")))
NO_SESSION = missing(
    "session", "nö pe", "SessionNotFound",
    Http("GET", "/v1/sessions/n%C3%B6%20pe"), Http("PATCH", "/v1/sessions/n%C3%B6%20pe", {}),
    Http("DELETE", "/v1/sessions/n%C3%B6%20pe"), Http("POST", "/v1/sessions/n%C3%B6%20pe/start"),
    Http("POST", "/v1/sessions/n%C3%B6%20pe/stop"),
    Http("GET", "/v1/sessions/n%C3%B6%20pe/sources"),
    Http("GET", "/v1/sessions/n%C3%B6%20pe/sources/src0"),
    Http("POST", "/v1/sessions/n%C3%B6%20pe/sources/src0"),
    Http("DELETE", "/v1/sessions/n%C3%B6%20pe/sources/src0"),
    Http("POST", "/v1/sessions/n%C3%B6%20pe/attach", {"sources": ["src0"]}),
    Http("GET", "/v1/stats?session=n%C3%B6%20pe"),
    *(Cli((*words, "nö pe")) for words in (
        ("session", "show"), ("session", "delete"), ("session", "start"), ("session", "stop"),
        ("session", "update", "--group", "g"), ("stats",))),
    Cli(("attach", "nö pe", "src0")), Cli(("detach", "nö pe", "src0")))
NO_RULE = [(request, Refusal(404, "RuleNotFound", "priority", "11", ("'web'", "inbound"))) for
           request in (
    Http("GET", "/v1/filters/web/rules/inbound/11"),
    Http("PATCH", "/v1/filters/web/rules/inbound/11", {"policy": "ignore"}),
    Http("DELETE", "/v1/filters/web/rules/inbound/11"),
    Cli(("rule", "update", "web", "--direction", "inbound", "--priority", "11")),
    Cli(("rule", "delete", "web", "--direction", "inbound", "--priority", "11")))]
NO_SOURCE = [(request, Refusal(404, "SourceNotFound", "interface", "und0", ("'ids'",))) for
             request in (
    Http("GET", "/v1/sessions/ids/sources/und0"), Http("DELETE", "/v1/sessions/ids/sources/und0"),
    Http("POST", "/v1/sessions/ids/detach", {"sources": ["src0", "und0"]}),
    Cli(("detach", "ids", "src0", "und0")))]

NO_RULE_NAME = [
    (request, Refusal(400, code, field, value, says))
    for path, code, field, value, says in (
        ("sideways/10", "InvalidDirection", "direction", "sideways", ("inbound", "outbound")),
        ("inbound/ten", "InvalidType", "priority", "ten", ("whole number",)),
        ("inbound/10%20", "InvalidType", "priority", "10 ", ("whole number",)),
        ("inbound/4294967306", "OutOfRange", "priority", "4294967306", ("1", "16777216")))
    for request in (Http("GET", f"/v1/filters/web/rules/{path}"),
                    Http("PATCH", f"/v1/filters/web/rules/{path}", {}),
                    Http("DELETE", f"/v1/filters/web/rules/{path}"))]

CONFLICTS = [
    (request, Refusal(409, *refusal))
    for refusal, *requests in (
        (("NameTaken", "name", "web", ("unique", "filter")),
         Http("POST", "/v1/filters", {"name": "web"}), Cli(("filter", "create", "web"))),
        (("NameTaken", "name", "ids", ("unique", "session")),
         Http("POST", "/v1/sessions", {**NEW["session"], "name": "ids"}),
         Cli(("session", "create", "ids", "--filter", "web", "--destination", "10.91.0.2",
              "--priority", "30"))),
        (("PriorityTaken", "priority", "20", ("unique", "'web'", "inbound")),
         Http("POST", "/v1/filters/web/rules", {**NEW["rule"], "priority": 20}),
         Http("PATCH", "/v1/filters/web/rules/inbound/10", {"priority": 20}),
         Cli(("rule", "add", "web", "--direction", "inbound", "--priority", "20", "--policy",
              "ignore")),
         Cli(("rule", "update", "web", "--direction", "inbound", "--priority", "10",
              "--new-priority", "20"))),
        (("FilterInUse", "name", "web", ("'ids'", "'local'", "'other'")),
         Http("DELETE", "/v1/filters/web"), Cli(("filter", "delete", "web"))))
    for request in requests]

IMMUTABLE = [
    (Http("PATCH", "/v1/filters/web", {"name": "w"}),
     Refusal(400, "ImmutableField", "name", "w", ("web",))),
    (Http("PATCH", "/v1/sessions/ids", {"name": "i"}),
     Refusal(400, "ImmutableField", "name", "i", ("ids",))),
    (Http("PATCH", "/v1/filters/web/rules/inbound/10", {"direction": "outbound"}),
     Refusal(400, "ImmutableField", "direction", "outbound", ("inbound",)))]

CHANGED_SINCE = [(request, Refusal(412, "PreconditionFailed", "If-Match", '"0"', ("changed",))) for
                 request in (
    *(Http(method, target, body, {"If-Match": '"0"'}) for method, target, body in (
        ("PATCH", "/v1/filters/web", {"group": "g"}), ("DELETE", "/v1/filters/web", None),
        ("PATCH", "/v1/filters/web/rules/inbound/10", {"policy": "ignore"}),
        ("DELETE", "/v1/filters/web/rules/inbound/10", None),
        ("PATCH", "/v1/sessions/ids", {"group": "g"}), ("DELETE", "/v1/sessions/ids", None),
        ("POST", "/v1/sessions/ids/stop", None), ("PUT", "/v1/config", {}))),
    Cli(("filter", "update", "web", "--group", "g", "--if-match", '"0"')),
    Cli(("session", "delete", "ids", "--if-match", '"0"')),
    Cli(("rule", "delete", "web", "--direction", "inbound", "--priority", "10", "--if-match",
         '"0"')))]


def document_requests(document):
    """With and without --dry-run and --prune: no option makes an invalid document right."""
    for query, option in (("", ()), ("?dry_run=1", ("--dry-run",)), ("?prune=1", ("--prune",))):
        yield Http("PUT", f"/v1/config{query}", document)
        yield Cli(("apply", "-f", "-", *option), document)


RULE = {"priority": 10, "policy": "collect"}
GOOD = {"name": "new"}
OF_NEW = {**NEW["session"], "filter": "new"}
DOCUMENTS = [
    (request, Refusal(400, *refusal))
    for document, *refusal in (
        ([], "InvalidType", "", "[]", ("object",)),
        (5, "InvalidType", "", "5", ("object",)),
        ("null", "InvalidType", "", "null", ("object",)),
        ({"filter": []}, "UnknownField", "filter", "[]", ("no such field",)),
        ({"filters": {}}, "InvalidType", "filters", "{}", ("list",)),
        ({"sessions": "ids"}, "InvalidType", "sessions", '"ids"', ("list",)),
        ({"filters": [GOOD, 5]}, "InvalidType", "filters[1]", "5", ("object",)),
        ({"filters": [GOOD, None]}, "InvalidType", "filters[1]", "null", ("object",)),
        ({"filters": [{"name": "a", "inbound": {}}]}, "InvalidType", "filters[0].inbound", "{}",
         ("list",)),
        ({"filters": [{"name": "a", "inbound": [RULE, "x"]}]}, "InvalidType",
         "filters[0].inbound[1]", '"x"', ("object",)),
        ({"filters": [{"name": "a", "inbound": [{**RULE, "direction": "inbound"}]}]},
         "UnknownField", "filters[0].inbound[0].direction", '"inbound"', ("no such field",)),
        ({"filters": [{"name": "a", "outbound": [RULE, {**RULE, "priority": 2}, RULE]}]},
         "DuplicatePriority", "filters[0].outbound[2].priority", "10",
         ("unique", "filters[0].outbound[0]")),
        ({"filters": [{"name": "a", "inbound": [{**RULE, "priority": i} for i in range(1, 1002)]}]},
         "TooManyRules", "filters[0].inbound", "1001 rules", ("1000", "limits")),
        ({"filters": [GOOD, GOOD]}, "DuplicateName", "filters[1].name", "new", ("unique",)),
        ({"sessions": [NEW["session"], {**NEW["session"], "priority": 31}]}, "DuplicateName",
         "sessions[1].name", "new", ("unique",)),
        ({"filters": [GOOD], "sessions": [OF_NEW, {**OF_NEW, "name": "b"}]}, "DuplicatePriority",
         "sessions[1].priority", "30", ("unique", "sessions[0]")),
        ({"filters": [GOOD], "sessions": [OF_NEW, {**OF_NEW, "name": "b", "priority": 0}]},
         "OutOfRange", "sessions[1].priority", "0", ("1", "32766")),
        ({"filters": [GOOD],
          "sessions": [OF_NEW, {**OF_NEW, "name": "b", "priority": 31, "filter": "nope"}]},
         "UnknownFilter", "sessions[1].filter", "nope", ("existing filter",)),
        ({"filters": [GOOD],
          "sessions": [OF_NEW, {**OF_NEW, "name": "b", "priority": 31, "sources": ["vxtap0"]}]},
         "OwnDevice", "sessions[1].sources", "vxtap0", ("mirror itself",)))
    for request in document_requests(document)]

PRUNED = [(request, Refusal(400, "UnknownFilter", "sessions[0].filter", "web")) for request in (
    Http("PUT", "/v1/config?prune=1", {"filters": [GOOD], "sessions": BASE["sessions"]}),
    Cli(("apply", "--prune", "-f", "-"), {"filters": [GOOD], "sessions": BASE["sessions"]}))]

TWICE = '"group": "a", "group": "b"'
TEXTS = [
    (request, Refusal(400, *refusal))
    for text, *refusal in (
        ("", "MalformedJson", "document", "", ("line 1",)),
        ("{", "MalformedJson", "document", "", ("line 1",)),
        ("filters: []", "MalformedJson", "document", "", ("line 1",)),
        ('{"filters": []}\n\n}', "MalformedJson", "document", "", ("line 3",)),
        ('{"filters": [],\n}', "MalformedJson", "document", "", ("line 2",)),
        ("{'filters': []}", "MalformedJson", "document", "", ("line 1",)),
        ('{"filters": [NaN]}', "MalformedJson", "document", "", ("line 1",)),
        ('{"filters":\n[{"name": "\\ud800"}]}', "MalformedJson", "document", "", ("line 2",)),
        ('{"sessions":\n[{"priority": 1e400}]}', "MalformedJson", "document", "", ("line 2",)),
        ('{"filters": [], "filters": []}', "DuplicateKey", "filters", "", ("twice",)),
        ('{"filters": [{"name": "a"}, {"name": "b", ' + TWICE + '}]}', "DuplicateKey",
         "filters[1].group", "", ("twice",)),
        ('{"sessions": [{"tags": {"k": "a", "k": "b"}}]}', "DuplicateKey", "sessions[0].tags.k",
         "", ("twice",)))
    for request in (Http("PUT", "/v1/config", text), Cli(("apply", "-f", "-"), text))]

BODIES = [
    (Http(method, target, text), Refusal(400, *refusal))
    for method, target in (("POST", "/v1/filters"), ("PATCH", "/v1/filters/web"),
                           ("POST", "/v1/filters/web/rules"),
                           ("PATCH", "/v1/filters/web/rules/inbound/10"), ("POST", "/v1/sessions"),
                           ("PATCH", "/v1/sessions/ids"), ("POST", "/v1/sessions/ids/attach"),
                           ("POST", "/v1/sessions/ids/detach"), ("POST", "/v1/explain"))
    for text, *refusal in (
        ("", "MalformedJson", "document", "", ("line 1",)),
        ('{"name": "a"', "MalformedJson", "document", "", ("line 1",)),
        (b'{"name": "\xff"}', "MalformedJson", "document", "", ("line 1",)),
        ("[]", "InvalidType", "", "[]", ("object",)),
        ('"a"', "InvalidType", "", '"a"', ("object",)),
        ("{" + TWICE + "}", "DuplicateKey", "group", "", ("twice",)))]

ATTACHED = [(Http("POST", f"/v1/sessions/ids/{verb}", body), Refusal(400, *refusal))
            for verb in ("attach", "detach")
            for body, *refusal in (
                ({}, "MissingField", "sources", "", ("required",)),
                ({"sources": "src0"}, "InvalidType", "sources", '"src0"', ("list",)),
                ({"sources": [], "source": "a"}, "UnknownField", "source", '"a"',
                 ("no such field",)))]

QUESTIONS = [
    (Http("POST", "/v1/explain", question), Refusal(*refusal))
    for question, *refusal in (
        ({**QUESTION}, 400, "MissingField", "frames", "", ("required",)),
        ({"direction": "inbound", "frames": []}, 400, "MissingField", "interface", "",
         ("required",)),
        ({"interface": "src0", "frames": []}, 400, "MissingField", "direction", "", ("required",)),
        ({**QUESTION, "direction": "in", "frames": []}, 400, "InvalidDirection", "direction", "in",
         ("inbound", "outbound")),
        ({**QUESTION, "interface": 5, "frames": []}, 400, "InvalidType", "interface", "5",
         ("string",)),
        ({**QUESTION, "interface": "nope", "frames": []}, 404, "InterfaceNotFound", "interface",
         "nope", ("no such",)),
        ({**QUESTION, "packet": []}, 400, "InvalidType", "packet", "[]", ("object",)),
        ({**QUESTION, "packet": NEW["packet"], "frames": ["00"]}, 400, "InvalidQuestion", "frames",
         "1", ("not both",)),
        ({**QUESTION, "frames": "00"}, 400, "InvalidType", "frames", '"00"', ("list",)),
        ({**QUESTION, "frames": ["00", 5]}, 400, "InvalidType", "frames[1]", "5", ("string",)),
        ({**QUESTION, "frames": ["00", "0"]}, 400, "InvalidFrame", "frames[1]", "0",
         ("hexadecimal",)),
        ({**QUESTION, "frames": ["0x00"]}, 400, "InvalidFrame", "frames[0]", "0x00",
         ("hexadecimal",)),
        ({**QUESTION, "frames": ["00"] * 10001}, 400, "TooManyFrames", "frames", "10001",
         ("10000",)),
        ({**QUESTION, "frames": [], "colour": 1}, 400, "UnknownField", "colour", "1",
         ("no such field",)))] + [
    (Cli(("explain", "--interface", "nope", "--direction", "inbound", "--protocol", "icmp",
          "--source", "10.90.0.2", "--destination", "10.90.0.1")),
     Refusal(404, "InterfaceNotFound", "interface", "nope", ("no such",)))]

PARAMETERS = [
    (request, Refusal(400, *refusal))
    for refusal, *requests in (
        (("UnknownParameter", "colour", "red", ("no such parameter",)),
         Http("GET", "/v1/filters?colour=red"), Http("GET", "/v1/sessions?colour=red"),
         Http("PUT", "/v1/config?colour=red", {}), Http("GET", "/v1/config?colour=red"),
         Http("POST", "/v1/filters?colour=red", GOOD), Http("GET", "/v1/stats?colour=red"),
         Http("DELETE", "/v1/sessions/ids?colour=red"), Http("GET", "/metrics?colour=red")),
        (("InvalidParameter", "dry_run", "maybe", ("0 or 1",)),
         Http("PUT", "/v1/config?dry_run=maybe", {})),
        (("InvalidParameter", "prune", "", ("0 or 1",)), Http("PUT", "/v1/config?prune", {})),
        (("InvalidParameter", "dry_run", "1", ("twice",)),
         Http("PUT", "/v1/config?dry_run=1&dry_run=0", {})),
        (("InvalidParameter", "rules", "2", ("0 or 1",)), Http("GET", "/v1/stats?rules=2")),
        (("InvalidParameter", "enabled", "yes", ("0 or 1",)),
         Http("GET", "/v1/sessions?enabled=yes")),
        (("InvalidParameter", "group", "a", ("twice",)),
         Http("GET", "/v1/filters?group=a&group=b")),
        (("InvalidParameter", "tag", "team", ("key=value",)), Http("GET", "/v1/filters?tag=team"),
         Http("GET", "/v1/sessions?tag=team"), Cli(("filter", "list", "--tag", "team")),
         Cli(("session", "list", "--tag", "team"))),
        (("InvalidAddress", "destination", "collector", ("IPv4", "IPv6")),
         Http("GET", "/v1/sessions?destination=collector"),
         Cli(("session", "list", "--destination", "collector"))))
    for request in requests]

KEY = {"Idempotency-Key": "k" * 256}
REQUESTS = [
    (Http("GET", "/v1/nope"), Refusal(404, "NoSuchPath", "path", "/v1/nope", ("no such path",))),
    (Http("GET", "/"), Refusal(404, "NoSuchPath", "path", "/", ("no such path",))),
    (Http("POST", "/v1/sessions/ids/dance"),
     Refusal(404, "NoSuchPath", "path", "/v1/sessions/ids/dance", ("no such path",))),
    (Http("DELETE", "/v1/config"),
     Refusal(405, "MethodNotAllowed", "method", "DELETE", ("GET", "PUT"))),
    (Http("PUT", "/v1/filters/web", WEB),
     Refusal(405, "MethodNotAllowed", "method", "PUT", ("GET", "PATCH", "DELETE"))),
    (Http("PATCH", "/v1/sessions", {}),
     Refusal(405, "MethodNotAllowed", "method", "PATCH", ("GET", "POST"))),
    (Http("GET", "/v1/filters/%zz"), Refusal(400, "MalformedPath", "", "", ("percent",))),
    (Http("GET", "/v1/filters?group=%2"), Refusal(400, "MalformedPath", "", "", ("percent",))),
    (Http("POST", "/v1/filters", GOOD, KEY),
     Refusal(400, "InvalidIdempotencyKey", "Idempotency-Key", "k" * 256, ("1-255",))),
    (Http("POST", "/v1/filters", GOOD, {"Idempotency-Key": ""}),
     Refusal(400, "InvalidIdempotencyKey", "Idempotency-Key", "", ("1-255",))),
    # The length is refused before there is a body.
    (Http("POST", "/v1/filters", None, {"Content-Length": "4194305"}),
     Refusal(413, "TooLarge", "", "", ("4194304",))),
    (Http("PUT", "/v1/config", None, {"Content-Length": "67108865"}),
     Refusal(413, "TooLarge", "", "", ("67108864",))),
    (Cli(("apply", "-f", "-"), " " * 67108865), Refusal(413, "TooLarge", "", "", ("67108864",))),
    (Http("GET", "/v1/filters/%FF"),
     Refusal(404, "FilterNotFound", "filter", "\ufffd", ("no such",))),
    (Cli(("filter", "show", "\udcff")),
     Refusal(404, "FilterNotFound", "filter", "\ufffd", ("no such",))),
    (Http("POST", "/v1/sessions/ids/sources/%FF"),
     Refusal(400, "InvalidInterface", "interface", "\ufffd", ("1-15",)))]


def numbered(**tables):
    return [pytest.param(*row, id=f"{name}-{row[1].code}-{i}")
            for name, table in tables.items() for i, row in enumerate(table)]


@pytest.mark.parametrize("request_, refusal", numbered(
    no_filter=NO_FILTER, no_session=NO_SESSION, no_rule=NO_RULE, no_source=NO_SOURCE,
    rule_name=NO_RULE_NAME, conflict=CONFLICTS, immutable=IMMUTABLE, changed_since=CHANGED_SINCE,
    document=DOCUMENTS, pruned=PRUNED, text=TEXTS, body=BODIES, attached=ATTACHED,
    question=QUESTIONS, parameter=PARAMETERS, request=REQUESTS))
def test_request(shared, api, request_, refusal):
    check_refused(shared, api, request_, refusal)


def test_key_of_another_request(shared, api):
    key = {"Idempotency-Key": "one"}
    assert api.send_request(Http("POST", "/v1/sessions/ids/start", None, key)).status == 200
    check_refused(shared, api, Http("POST", "/v1/sessions/ids/stop", None, key),
                  Refusal(409, "IdempotencyKeyReused", "Idempotency-Key", "one",
                          ("key of its own",)))


def test_own_devices(shared, api):
    """All that the daemon has made: what else the host has is the lab's."""
    links = json.loads(shared.run("host", "ip", "-j", "link").stdout)
    own = {link["ifname"] for link in links} - {"lo", "src0", "und0"}
    assert "vxtap0" in own
    for device in own:
        check_refused(shared, api, Http("PATCH", "/v1/sessions/ids", {"sources": [device]}),
                      Refusal(400, "OwnDevice", "sources", device, ("mirror itself",)))


RULE_OPTIONS = ("web", "--direction", "inbound", "--priority", "30")
USAGE = [
    ((), ("subcommand", "required")),
    (("frob",), ("no command 'frob'", "vxtap --help")),
    (("--colour", "frob"), ("no option '--colour'",)),
    (("filter",), ("subcommand", "required")),
    (("filter", "frob"), ("frob", "vxtap filter --help")),
    (("filter", "create"), ("NAME", "required")),
    (("filter", "create", "a", "b"), ("b", "not expected")),
    (("filter", "create", "a", "--colour", "red"), ("--colour", "not expected")),
    (("filter", "create", "a", "--group"), ("--group", "required")),
    (("filter", "create", "a", "--tag", "k"), ("--tag", "k", "key=value")),
    (("filter", "show", ""), ("empty",)),
    (("filter", "delete", ""), ("empty",)),
    (("session", "show", ""), ("empty",)),
    (("session", "stop", ""), ("empty",)),
    (("rule", "list", ""), ("empty",)),
    (("attach", "", "src0"), ("SESSION", "empty")),
    (("stats", ""), ("SESSION", "empty")),
    (("session", "stop", "--dance\x1b[31m", "ids"), ("--dance", "not expected")),
    (("filter", "delete", "web", "--if-match", ""), ("--if-match", "empty")),
    (("filter", "create", "\udcff"), ("name", "UTF-8")),
    (("filter", "create", "a", "--group", "\udcff"), ("group", "UTF-8")),
    (("session", "create", "a", "--enable=maybe"), ("enable",)),
    (("session", "update", "ids", "--fall-through=2x"), ("fall-through",)),
    (("session", "start"), ("NAME", "required")),
    (("rule", "add", "web", "--priority", "30", "--policy", "ignore"), ("--direction", "required")),
    (("rule", "add", "web", "--direction", "inbound", "--policy", "ignore"),
     ("--priority", "required")),
    (("rule", "update", *RULE_OPTIONS[:3]), ("--priority", "required")),
    (("rule", "delete", "web", "--direction", "in", "--priority", "1"),
     ("--direction", "in", "inbound", "outbound")),
    (("attach",), ("SESSION", "required")),
    (("attach", "ids"), ("IF", "required")),
    (("detach", "ids"), ("IF", "required")),
    (("apply",), ("--file", "required")),
    (("apply", "-f", "/nonexistent"), ("/nonexistent", "cannot read")),
    (("apply", "-f", "/"), ("/", "cannot read")),
    (("explain", "--direction", "inbound"), ("--interface", "required")),
    (("explain", "--interface", "src0"), ("--direction", "required")),
    (("explain", "--interface", "src0", "--direction", "in"),
     ("--direction", "in", "inbound", "outbound")),
    (("explain", "--interface", "src0", "--direction", "inbound", "--pcap", "/nonexistent"),
     ("/nonexistent", "No such file")),
    (("explain", "--interface", "src0", "--direction", "inbound", "--pcap", "/dev/null"),
     ("/dev/null",)),
    (("explain", "--interface", "src0", "--direction", "inbound", "--pcap", "/dev/null",
      "--protocol", "tcp"), ("--pcap", "not both")),
    (("stats", "--watch", "0"), ("--watch", "0", "0.1", "3600")),
    (("stats", "--watch", "soon"), ("--watch", "soon")),
    (("-o", "xml", "status"), ("--output", "xml", "table", "json")),
    (("status", "now"), ("now", "not expected")),
    (("version", "--colour"), ("--colour", "not expected"))]


@pytest.mark.parametrize("words, says", USAGE, ids=lambda value: " ".join(value).encode(
    "unicode_escape").decode())
def test_usage(shared, api, words, says):
    check_usage(shared, api, Cli(words), *says)


def test_wrong_priority_of_a_rule_on_the_command_line(shared, api):
    """It stands in the path of the request, and is refused as it would be in a body."""
    for verb in ("update", "delete"):
        words = ("rule", verb, "web", "--direction", "inbound", "--priority")
        check_refused(shared, api, Cli((*words, "ten")),
                      Refusal(400, "InvalidType", "priority", "ten", ("whole number",)))
        check_refused(shared, api, Cli((*words, "4294967306")),
                      Refusal(400, "OutOfRange", "priority", "4294967306", ("1", "16777216")))
        check_usage(shared, api, Cli((*words, "")), "empty")


def test_no_daemon(tmp_path):
    for words in (("status",), ("filter", "list"), ("filter", "create", "a"), ("export",),
                  ("session", "start", "ids"), ("rule", "list", "web"), ("stats",),
                  ("attach", "ids", "src0")):
        for path in (tmp_path / "nobody", tmp_path, "x" * 200):
            done = run(str(BIN / "vxtap"), "--socket", str(path), *words, check=False)
            assert (done.returncode, done.stdout) == (3, "")
            assert re.fullmatch(rf"vxtap: no daemon at {path}: .+; is vxtapd running\?\n",
                                done.stderr)


def test_rules_up_to_the_limit(shared, api):
    """One by one as in a document, and in each direction by itself."""
    rules = [{"priority": i, "policy": "ignore"} for i in range(1, 1001)]
    many = {"name": "many", "inbound": rules[:-1], "outbound": rules}
    put(api, {**BASE, "filters": [WEB, many]})
    try:
        last = {"direction": "inbound", **rules[-1]}
        assert api.send_request(Http("POST", "/v1/filters/many/rules", last)).status == 201
        more = {**RULE, "priority": 1001}
        for direction in CHOICES["direction"]:
            refusal = Refusal(400, "TooManyRules", "direction", direction, ("1000", "limits"))
            check_refused(shared, api, Http("POST", "/v1/filters/many/rules",
                                            {**more, "direction": direction}), refusal)
            check_refused(shared, api, Cli(("rule", "add", "many", "--direction", direction,
                                            "--priority", "1001", "--policy", "ignore")), refusal)
            check_refused(shared, api,
                          Http("PATCH", "/v1/filters/many", {direction: [*rules, more]}),
                          Refusal(400, "TooManyRules", direction, "1001 rules", ("1000",)))
    finally:
        put(api, BASE)


def test_mirror_goes_on(shared, api):
    """What is refused for a running session leaves no gap: all packets are matched and copied."""
    running = [(row, way) for row in ROWS if isinstance(row, Refused) for way in ways(row)
               if way.name.startswith("PATCH")]
    before = shared.session()["totals"]
    pings = shared.start("client", "ping", "-q", "-c", "300", "-i", "0.005", "10.90.0.1")
    with unchanged(api):
        for row, way in running:
            assert api.send_request(way.request).status == row.status, way.request
    assert pings.popen.wait(60) == 0, pings.log.read_text()
    after = shared.session()["totals"]
    for counter in ("matched_packets", "mirrored_packets"):
        assert after[counter] - before[counter] == 600


@pytest.mark.parametrize("document, field, value, says", (
    ({"filters": [{"name": "a/b"}]}, "filters[0].name", "a/b", "1-128"),
    ({"sessions": [{**NEW["session"], "priority": 0}]}, "sessions[0].priority", "0", "1 to 32766"),
    ({"colour": "red"}, "colour", '"red"', "no such field")))
def test_document_of_the_daemon(shared, tmp_path, document, field, value, says):
    """vxtapd --apply refuses to start, in the words of the API; in a namespace without another."""
    (tmp_path / "document.json").write_text(json.dumps(document))
    done = shared.run("client", str(BIN / "vxtapd"), "--socket", str(tmp_path / "socket"),
                      "--state-dir", str(tmp_path), "--log-level", "error",
                      "--apply", str(tmp_path / "document.json"), check=False)
    assert done.returncode == 2
    line = done.stderr.splitlines()[-1]
    assert line.startswith(f"vxtapd: {field}: {value}: ") and says in line
    assert not (tmp_path / "socket").exists()


def test_nested_deeply(shared, api):
    """The last test: what takes a level of the stack for a level of the text ends the daemon."""
    requests = (("POST", "/v1/filters"), ("PATCH", "/v1/filters/web"), ("POST", "/v1/sessions"),
                ("PATCH", "/v1/sessions/ids"), ("POST", "/v1/explain"), ("PUT", "/v1/config"))
    for depth in (1000, 1000000):
        nested = "[" * depth + "]" * depth
        for text in (nested, f'{{"name": {nested}}}', f'{{"name": "web", "colour": {nested}}}'):
            for method, target in requests:
                with unchanged(api):
                    assert api.send_request(Http(method, target, text)).status == 400
