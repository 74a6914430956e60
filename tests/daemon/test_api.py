"""The document docs/openapi.yaml and the server say the same, each as much as the other.

Every answer is held against the document by the client that the tests use.
"""

import copy
import json
import re
import socket
import struct
from pathlib import Path

import jsonschema
import pytest
from api import DOCUMENT, METHODS, CheckedApi, Operation
from lab import CLIENT, COLLECTOR, HOST, wait_for
from mirror import Mirror

LIMIT = 4  # rules per direction
OPERATIONS = pytest.mark.parametrize("operation", DOCUMENT.operations, ids=str)
WITH_BODY, WITHOUT_BODY = (
    pytest.mark.parametrize("operation", [operation for operation in DOCUMENT.operations
                                          if bool(DOCUMENT.request(operation)) == has_body],
                            ids=str) for has_body in (True, False))

RULE = {"priority": 10, "policy": "collect", "protocol": "tcp", "destination_port": "443/443"}
SESSION = {"name": "ids", "filter": "web", "sources": ["src0"], "destination": COLLECTOR, "vni": 42,
           "priority": 1, "enabled": True, "tags": {"team": "noc"}, "group": "noc"}


def rules(count):
    return [{**RULE, "priority": priority} for priority in range(1, count + 1)]


# What is there before each test. The document's examples fit in with it.
BASE = {"filters": [{"name": "web", "inbound": [RULE, {**RULE, "priority": 12}]},
                    {"name": "full", "inbound": rules(LIMIT)}],
        "sessions": [SESSION, {**SESSION, "name": "other", "vni": 43, "priority": 9, "sources": [],
                               "destination": "10.91.0.1"}]}  # of und0, which is no source

PUT_CONFIG = Operation("PUT", "/v1/config")
EXPLAIN = Operation("POST", "/v1/explain")


@pytest.fixture(scope="module")
def host():
    """A lab whose daemon takes few rules, for all tests of this file."""
    with Mirror() as lab:
        settings = lab.path / "vxtapd.json"
        settings.write_text(json.dumps({"limits": {"rules_per_direction": LIMIT}}))
        lab.start_daemon("--config", str(settings))
        yield lab


@pytest.fixture
def api(host):
    api = CheckedApi(host.socket)
    api.do("PUT", "/v1/config?prune=1", BASE)
    yield api
    api.close()


def target(operation, **names):
    """The operation's path with the names of what is there."""
    name = "web" if "filters" in operation.path else "ids"
    return operation.target(**{"name": name, "direction": "inbound", "priority": 10,
                               "interface": "src0", **names})


def examples(operation):
    return DOCUMENT.whole(DOCUMENT.request(operation))["examples"]


# The document by itself.


def nodes(node):
    yield node
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
    for child in children:
        yield from nodes(child)


def test_references():
    """All lead somewhere, and nothing is there that nobody refers to."""
    used = {node["$ref"] for node in nodes(DOCUMENT.root)
            if isinstance(node, dict) and "$ref" in node}
    there = {f"#/components/{kind}/{name}" for kind in DOCUMENT.root["components"]
             for name in DOCUMENT.root["components"][kind]}
    assert used == there


@pytest.mark.parametrize("name", DOCUMENT.root["components"]["schemas"])
def test_schema(name):
    schema = DOCUMENT.root["components"]["schemas"][name]
    jsonschema.Draft202012Validator.check_schema(schema)
    for example in schema.get("examples", []):
        DOCUMENT.validator(schema).validate(example)


def test_operations_are_described():
    ids = set()
    for operation in DOCUMENT.operations:
        node = DOCUMENT.node(operation)
        assert node["summary"] and node["operationId"] not in ids
        ids.add(node["operationId"])
        assert [*DOCUMENT.parameters(operation, "path")] == re.findall(r"{(\w+)}", operation.path)
        for response in DOCUMENT.responses(operation).values():
            assert response["description"]


def properties(schema):
    """Of an object's schema, by name, with those of the schemas that it is made of."""
    schema = DOCUMENT.whole(schema)
    found = dict(schema.get("properties", {}))
    for part in schema.get("allOf", []):
        found = {**properties(part), **found}
    return found


def holds_all(schema, value):
    """Whether a value has every field that its schema knows, also in the values that it holds."""
    schema = DOCUMENT.whole(schema)
    if isinstance(value, list) and "items" in schema:
        return all(holds_all(schema["items"], element) for element in value)
    if not isinstance(value, dict):
        return True
    known = properties(schema)
    alternatives = {name for part in schema.get("oneOf", []) for name in part["required"]}
    return known.keys() - alternatives <= value.keys() and all(
        holds_all(known[field], child) for field, child in value.items() if field in known)


