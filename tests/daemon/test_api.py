"""The document docs/openapi.yaml and the server say the same, each as much as the other.

Every answer is held against the document by the client that the tests use.
"""

import copy
import json
import re
import signal
from pathlib import Path

import jsonschema
import pytest
from api import DOCUMENT, CheckedApi, Operation
from lab import BIN, COLLECTOR, wait_for
from mirror import Mirror

LIMIT = 4  # rules per direction
OPERATIONS = pytest.mark.parametrize("operation", DOCUMENT.operations, ids=str)
WITH_BODY = pytest.mark.parametrize("operation", filter(DOCUMENT.request, DOCUMENT.operations), ids=str)

RULE = {"priority": 10, "policy": "collect", "protocol": "tcp", "destination_port": "443/443"}
SESSION = {"name": "ids", "filter": "web", "sources": ["src0"], "destination": COLLECTOR, "vni": 42,
           "priority": 1, "enabled": True, "tags": {"team": "noc"}, "group": "noc"}
# What is there before each test. The document's examples fit in with it.
BASE = {"filters": [{"name": "web", "inbound": [RULE, {**RULE, "priority": 12}]},
                    {"name": "full", "inbound": [{**RULE, "priority": p + 1} for p in range(LIMIT)]}],
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
    used = {node["$ref"] for node in nodes(DOCUMENT.root) if isinstance(node, dict) and "$ref" in node}
    there = {f"#/components/{kind}/{name}" for kind, components in DOCUMENT.root["components"].items()
             for name in components}
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
        node = DOCUMENT.root["paths"][operation.path][operation.method.lower()]
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
    code = re.compile(r'(?:Error::Kind::\w+,|\brefuse\(|\brefusal\(\d+,)\s*"([A-Z]\w+)"')
    agent = Path(__file__).resolve().parents[2] / "agent"
    given = {found for file in agent.rglob("*.cpp") for found in code.findall(file.read_text())}
    at_start = {"AlreadyRunning", "DeviceNameTaken", "FileNotReadable", "KernelTooOld", "NotPermitted",
                "Socket", "StateInUse", "StateNotWritable", "StateTooNew"}
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
    wrong = Operation("", path)
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "NOSUCH"} - {*takes}:
        answer = api.send(method, target(wrong))
        assert answer.status == 405 and answer.headers["Allow"].split(", ") == takes
        assert answer.body["error"]["field"] == "method" and answer.body["error"]["value"] == method


@pytest.mark.parametrize("path", ["/", "/v2", "/v1/nosuch", "/v1/filters/web/nosuch", "/v1/sessions/ids/start/x",
                                  "/metrics/x"])
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
            assert api.send(operation.method, query, body).status == 200
        else:
            error = api.refused(400, "UnknownParameter", operation.method, query, body)
            assert error["field"] == name and error["value"] == parameter["example"]


def test_selection(api):
    """What the parameters of lists select."""
    names = lambda path, kind: [found["name"] for found in api.do("GET", path)[kind]]  # noqa: E731
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
    assert names("/v1/filters?group=", "filters") == []
    assert [session["name"] for session in api.do("GET", "/v1/stats?session=ids")["sessions"]] == ["ids"]
    assert "rules" not in api.do("GET", "/v1/stats?rules=0")["sessions"][0]
    assert len(api.do("GET", "/v1/stats")["sessions"][0]["rules"]) == 2


# Fields.


@WITH_BODY
def test_documented_fields(api, operation):
    for example in examples(operation):
        assert api.send(operation.method, target(operation), example).status in (200, 201)
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
    answer = api.send(operation.method, target(operation), sent)
    now = api.send("GET", shown)
    assert now.headers["ETag"] == answer.headers["ETag"]
    assert answer.headers["Location"] == (shown if answer.status == 201 else None)
    assert {**answer.body, "warnings": []} == {**now.body, "warnings": []}
    kept = {field: now.body[field] for field in sent}
    if sent.get("vni") == "auto":
        assert kept.pop("vni") not in (42, 43)
        sent = {field: value for field, value in sent.items() if field != "vni"}
    assert kept == json.loads(json.dumps(sent).replace('"protocol": 17', '"protocol": "udp"'))


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
    needed = {steps[0] for steps in required(schema, value)} if isinstance(value, dict) else ()
    return {field: bare(properties(schema)[field], value[field]) for field in needed} or value


@pytest.mark.parametrize("operation", [Operation("POST", "/v1/filters"), Operation("POST", "/v1/sessions"),
                                       Operation("POST", "/v1/filters/{name}/rules")], ids=str)