@WITH_BODY
def test_examples_have_all_fields(operation):
    for example in examples(operation):
        assert holds_all(DOCUMENT.request(operation), example)


def test_codes_are_those_of_the_sources():
    """Every code that the server can give is in the document, and the other way round."""
    code = re.compile(r'(?:\bKind::\w+,|\brefuse\(|\brefusal\(\s*\d+,)\s*"([A-Z]\w+)"')
    agent = Path(__file__).resolve().parents[2] / "agent"
    given = {found for file in agent.rglob("*.cpp") for found in code.findall(file.read_text())}
    at_start = {"AlreadyRunning", "CannotListen", "DeviceNameTaken", "FileNotReadable", "InvalidEndpoint",
                "InvalidPath", "InvalidValue", "KernelTooOld", "NotBpfFileSystem", "NotPermitted", "NotPinned",
                "Socket", "StateInUse", "StateNotWritable", "StateTooNew", "UnknownGroup"}
    explained = {"MalformedPacket"}  # a decision, not a refusal
    documented = set().union(*(codes for operation in [None, *DOCUMENT.operations]
                               for codes in DOCUMENT.codes(operation).values()))
    assert documented == given - at_start - explained


# Paths, methods and parameters.


def test_paths_and_methods(api):
    paths = api.do("GET", "/v1")["paths"]
    listed = [Operation(method, path) for path, methods in paths.items() for method in methods]
    assert sorted(listed) == sorted(DOCUMENT.operations)


@pytest.mark.parametrize("path", DOCUMENT.root["paths"])
def test_other_methods(api, path):
    """They are refused with those that the path takes."""
    takes = [operation.method for operation in DOCUMENT.operations if operation.path == path]
    for method in {*METHODS, "OPTIONS", "TRACE", "NOSUCH"} - {*takes}:
        answer = api.call(method, target(Operation(method, path)))
        assert answer.status == 405 and answer.headers["Allow"].split(", ") == takes
        assert answer.body["error"]["field"] == "method"
        assert answer.body["error"]["value"] == method


@pytest.mark.parametrize("path", ["/", "/v2", "/v1/nosuch", "/v1/filters/web/nosuch",
                                  "/v1/sessions/ids/start/x", "/metrics/x"])
def test_no_such_path(api, path):
    assert api.refused(404, "NoSuchPath", "GET", path)["value"] == path


QUERIES = {name: parameter for operation in DOCUMENT.operations
           for name, parameter in DOCUMENT.parameters(operation, "query").items()}


@OPERATIONS
def test_query(api, operation):
    """Parameters that the document has are taken, all others refused."""
    known = DOCUMENT.parameters(operation, "query")
    body = BASE if operation == PUT_CONFIG else None
    for name, parameter in QUERIES.items():
        query = f"{target(operation)}?{name}={parameter['example']}"
        if name in known:
            assert api.call(operation.method, query, body).status == 200
        else:
            error = api.refused(400, "UnknownParameter", operation.method, query, body)
            assert error["field"] == name and error["value"] == parameter["example"]


def test_selection(api):
    """What the parameters of lists select."""
    def names(path, kind):
        return [found["name"] for found in api.do("GET", path)[kind]]

    api.do("PATCH", "/v1/sessions/other", {"tags": {"team": None, "a b": "c=d"}, "group": "x",
                                           "destination": "fd91::2", "enabled": False})
    for query in ("group=noc", "tag=team=noc", "source=src0", "enabled=1", "enabled=true",
                  "destination=10.91.0.2", "filter=web&tag=team%3Dnoc"):
        assert names(f"/v1/sessions?{query}", "sessions") == ["ids"], query
    for query in ("group=x", "tag=a%20b=c=d", "enabled=0", "destination=fd91:0::2"):
        assert names(f"/v1/sessions?{query}", "sessions") == ["other"], query
    for query in ("filter=nosuch", "tag=team=noc&tag=a%20b=c=d", "tag=team=", "group="):
        assert names(f"/v1/sessions?{query}", "sessions") == [], query
    api.do("PATCH", "/v1/filters/web", {"group": "noc", "tags": {"team": "noc"}})
    assert names("/v1/filters?group=noc&tag=team=noc", "filters") == ["web"]
    assert names("/v1/filters?group=", "filters") == ["full"]
    assert names("/v1/stats?session=ids", "sessions") == ["ids"]
    assert "rules" not in api.do("GET", "/v1/stats?rules=0")["sessions"][0]
    assert len(api.do("GET", "/v1/stats")["sessions"][0]["rules"]) == 2


# Fields.


@WITH_BODY
def test_documented_fields(api, operation):
    for example in examples(operation):
        assert api.call(operation.method, target(operation), example).status in (200, 201)
        api.do("PUT", "/v1/config?prune=1", BASE)


@pytest.mark.parametrize("operation,shown", [
    (Operation("POST", "/v1/filters"), "/v1/filters/dns"),
    (Operation("PATCH", "/v1/filters/{name}"), "/v1/filters/web"),
    (Operation("POST", "/v1/filters/{name}/rules"), "/v1/filters/web/rules/inbound/20"),
    (Operation("PATCH", "/v1/filters/{name}/rules/{direction}/{priority}"),
     "/v1/filters/web/rules/inbound/11"),
    (Operation("POST", "/v1/sessions"), "/v1/sessions/forensics"),
    (Operation("PATCH", "/v1/sessions/{name}"), "/v1/sessions/ids")], ids=str)
def test_fields_are_kept(api, operation, shown):
    """What was sent is what is shown; the VNI is drawn, and protocol numbers have names."""
    [sent] = examples(operation)
    answer = api.call(operation.method, target(operation), sent)
    now = api.call("GET", shown)
    assert now.headers["ETag"] == answer.headers["ETag"]
    assert answer.headers["Location"] == (shown if answer.status == 201 else None)
    assert {**answer.body, "warnings": []} == {**now.body, "warnings": []}
    kept = {field: now.body[field] for field in sent}
    if sent.get("vni") == "auto":
        assert kept.pop("vni") not in (42, 43)
        sent = {field: value for field, value in sent.items() if field != "vni"}
    assert kept == json.loads(json.dumps(sent).replace('"protocol": 17', '"protocol": "udp"'))


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"NaN", b"Infinity", b"01", b"0x1"])
def test_numbers_that_are_none(api, number):
    api.refused(400, "MalformedJson", "POST", "/v1/filters", b'{"name": %s}' % number)


def text(steps):
    """The place as an error names it: sessions[0].filter"""
    parts = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return "".join(parts).removeprefix(".")


def places(value, steps=()):
    """Where each value of a document stands, the document itself first."""
    yield steps
    children = (value.items() if isinstance(value, dict)
                else enumerate(value) if isinstance(value, list) else [])
    for step, child in children:
        yield from places(child, (*steps, step))


def at(value, steps):
    for step in steps:
        value = value[step]
    return value


def replaced(value, steps, new):
    if not steps:
        return new
    result = copy.deepcopy(value)
    at(result, steps[:-1])[steps[-1]] = new
    return result


@WITH_BODY
def test_undocumented_fields(api, operation):
    """Refused in every object, by their place."""
    for example in examples(operation):
        for steps in places(example):
            there = at(example, steps)
            if not isinstance(there, dict) or "tags" in steps:
                continue
            wrong = replaced(example, steps, {**there, "nosuch": 1})
            error = api.refused(400, "UnknownField", operation.method, target(operation), wrong)
            assert error["field"] == text((*steps, "nosuch")) and error["value"] == "1"


@WITH_BODY
def test_types(api, operation):
    """A value of another type is refused at each place."""
    for example in examples(operation):
        for steps in places(example):
            wrong = replaced(example, steps, {} if isinstance(at(example, steps), list) else [])
            error = api.refused(400, "InvalidType", operation.method, target(operation), wrong)
            assert error["field"] == text(steps) and error["value"] in ("{}", "[]")


def required(schema, value, steps=()):
    """Where the fields stand that a document cannot do without."""
    schema = DOCUMENT.whole(schema)
    if isinstance(value, list) and "items" in schema:
        for index, element in enumerate(value):
            yield from required(schema["items"], element, (*steps, index))
    if isinstance(value, dict):
        for part in [schema, *map(DOCUMENT.whole, schema.get("allOf", []))]:
            yield from ((*steps, field) for field in part.get("required", []))
        for field, child in properties(schema).items():
            if field in value:
                yield from required(child, value[field], (*steps, field))


@WITH_BODY
def test_required_fields(api, operation):
    """They are missed where they are not there, and where they are null."""
    for example in examples(operation):
        for steps in required(DOCUMENT.request(operation), example):
            null = replaced(example, steps, None)
            absent = copy.deepcopy(null)
            del at(absent, steps[:-1])[steps[-1]]
            for body in (null, absent):
                error = api.refused(400, "MissingField", operation.method, target(operation), body)
                assert error["field"] == text(steps)