def test_defaults(api, operation):
    """Fields that are not required may be absent; they get the defaults that the document has."""
    schema = DOCUMENT.request(operation)
    [example] = examples(operation)
    shown = api.send(operation.method, target(operation), bare(schema, example)).body
    for field, child in properties(schema).items():
        default = DOCUMENT.whole(child).get("default", ...)
        if default not in (..., "auto"):
            assert shown[field] == default, field


@pytest.mark.parametrize("operation", [o for o in DOCUMENT.operations if o.method == "PATCH"], ids=str)
def test_patch_null(api, operation):
    """Null brings a field back to its default, where the document lets it be null."""
    body, expected = {}, {}
    for field, child in properties(DOCUMENT.request(operation)).items():
        if DOCUMENT.validator(child).is_valid(None):
            body[field] = None
            options = [DOCUMENT.whole(option) for option in child.get("anyOf", [])]
            expected.update((field, option["default"]) for option in options if "default" in option)
    [example] = examples(operation)
    api.send(operation.method, target(operation), {**example, "priority": RULE["priority"]}
             if "rules" in operation.path else example)
    shown = api.send(operation.method, target(operation), body).body
    expected.pop("vni", None)  # which stays what it was
    assert {field: shown[field] for field in expected} == expected and len(expected) >= 2
    assert not {"source_cidr", "destination_cidr"} & shown.keys()
    assert shown.get("tags", {}) == {}


# Values that the document and the server must agree on.
NAMES = ["", "x", "é" * 128, "é" * 129, "😀" * 128, "a/b", "http://x", "https://x", "x http://x",
         "http:/x", "a\nb", "\0", "\x7f", "\x85x", "\xa0", " ", "..", "a%2Fb", 'q"uote\\', 1]
MANY = {str(number): "" for number in range(21)}
BOOLEANS = [True, False, 0, "true"]
RULE_AT, SESSION_AT = ("filters", 0, "outbound", 0), ("sessions", 0)
VALUES = {
    ("filters", 0, "name"): NAMES,
    ("filters", 0, "description"): ["", "é" * 256, "é" * 257, "http://x", "https://", "a http://", "a\nb"],
    ("filters", 0, "group"): ["", "é" * 128, "é" * 129, "http://x"],
    ("filters", 0, "tags"): [
        {}, dict(list(MANY.items())[1:]), MANY, {"": ""}, {"é" * 128: "é" * 128}, {"k" * 129: ""},
        {"k": "v" * 129}, {"acs:k": ""}, {"k": "acs:"}, {"aliyunk": ""}, {"k": "aliyun"}, {"http://": ""},
        {"k": "a\nhttps://"}, {"xaliyun": "xacs:"}],
    (*RULE_AT, "priority"): [-1, 0, 1, 16777216, 16777217, 1 << 32, 1 << 70, 1.5, "1"],
    (*RULE_AT, "policy"): ["collect", "ignore", "drop", ""],
    (*RULE_AT, "protocol"): ["all", "icmp", "icmpv6", "tcp", "udp", "sctp", "gre", "0", "99", "255",
                             "256", "-1", "", "TCP", "ip", "6 ", 0, 255, 256, -1, 6.5, True],
    (*RULE_AT, "source_cidr"): ["0.0.0.0/0", "10.0.0.0/8", "1.2.3.4/32", "10.0.0.0", "10.0.0.0/", "/8",
                                "a.b/8", "", "10.0.0.0/8 ", " 10.0.0.0/8", "10.0.0.0\0/8"],
    ("filters", 0, "inbound", 0, "source_port"): ["-1/-1", "0/0", "0/65535", "80/443", "80", "80/", "/80",
                                                  "-1/80", "a/b", "", "80/80 ", "80-90"],
    (*SESSION_AT, "name"): NAMES,
    (*SESSION_AT, "vni"): [-1, 0, 16777215, 16777216, "auto", "1", "", 1.5],
    (*SESSION_AT, "priority"): [-1, 0, 1, 32766, 32767],
    (*SESSION_AT, "packet_length"): [63, 64, 8500, 8501],
    (*SESSION_AT, "oversize"): ["truncate", "fragment", "drop", ""],
    (*SESSION_AT, "fall_through"): BOOLEANS,
    (*SESSION_AT, "enabled"): BOOLEANS,
    (*SESSION_AT, "destination"): ["10.0.0.1", "fd00::1", "::ffff:10.0.0.1", "10.0.0", "", "host",
                                   "10.0.0.1/32", "10.0.0.1 ", "10.0.0.1\0", "fd00::1%src0"],
    (*SESSION_AT, "sources"): [[], ["a"], ["a", "b"], ["a", "a"], ["x" * 15], ["x" * 16], [""], ["."],
                               [".."], ["..."], ["a b"], ["a/b"], ["a:b"], ["a\nb"], ["a\x7f"], ["ä.1"]]}