def bare(schema, value):
    """The value with no more than it must have."""
    if isinstance(value, list):
        return [bare(DOCUMENT.whole(schema)["items"], element) for element in value]
    if not isinstance(value, dict):
        return value
    return {steps[0]: bare(properties(schema)[steps[0]], value[steps[0]])
            for steps in required(schema, value) if len(steps) == 1}


@pytest.mark.parametrize("path", ["/v1/filters", "/v1/sessions", "/v1/filters/{name}/rules"])
def test_defaults(api, path):
    """Fields that are not required may be absent; they get the defaults that the document has."""
    operation = Operation("POST", path)
    schema = DOCUMENT.request(operation)
    [example] = examples(operation)
    shown = api.call(operation.method, target(operation), bare(schema, example)).body
    for field, child in properties(schema).items():
        default = DOCUMENT.whole(child).get("default", ...)
        if default not in (..., "auto"):
            assert shown[field] == default, field


@pytest.mark.parametrize("path", ["/v1/filters/{name}", "/v1/sessions/{name}",
                                  "/v1/filters/{name}/rules/{direction}/{priority}"])
def test_patch_null(api, path):
    """Null brings a field back to its default, where the document lets it be null."""
    operation = Operation("PATCH", path)
    body, expected = {}, {}
    for field, child in properties(DOCUMENT.request(operation)).items():
        if DOCUMENT.validator(child).is_valid(None):
            body[field] = None
            options = [DOCUMENT.whole(option) for option in child.get("anyOf", [])]
            expected.update((field, option["default"]) for option in options if "default" in option)
    [example] = examples(operation)
    if "rules" in path:
        example = {**example, "priority": RULE["priority"]}  # the path stays
    api.do("PATCH", target(operation), example)
    shown = api.do("PATCH", target(operation), body)
    expected.pop("vni", None)  # which stays what it was
    assert {field: shown[field] for field in expected} == expected and len(expected) >= 2
    assert not {"source_cidr", "destination_cidr"} & shown.keys()
    assert shown.get("tags", {}) == {}


# Values that the document and the server must agree on.
NAMES = ["", "x", "é" * 128, "é" * 129, "😀" * 128, "a/b", "http://x", "https://x", "x http://",
         "http:/x", "a\nb", "\0", "\x7f", "\x85x", "\xa0", " ", "..", "a%2Fb", 'q"uote\\', 1]
MANY = {str(number): "" for number in range(21)}
BOOLEANS = [True, False, 0, "true"]
RULE_AT, SESSION_AT = ("filters", 0, "outbound", 0), ("sessions", 0)
VALUES = {
    ("filters", 0, "name"): NAMES,
    ("filters", 0, "description"): ["", "é" * 256, "é" * 257, "http://x", "https://", "a http://",
                                    "a\nb"],
    ("filters", 0, "group"): ["", "é" * 128, "é" * 129, "http://x"],
    ("filters", 0, "tags"): [
        {}, dict(list(MANY.items())[1:]), MANY, {"": ""}, {"é" * 128: "é" * 128}, {"k" * 129: ""},
        {"k": "v" * 129}, {"acs:k": ""}, {"k": "acs:"}, {"aliyunk": ""}, {"k": "aliyun"},
        {"http://": ""}, {"k": "a\nhttps://"}, {"xaliyun": "xacs:"}],
    (*RULE_AT, "priority"): [-1, 0, 1, 16777216, 16777217, 1 << 32, 1 << 70, 1.5, "1"],
    (*RULE_AT, "policy"): ["collect", "ignore", "drop", ""],
    (*RULE_AT, "protocol"): ["all", "icmp", "icmpv6", "tcp", "udp", "sctp", "gre", "0", "99", "255",
                             "256", "-1", "", "TCP", "ip", "6 ", 0, 255, 256, -1, 6.5, True],
    (*RULE_AT, "source_cidr"): ["0.0.0.0/0", "10.0.0.0/8", "1.2.3.4/32", "10.0.0.0", "10.0.0.0/",
                                "/8", "x.y/8", "", "10.0.0.0/8 ", " 10.0.0.0/8", "10.0.0.0\0/8"],
    ("filters", 0, "inbound", 0, "source_port"): [
        "-1/-1", "0/0", "0/65535", "80/443", "80", "80/", "/80", "-1/80", "a/b", "", "80/80 ",
        "80-90"],
    (*SESSION_AT, "name"): NAMES,
    (*SESSION_AT, "vni"): [-1, 0, 16777215, 16777216, "auto", "1", "", 1.5],
    (*SESSION_AT, "priority"): [-1, 0, 1, 32766, 32767],
    (*SESSION_AT, "packet_length"): [63, 64, 8500, 8501],
    (*SESSION_AT, "oversize"): ["truncate", "fragment", "drop", ""],
    (*SESSION_AT, "fall_through"): BOOLEANS,
    (*SESSION_AT, "enabled"): BOOLEANS,
    (*SESSION_AT, "destination"): ["10.0.0.1", "fd00::1", "::ffff:10.0.0.1", "10.0.0", "", "host",
                                   "10.0.0.1/32", "10.0.0.1 ", "10.0.0.1\0", "fd00::1%src0"],
    (*SESSION_AT, "sources"): [
        [], ["a"], ["a", "b"], ["a", "a"], ["x" * 15], ["x" * 16], [""], ["."], [".."], ["..."],
        ["a b"], ["a/b"], ["a:b"], ["a\nb"], ["a\x7f"], ["ä.1"],
        ["a:flip"], ["x" * 15 + ":flip"], ["a", "a:flips"], [".:flip"], [":flip"], ["veth*", "eth[0-9]:flip"],
        ["*" * 64], ["*" * 65], ["a*/"], ["a* "], ["netns:web/eth0", "netns:/a/b/c:flip"], ["netns:web"], ["netns:../a"], ["netns:a/b/c"], ["netns:a/" + "b" * 16],
        ["netns:" + "a" * 255 + "/b"], ["netns:" + "a" * 256 + "/b"], ["netns:a/.."], ["a*:b"], ["a[/]"], ["a*\x7f"], ["a*\n"]]}


@pytest.mark.parametrize("steps", VALUES, ids=text)
def test_values(api, steps):
    """What the document allows is accepted, and what it does not is refused by its place."""
    validator = DOCUMENT.validator(DOCUMENT.request(PUT_CONFIG))
    [document] = examples(PUT_CONFIG)
    if steps[0] == "filters":
        document = {"filters": document["filters"]}
    for value in VALUES[steps]:
        body = replaced(document, steps, value)
        answer = api.call("PUT", "/v1/config?dry_run=1&prune=1", body)
        valid = validator.is_valid(body)
        assert answer.status == (200 if valid else 400), (value, answer.body)
        if not valid:
            assert answer.body["error"]["field"].startswith(text(steps))


@pytest.mark.parametrize("field,values", [
    ("source_port", [0, 65535, 65536, -1, "1"]),
    ("protocol", ["tcp", 6, "132", "256", "all", 1 << 70]),
    ("source", ["10.0.0.1", "10.0.0", "10.0.0.1\0"])])
def test_values_of_packets(api, field, values):
    """The same for what may be asked about, but that no packet is of all protocols."""
    validator = DOCUMENT.validator(DOCUMENT.request(EXPLAIN))
    for value in values:
        body = replaced(examples(EXPLAIN)[0], ("packet", field), value)
        valid = validator.is_valid(body) and value != "all"
        assert api.call("POST", "/v1/explain", body).status == (200 if valid else 400), value


@pytest.mark.parametrize("frame", ["", "00", "0", "0g", "  ", "0x", "-1", "FFff"])
def test_frames(api, frame):
    body = {"interface": "src0", "direction": "outbound", "frames": [frame]}
    valid = DOCUMENT.validator(DOCUMENT.request(EXPLAIN)).is_valid(body)
    assert api.call("POST", "/v1/explain", body).status == (200 if valid else 400)


@WITHOUT_BODY
def test_unexpected_body(api, operation):
    """Nothing that a client says is passed over."""
    before = api.do("GET", "/v1/config")
    for body in ({"enabled": False}, b" ", b"\0"):
        error = api.refused(400, "UnexpectedBody", operation.method, target(operation), body)
        assert error["field"] == "body"
    assert api.do("GET", "/v1/config") == before


# Errors: of each operation those that the document has, with its statuses, and no others.

JSON_FAULTS = [("MalformedJson", b""), ("MalformedJson", b'{"name": "a"'), ("InvalidType", []),
               ("MalformedJson", b'{"name": "\xff"}'), ("DuplicateKey", b'{"a": 1, "a": 1}')]
LABEL_FAULTS = {"InvalidDescription": {"description": "x" * 257},
                "InvalidGroup": {"group": "x" * 129}, "InvalidTag": {"tags": {"acs:": ""}},
                "TooManyTags": {"tags": MANY}}
RULE_FAULTS = {"OutOfRange": {"priority": 0}, "InvalidPolicy": {"policy": "drop"},
               "InvalidProtocol": {"protocol": "icpm"},
               "InvalidCidr": {"source_cidr": "10.0.0.0/33"},
               "HostBitsSet": {"source_cidr": "10.0.0.1/8"},
               "InvalidPortRange": {"protocol": "tcp", "destination_port": "443/80"},
               "FamilyMismatch": {"source_cidr": "fd00::/8", "destination_cidr": "10.0.0.0/8"},
               "PortsNotAllowed": {"protocol": "icmp", "destination_port": "1/1"}}