@pytest.mark.parametrize("steps", VALUES, ids=text)
def test_values(api, steps):
    """What the document allows is accepted, and what it does not is refused by its place."""
    validator = DOCUMENT.validator(DOCUMENT.request(PUT_CONFIG))
    [document] = examples(PUT_CONFIG)
    if steps[0] == "filters":
        document = {"filters": document["filters"]}
    for value in VALUES[steps]:
        body = replaced(document, steps, value)
        answer = api.send("PUT", "/v1/config?dry_run=1&prune=1", body)
        valid = validator.is_valid(body)
        assert answer.status == (200 if valid else 400), (value, answer.body)
        if not valid:
            assert answer.body["error"]["field"].startswith(text(steps))


@pytest.mark.parametrize("field,values", [
    ("source_port", [0, 65535, 65536, -1, "1"]), ("protocol", ["tcp", 6, "132", "256", "all", 1 << 70]),
    ("source", ["10.0.0.1", "10.0.0", "10.0.0.1\0"])])
def test_values_of_packets(api, field, values):
    """The same for what may be asked about, but that no packet is of all protocols."""
    validator = DOCUMENT.validator(DOCUMENT.request(EXPLAIN))
    for value in values:
        body = replaced(examples(EXPLAIN)[0], ("packet", field), value)
        valid = validator.is_valid(body) and value != "all"
        assert api.send("POST", "/v1/explain", body).status == (200 if valid else 400), value


@pytest.mark.parametrize("frame", ["", "00", "0", "0g", "  ", "0x", "-1", "FFff"])
def test_frames(api, frame):
    body = {"interface": "src0", "direction": "outbound", "frames": [frame]}
    valid = DOCUMENT.validator(DOCUMENT.request(EXPLAIN)).is_valid(body)
    assert api.send("POST", "/v1/explain", body).status == (200 if valid else 400)


# Errors: of each operation those that the document has, with its statuses, and no others.

JSON_FAULTS = {"MalformedJson": b'{"name": "a"', "DuplicateKey": b'{"name": "a", "name": "a"}',
               "InvalidType": [], "UnknownField": {"nosuch": 1}}
LABEL_FAULTS = {"InvalidDescription": {"description": "x" * 257}, "InvalidGroup": {"group": "x" * 129},
                "InvalidTag": {"tags": {"acs:": ""}}, "TooManyTags": {"tags": MANY}}
RULE_FAULTS = {"OutOfRange": {"priority": 0}, "InvalidPolicy": {"policy": "drop"},
               "InvalidProtocol": {"protocol": "icpm"}, "InvalidCidr": {"source_cidr": "10.0.0.0/33"},
               "HostBitsSet": {"source_cidr": "10.0.0.1/8"},
               "InvalidPortRange": {"protocol": "tcp", "destination_port": "443/80"},
               "FamilyMismatch": {"source_cidr": "fd00::/8", "destination_cidr": "10.0.0.0/8"},
               "PortsNotAllowed": {"protocol": "icmp", "destination_port": "1/1"}}
# A filter's rules, one of which is wrong, or as many as are too many.
RULES_FAULTS = {**{code: {"inbound": [{**RULE, **fault}]} for code, fault in RULE_FAULTS.items()},
                "DuplicatePriority": {"outbound": [RULE, RULE]},
                "TooManyRules": {"inbound": [{**RULE, "priority": p} for p in range(1, LIMIT + 2)]}}