# A filter's rules, one of which is wrong, or as many as are too many.
RULES_FAULTS = {**{code: {"inbound": [{**RULE, **fault}]} for code, fault in RULE_FAULTS.items()},
                "DuplicatePriority": {"outbound": [RULE, RULE]},
                "TooManyRules": {"inbound": rules(LIMIT + 1)}}
SOURCE_FAULTS = {"InvalidInterface": {"sources": ["a b"]}, "InvalidPattern": {"sources": ["veth["]},
                 "InvalidNamespace": {"sources": ["netns:web"]},
                 "OwnDevice": {"sources": ["vxtap0"]}}
SESSION_FAULTS = {**LABEL_FAULTS, **SOURCE_FAULTS, "OutOfRange": {"priority": 0},
                  "UnknownFilter": {"filter": "nosuch"},
                  "InvalidAddress": {"destination": "10.0.0"},
                  "InvalidDestination": {"destination": "224.0.0.1"},
                  "InvalidVni": {"vni": "many"}, "InvalidOversize": {"oversize": "drop"},
                  "DuplicateSource": {"sources": ["a", "a"]},
                  "PriorityTaken": {"priority": 9},
                  "SourceIsDestination": {"destination": "10.90.0.1"}}  # of src0
NAME_FAULT = {"InvalidName": {"name": "a/b"}}
IMMUTABLE = {"ImmutableField": {"name": "x"}}
PACKET_FAULTS = {"InvalidAddress": {"source": "10.0.0"}, "InvalidProtocol": {"protocol": "all"},
                 "FamilyMismatch": {"source": "fd00::1"}, "OutOfRange": {"source_port": 65536},
                 "PortsNotAllowed": {"protocol": "icmp"}}


def under(field, faults):
    """The same faults in the first element of a document's list."""
    [document] = examples(PUT_CONFIG)
    return {code: {field: [{**document[field][0], **fault}]} for code, fault in faults.items()}


# Those that a body may have, by operation: the code, and the fields that are put over its example.
DIRECTED_RULE_FAULTS = {**RULE_FAULTS, "InvalidDirection": {"direction": "in"},
                        "PriorityTaken": {"priority": 12}}
FAULTS = {
    "POST /v1/filters": {
        **NAME_FAULT, **LABEL_FAULTS, **RULES_FAULTS, "NameTaken": {"name": "web"}},
    "PATCH /v1/filters/{name}": {**IMMUTABLE, **LABEL_FAULTS, **RULES_FAULTS},
    "POST /v1/filters/{name}/rules": DIRECTED_RULE_FAULTS,
    "PATCH /v1/filters/{name}/rules/{direction}/{priority}": {
        **DIRECTED_RULE_FAULTS, "ImmutableField": {"direction": "outbound"}},
    "POST /v1/sessions": {**NAME_FAULT, **SESSION_FAULTS, "NameTaken": {"name": "ids"}},
    "PATCH /v1/sessions/{name}": {**IMMUTABLE, **SESSION_FAULTS},
    "POST /v1/sessions/{name}/attach": {
        **SOURCE_FAULTS, "SourceIsDestination": {"sources": ["und0"]}},
    "POST /v1/sessions/{name}/detach": {"SourceNotFound": {"sources": ["src0", "nosuch"]}},
    "PUT /v1/config": {
        **under("filters", {**NAME_FAULT, **LABEL_FAULTS, **RULES_FAULTS}),
        **under("sessions", SESSION_FAULTS),
        "DuplicateName": {"filters": examples(PUT_CONFIG)[0]["filters"] * 2},
        "MissingField": {"filters": [{}]}},
    "POST /v1/explain": {
        **{code: {"packet": {**examples(EXPLAIN)[0]["packet"], **fault}}
           for code, fault in PACKET_FAULTS.items()},
        "InvalidDirection": {"direction": "in"}, "InvalidQuestion": {"frames": []},
        "InvalidFrame": {"packet": None, "frames": ["0"]},
        "TooManyFrames": {"packet": None, "frames": [""] * 10001},
        "InterfaceNotFound": {"interface": "nosuch"}}}


def body_faults(operation):
    """Pairs of a code and a body that is refused with it."""
    if not DOCUMENT.request(operation):
        return [("UnexpectedBody", {})]
    example = examples(operation)[0]
    first = next(iter(example))  # which is required
    faults = {"MissingField": {first: None}, "UnknownField": {"nosuch": 1}}
    faults.update(FAULTS[str(operation)])
    return [*JSON_FAULTS, *((code, {**example, **fault}) for code, fault in faults.items())]


def path_faults(operation):
    """The same for paths: a code, and the target that is refused with it."""
    name = "FilterNotFound" if "filters" in operation.path else "SessionNotFound"
    faults = {"{name}": {name: {"name": "no such"}},
              "{priority}": {"RuleNotFound": {"priority": 99}, "InvalidType": {"priority": "1x"},
                             "OutOfRange": {"priority": 1 << 32},
                             "InvalidDirection": {"direction": "in"}}}
    if operation.method == "POST":
        faults["{interface}"] = {"InvalidInterface": {"interface": "a b"},
                                 "InvalidPattern": {"interface": "veth["},
                                 "InvalidNamespace": {"interface": "netns:web"},
                                 "OwnDevice": {"interface": "vxtap0"},
                                 "SourceIsDestination": {"interface": "und0"}}
        faults["{name}/rules"] = {"TooManyRules": {"name": "full"}}
    else:
        faults["{interface}"] = {"SourceNotFound": {"interface": "nosuch"}}
    for part, wrong in faults.items():
        if part in operation.path:
            yield from ((code, target(operation, **names)) for code, names in wrong.items())
    if str(operation) == "DELETE /v1/filters/{name}":
        yield "FilterInUse", target(operation)


WRONG_QUERIES = {"tag": "tag=x", "enabled": "enabled=", "rules": "rules=no", "dry_run": "dry_run=2",
                 "prune": "prune=1&prune=1", "group": "group=a&group=a"}


def query_faults(operation):
    known = DOCUMENT.parameters(operation, "query").keys()
    queries = [("UnknownParameter", "nosuch=1"), ("MalformedPath", "x=%zz")]
    queries += [("InvalidParameter", WRONG_QUERIES[name]) for name in known & WRONG_QUERIES.keys()]
    if "destination" in known:
        queries += [("InvalidAddress", "destination=10.0.0")]
    if "session" in known:
        queries += [("SessionNotFound", "session=nosuch")]
    return [(code, f"{target(operation)}?{query}") for code, query in queries]


def key_of_another(operation):
    """An Idempotency-Key that test_errors() has sent with another request."""
    return f"before {operation}"


def header_faults(operation):
    """The same for headers."""
    yield "MalformedRequest", {"content_length": "x"}
    yield "HeaderTooLong", {"x_long": "x" * 10000}
    yield "TooLarge", {"content_length": str((64 << 20) + 1)}
    known = DOCUMENT.parameters(operation, "header")
    if "If-Match" in known:
        yield "PreconditionFailed", {"if_match": '"0123456789ABCDEF"'}
    if "Idempotency-Key" in known:
        yield "InvalidIdempotencyKey", {"idempotency_key": "k" * 256}
        yield "InvalidIdempotencyKey", {"idempotency_key": ""}
        yield "IdempotencyKeyReused", {"idempotency_key": key_of_another(operation)}


# Those that need a daemon of their own: see test_concurrency.py.
ELSEWHERE = {"StateNotWritten", "TunnelPortInUse"}
NEVER = {"Internal", "Kernel", "Netlink", "StateDamaged"}  # unless something is broken


@OPERATIONS
def test_errors(api, operation):
    api.call("POST", "/v1/sessions/other/start", idempotency_key=key_of_another(operation))
    before = api.do("GET", "/v1/config")
    body = examples(operation)[0] if DOCUMENT.request(operation) else None
    place = target(operation)
    requests = [(code, place, wrong, {}) for code, wrong in body_faults(operation)]
    requests += [(code, wrong, body, {}) for code, wrong in path_faults(operation)]
    requests += [(code, wrong, body, {}) for code, wrong in query_faults(operation)]
    requests += [(code, place, body, wrong) for code, wrong in header_faults(operation)]
    provoked = set()
    for code, place, sent, headers in requests:
        answer = api.call(operation.method, place, sent, **headers)
        assert answer.status >= 400 and answer.body["error"]["code"] == code, (place, sent, answer)
        provoked.add((answer.status, code))
    assert api.do("GET", "/v1/config") == before
    documented = {(status, code) for status, codes in DOCUMENT.codes(operation).items()
                  for code in codes - ELSEWHERE - NEVER}
    if "{priority}" in operation.path and operation.method == "PATCH":
        documented.remove((400, "TooManyRules"))  # see test_lowered_limit
    assert provoked == documented


# Answers.