SOURCE_FAULTS = {"InvalidInterface": {"sources": ["a b"]}, "OwnDevice": {"sources": ["vxtap0"]}}
SESSION_FAULTS = {**LABEL_FAULTS, **SOURCE_FAULTS, "OutOfRange": {"priority": 0},
                  "UnknownFilter": {"filter": "nosuch"}, "InvalidAddress": {"destination": "10.0.0"},
                  "InvalidDestination": {"destination": "224.0.0.1"}, "InvalidVni": {"vni": "many"},
                  "InvalidOversize": {"oversize": "drop"}, "DuplicateSource": {"sources": ["a", "a"]},
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
    return {code: {**document, field: [{**document[field][0], **fault}]}
            for code, fault in faults.items()}


def body_faults(operation):
    """Pairs of a code and a body that is refused with it."""
    if not DOCUMENT.request(operation):
        return []
    example = examples(operation)[0]
    over = lambda faults: {code: {**example, **fault} for code, fault in faults.items()}  # noqa: E731
    missing = {"MissingField": {next(iter(example)): None}}
    faults = {
        "POST /v1/filters": lambda: over(
            {**NAME_FAULT, **LABEL_FAULTS, **RULES_FAULTS, "NameTaken": {"name": "web"}}),
        "PATCH /v1/filters/{name}": lambda: over({**IMMUTABLE, **LABEL_FAULTS, **RULES_FAULTS}),
        "POST /v1/filters/{name}/rules": lambda: over(
            {**RULE_FAULTS, "InvalidDirection": {"direction": "in"}, "PriorityTaken": {"priority": 12}}),
        "PATCH /v1/filters/{name}/rules/{direction}/{priority}": lambda: over(
            {**RULE_FAULTS, "InvalidDirection": {"direction": "in"}, "PriorityTaken": {"priority": 12},
             "ImmutableField": {"direction": "outbound"}}),
        "POST /v1/sessions": lambda: over(
            {**NAME_FAULT, **SESSION_FAULTS, "NameTaken": {"name": "ids"}}),
        "PATCH /v1/sessions/{name}": lambda: over({**IMMUTABLE, **SESSION_FAULTS}),
        "POST /v1/sessions/{name}/attach": lambda: {
            **SOURCE_FAULTS, "SourceIsDestination": {"sources": ["und0"]}},
        "POST /v1/sessions/{name}/detach": lambda: {"SourceNotFound": {"sources": ["src0", "nosuch"]}},
        "PUT /v1/config": lambda: {
            **under("filters", {**NAME_FAULT, **LABEL_FAULTS, **RULES_FAULTS}),
            **under("sessions", SESSION_FAULTS),
            "DuplicateName": {"filters": example["filters"] * 2},
            "MissingField": {"filters": [{}]}},
        "POST /v1/explain": lambda: {
            **{code: {**example, "packet": {**example["packet"], **fault}}
               for code, fault in PACKET_FAULTS.items()},
            "InvalidDirection": {**example, "direction": "in"},
            "InvalidQuestion": {**example, "frames": []},
            "InvalidFrame": {**examples(operation)[1], "frames": ["0"]},
            "TooManyFrames": {**examples(operation)[1], "frames": [""] * 10001},
            "InterfaceNotFound": {**example, "interface": "nosuch"}}}
    return [*{**missing, **JSON_FAULTS, **faults[str(operation)]()}.items()]
def path_faults(operation):
    """The same for paths: a code, and the target that is refused with it."""
    name = "FilterNotFound" if "filters" in operation.path else "SessionNotFound"
    faults = {"{name}": {name: {"name": "no such"}},
              "{priority}": {"RuleNotFound": {"priority": 99}, "InvalidType": {"priority": "1x"},
                             "InvalidDirection": {"direction": "in"}}}
    if operation.method == "POST":
        faults["{interface}"] = {"InvalidInterface": {"interface": "a b"},
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
    known = DOCUMENT.parameters(operation, "query")
    queries = [("UnknownParameter", "nosuch=1"), ("MalformedPath", "x=%zz")]
    queries += [("InvalidParameter", query) for name, query in WRONG_QUERIES.items() if name in known]
    if "destination" in known:
        queries += [("InvalidAddress", "destination=10.0.0")]
    if "session" in known:
        queries += [("SessionNotFound", "session=nosuch")]
    return [(code, f"{target(operation)}?{query}") for code, query in queries]


def header_faults(operation):
    """The same for headers."""
    yield "MalformedRequest", {"x_long": "x" * 10000}
    yield "TooLarge", {"content_length": str((64 << 20) + 1)}
    known = DOCUMENT.parameters(operation, "header")
    if "If-Match" in known:
        yield "PreconditionFailed", {"if_match": '"0123456789ABCDEF"'}
    if "Idempotency-Key" in known:
        yield "InvalidIdempotencyKey", {"idempotency_key": "k" * 256}
        yield "InvalidIdempotencyKey", {"idempotency_key": ""}
        yield "IdempotencyKeyReused", {"idempotency_key": "of another"}


# What needs a state of its own: see the tests below, and test_concurrency.py.
ELSEWHERE = {"TooManyRequests", "StateNotWritten", "TunnelPortInUse"}
NEVER = {"Internal", "Kernel", "Netlink"}  # unless something is broken


@OPERATIONS
def test_errors(api, operation):
    assert api.send("POST", "/v1/sessions/other/start", idempotency_key="of another").status == 200
    before = api.do("GET", "/v1/config")
    body = examples(operation)[0] if DOCUMENT.request(operation) else None
    requests = [(code, (target(operation), wrong), {}) for code, wrong in body_faults(operation)]
    requests += [(code, (wrong, body), {}) for code, wrong in path_faults(operation)]
    requests += [(code, (wrong, body), {}) for code, wrong in query_faults(operation)]
    requests += [(code, (target(operation), None), headers) for code, headers in header_faults(operation)]
    provoked = set()
    for code, (place, sent), headers in requests:
        answer = api.send(operation.method, place, sent, **headers)
        assert answer.status >= 400 and answer.body["error"]["code"] == code, (place, sent, answer)
        provoked.add((answer.status, code))
    assert api.do("GET", "/v1/config") == before
    documented = {(status, code) for status, codes in DOCUMENT.codes(operation).items()
                  for code in codes - ELSEWHERE - NEVER}
    if "{priority}" in operation.path and operation.method == "PATCH":
        documented.remove((400, "TooManyRules"))  # see test_lowered_limit
    assert provoked == documented


def test_lowered_limit(lab):
    """A filter with more rules than there may be now shrinks, and changes in no other way."""
    rules = [{**RULE, "priority": priority} for priority in (1, 2, 3)]
    lab.start_daemon()
    CheckedApi(lab.socket).do("POST", "/v1/filters", {"name": "web", "inbound": rules})
    assert lab.daemon.stop() == 0
    settings = lab.path / "vxtapd.json"
    settings.write_text('{"limits": {"rules_per_direction": 2}}')
    lab.start_daemon("--config", str(settings))
    api, rule = CheckedApi(lab.socket), "/v1/filters/web/rules/inbound/1"
    api.refused(400, "TooManyRules", "PATCH", rule, {"policy": "ignore"})
    api.refused(400, "TooManyRules", "PATCH", "/v1/filters/web", {"group": "x"})
    api.do("DELETE", "/v1/filters/web/rules/inbound/2")
    assert api.do("PATCH", rule, {"policy": "ignore"})["policy"] == "ignore"


def test_full_disk(lab):
    """A change that cannot be kept is refused, and not made; when there is room again, it is."""
    Path(lab.state).mkdir()
    command = f"mount -t tmpfs -o size=512k state {lab.state} && exec \"$@\""  # in a mount namespace
    lab.daemon = lab.start("host", "sh", "-c", command, "sh", str(BIN / "vxtapd"), "--socket", lab.socket,
                           "--state-dir", lab.state)
    lab.daemon.wait_for_line("ready")
    api = CheckedApi(lab.socket)
    api.do("PUT", "/v1/config", BASE)
    before = api.do("GET", "/v1/config")
    rules = [{**RULE, "priority": priority} for priority in range(1, 1001)]
    many = {"filters": [{"name": str(number), "inbound": rules} for number in range(8)]}
    api.refused(500, "StateNotWritten", "PUT", "/v1/config", many)
    assert api.do("GET", "/v1/config") == before
    assert api.do("POST", "/v1/sessions/other/stop")["enabled"] is False


def test_taken_port(mirror):
    """The tunnel's devices are gone and cannot come again: changes are refused until they can."""
    api = CheckedApi(mirror.socket)
    api.do("PUT", "/v1/config", BASE)
    mirror.daemon.popen.send_signal(signal.SIGSTOP)  # or it would restore them at once
    mirror.run("host", "ip", "link", "delete", "vxtap0")
    thief = mirror.server("host", "udp_echo", "0.0.0.0", "4789")
    mirror.daemon.popen.send_signal(signal.SIGCONT)
    api.refused(500, "TunnelPortInUse", "POST", "/v1/sessions/ids/stop")
    assert api.do("GET", "/v1/sessions/ids")["enabled"] is True
    thief.stop()
    assert api.do("POST", "/v1/sessions/ids/stop")["enabled"] is False


# Answers.


def test_answers_after_traffic(mirror):
    """All that can be read, of sources in every state, with counters that are not zero."""
    api = CheckedApi(mirror.socket)
    document = copy.deepcopy(BASE)
    document["filters"][0]["inbound"] = [{"priority": 1, "policy": "collect"}]
    document["sessions"][0]["packet_length"] = 64
    document["sessions"][1]["sources"] = ["late0", "tun0"]
    mirror.run("host", "ip", "tuntap", "add", "tun0", "mode", "tun")
    warnings = api.do("PUT", "/v1/config", document)["warnings"]
    assert any("late0" in warning and "pending" in warning for warning in warnings)
    mirror.udp("10.90.0.1", "5353", "5", "200")
    api.do("POST", "/v1/sessions/ids/attach", {"sources": ["lo"]})
    api.do("DELETE", "/v1/sessions/ids/sources/src0")
    api.do("POST", "/v1/sessions/other/sources/src0")
    mirror.run("host", "ip", "address", "add", "10.91.0.1/32", "dev", "src0")
    states = {source["interface"]: source["state"] for source in api.do("GET", "/v1/status")["sources"]}
    assert {states[name] for name in ("lo", "late0", "tun0")} == {"active", "pending", "error"}
    for operation in DOCUMENT.operations:
        if operation.method == "GET" and "{" not in operation.path:
            assert api.send("GET", operation.path).status == 200
    ids = api.do("GET", "/v1/stats?session=ids")["sessions"][0]
    assert ids["totals"]["truncated_packets"] == 5 and ids["rules"][0]["packets"] == 5
    assert {source["interface"]: source["state"] for source in ids["sources"]} == {
        "lo": "active", "src0": "detached"}
    assert 'vxtap_matched_packets_total{session="ids",source="src0",direction="inbound"} 5\n' in \
        api.do("GET", "/metrics")


def test_paused_source(mirror):
    """An address that comes to a source later pauses it; every answer has that."""
    api = CheckedApi(mirror.socket)
    api.do("PUT", "/v1/config", BASE)
    mirror.run("host", "ip", "address", "add", f"{COLLECTOR}/32", "dev", "src0")
    source = wait_for_state(api, "/v1/sessions/ids/sources/src0", "paused")
    assert COLLECTOR in source["message"]
    assert [source] == api.do("GET", "/v1/sessions/ids/sources")["sources"]
    assert not api.do("GET", "/v1/status")["healthy"]


def wait_for_state(api, path, state):
    return wait_for(state, lambda: (found := api.do("GET", path))["state"] == state and found)


def frame(protocol, payload=b"", source="0a5a0002", destination="0a5a0001"):
    """An IPv4 packet in an Ethernet frame, in hexadecimal."""
    return (f"020000000000020000000000" + "0800" + f"4500{20 + len(payload):04x}0000000040{protocol:02x}0000"
            + source + destination + payload.hex())


VXLAN = bytes.fromhex("c00012b500100000" + "0800000000002a00")
DESTINATION = "".join(f"{int(part):02x}" for part in COLLECTOR.split("."))


@pytest.mark.parametrize("decision,interface,packet", [
    ("mirrored", "src0", frame(6, bytes.fromhex("900001bb") + bytes(16))),
    ("ignored", "src0", frame(17, bytes.fromhex("0035003500080000"))),
    ("not_matched", "src0", frame(1, bytes(8))),
    ("not_a_source", "und0", frame(6, bytes(20))),
    ("skipped", "src0", "ffffffffffff0200000000000806" + "00" * 28),
    ("skipped", "src0", ""),
    ("own", "src0", frame(17, VXLAN, destination=DESTINATION))])
def test_decisions(api, decision, interface, packet):
    """All that the document has."""
    api.do("POST", "/v1/filters/web/rules", {"direction": "inbound", "priority": 20, "policy": "ignore",
                                             "protocol": "udp", "destination_port": "53/53"})
    question = {"interface": interface, "direction": "inbound", "frames": [packet]}
    [explained] = api.do("POST", "/v1/explain", question)["packets"]
    assert explained["decision"] == decision


def test_described_packet(api):
    """The rules that were tried, and the sessions that were not."""
    api.do("PATCH", "/v1/sessions/other", {"sources": ["src0"], "enabled": False})
    question = {"interface": "src0", "direction": "inbound",
                "packet": {"protocol": "udp", "source": "10.90.0.2", "destination": "10.90.0.1",
                           "source_port": 1, "destination_port": 2}}
    [explained] = api.do("POST", "/v1/explain", question)["packets"]
    [tried] = explained["sessions"]
    assert tried["result"] == "no_match"
    assert [rule["priority"] for rule in tried["rules_tried"]] == [10, 12]
    assert [session["session"] for session in explained["not_tried"]] == ["other"]