def test_answers_after_traffic(host, api):
    """All that can be read, of sources in several states, with counters that are not zero."""
    document = copy.deepcopy(BASE)
    document["filters"][0]["inbound"] = [{"priority": 1, "policy": "collect"}]
    document["sessions"][0].update(name="short", packet_length=64)
    document["sessions"][1]["sources"] = ["late0"]
    warnings = api.do("PUT", "/v1/config?prune=1", document)["warnings"]
    assert any("late0" in warning and "pending" in warning for warning in warnings)
    host.udp(HOST, "5353", "5", "200")
    api.do("POST", "/v1/sessions/short/attach", {"sources": ["lo"]})
    api.do("DELETE", "/v1/sessions/short/sources/src0")
    states = {s["interface"]: s["state"] for s in api.do("GET", "/v1/status")["sources"]}
    assert states == {"lo": "active", "late0": "pending"}
    for operation in DOCUMENT.operations:
        if operation.method == "GET" and "{" not in operation.path:
            assert api.call("GET", operation.path).status == 200
    [short] = api.do("GET", "/v1/stats?session=short")["sessions"]
    assert short["totals"]["truncated_packets"] == 5 and short["rules"][0]["packets"] == 5
    states = {source["interface"]: source["state"] for source in short["sources"]}
    assert states == {"lo": "active", "src0": "detached"}
    sample = 'vxtap_matched_packets_total{session="short",source="src0",direction="inbound"} 5\n'
    assert sample in api.do("GET", "/metrics")


def test_paused_source(host, api):
    """A destination's address that comes to a source pauses it; all answers say so."""
    host.run("host", "ip", "address", "add", f"{COLLECTOR}/32", "dev", "src0")
    try:
        path = "/v1/sessions/ids/sources/src0"
        wait_for("src0 is paused", lambda: api.do("GET", path)["state"] == "paused")
        source = api.do("GET", path)
        assert COLLECTOR in source["message"]
        assert [source] == api.do("GET", "/v1/sessions/ids/sources")["sources"]
        assert not api.do("GET", "/v1/status")["healthy"]
    finally:
        host.run("host", "ip", "address", "delete", f"{COLLECTOR}/32", "dev", "src0")
    wait_for("src0 is active", lambda: api.do("GET", path)["state"] == "active")


def frame(protocol, payload, destination=HOST):
    """An IPv4 packet of the client in an Ethernet frame, in hexadecimal."""
    header = struct.pack("!BBHIBBH4s4s", 0x45, 0, 20 + len(payload), 0, 64, protocol, 0,
                         socket.inet_aton(CLIENT), socket.inet_aton(destination))
    return (bytes.fromhex("020000000000020000000000" + "0800") + header + payload).hex()


def udp(port, size=8):
    return struct.pack("!HHHH", 49152, port, size, 0)


ARP = "ffffffffffff020000000000" + "0806" + "00" * 28
VXLAN = udp(4789, 16) + bytes.fromhex("0800000000002a00")


@pytest.mark.parametrize("decision,interface,packet", [
    ("mirrored", "src0", frame(6, struct.pack("!HH16x", 40000, 443))),
    ("ignored", "src0", frame(17, udp(53))),
    ("not_matched", "src0", frame(1, bytes(8))),
    ("not_a_source", "und0", frame(17, udp(53))),
    ("skipped", "src0", ARP),
    ("skipped", "src0", ""),
    ("own", "src0", frame(17, VXLAN, COLLECTOR))], ids=lambda text: text[:12])
def test_decisions(api, decision, interface, packet):
    dns = {"direction": "inbound", "priority": 20, "policy": "ignore", "protocol": "udp",
           "destination_port": "53/53"}
    api.do("POST", "/v1/filters/web/rules", dns)
    question = {"interface": interface, "direction": "inbound", "frames": [packet]}
    [explained] = api.do("POST", "/v1/explain", question)["packets"]
    assert explained["decision"] == decision


def test_described_packet(api):
    """The rules that were tried, and the sessions that were not."""
    api.do("PATCH", "/v1/sessions/other", {"sources": ["src0"], "enabled": False})
    question = {"interface": "src0", "direction": "inbound",
                "packet": {"protocol": "udp", "source": CLIENT, "destination": HOST,
                           "source_port": 1, "destination_port": 2}}
    [explained] = api.do("POST", "/v1/explain", question)["packets"]
    [tried] = explained["sessions"]
    assert tried["result"] == "no_match"
    assert [rule["priority"] for rule in tried["rules_tried"]] == [10, 12]
    assert [session["session"] for session in explained["not_tried"]] == ["other"]
