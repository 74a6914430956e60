"""What SPEC §1 forbids, what it just allows, and every way in which a value can enter.

A row says once which fields hold what, and how that is refused. ways() makes the requests of it:
the object created, changed, or in a document, by the API and by the command line.
"""

import json
from collections import namedtuple
from urllib.parse import quote

ABSENT = object()  # instead of a value: the field is left out

# `field` is where the error is, within the object; `value` what it shows, `says` words of the rule.
Refused = namedtuple("Refused", "kind fields code field value says status")
# `stored` is what the object holds afterwards.
Accepted = namedtuple("Accepted", "kind fields stored")

Http = namedtuple("Http", "method target body headers", defaults=(None, {}))
Cli = namedtuple("Cli", "words input", defaults=(None,))
# A request, and how what it says of a row's field is called: `prefix` + field, or `field` itself.
Way = namedtuple("Way", "name request prefix field", defaults=("", None))

# The command line refuses these by itself: it knows the values.
CHOICES = {"direction": ("inbound", "outbound"), "policy": ("collect", "ignore"),
           "oversize": ("truncate", "fragment")}
NUMBERS = {"filter": set(), "rule": {"priority"},
           "session": {"priority", "vni", "packet_length"},
           "packet": {"source_port", "destination_port"}}
FLAGS = {"fall_through", "enabled"}

PINGS = {"priority": 10, "policy": "collect", "protocol": "icmp"}
WEB = {"name": "web", "inbound": [PINGS, {"priority": 20, "policy": "ignore"}],
       "outbound": [PINGS]}
SESSION = {"filter": "web", "destination": "10.91.0.2", "vni": 42}
# The session `local` has a destination that und0 owns, so und0 can't be a source.
BASE = {"filters": [WEB],
        "sessions": [{**SESSION, "name": "ids", "priority": 9, "sources": ["src0"],
                      "enabled": True},
                     {**SESSION, "name": "other", "priority": 2, "vni": 43},
                     {**SESSION, "name": "local", "priority": 3, "destination": "10.91.0.1"}]}

NEW = {"filter": {"name": "new"},
       "session": {"name": "new", "filter": "web", "destination": "10.91.0.2", "priority": 30},
       "rule": {"direction": "inbound", "priority": 30, "policy": "collect"},
       "packet": {"protocol": "tcp", "source": "10.90.0.2", "destination": "10.90.0.1",
                  "source_port": 40000, "destination_port": 443}}
QUESTION = {"interface": "src0", "direction": "inbound"}


def shown(value, code):
    """As an error quotes it: a text as it is, unless its type is what is wrong, or not known."""
    if value is None or value is ABSENT:
        return ""
    if isinstance(value, str) and code not in ("InvalidType", "InvalidVni", "UnknownField"):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def refused(kind, fields, code, *says, field=None, value=None, status=400):
    """The last of the fields is the one that is wrong, if nothing else is said."""
    last = list(fields)[-1]
    return Refused(kind, fields, code, last if field is None else field,
                   shown(fields[last], code) if value is None else value, says, status)


def accepted(kind, field, *values):
    return [Accepted(kind, {field: value}, {field: value}) for value in values]


# The rules, by the types of the fields.

def wrong_types(kind, field, says, *values):
    return [refused(kind, {field: value}, "InvalidType", says) for value in values]


def numbers(kind, field, first, last):
    """-1 has no sign bit to lose, and 2^32 more than a right number must not become that one."""
    text = () if field == "vni" else ("", "ten", "7", "1 ")  # see InvalidVni
    outside = dict.fromkeys((first - 1, last + 1, -1, -2**63, 2**32 + first, 2**64 - 1))
    return ([refused(kind, {field: value}, "OutOfRange", str(first), str(last))
             for value in outside] +
            wrong_types(kind, field, "whole number", 1.5, True, [], {}, *text) +
            accepted(kind, field, first, last))


def texts(kind, field, code, longest, *says, wrong=(), right=()):
    """Lengths are in characters, whatever these take in bytes."""
    too_long = [character * (longest + 1) for character in "aü🦊"]
    return ([refused(kind, {field: value}, code, *says) for value in (*too_long, *wrong)] +
            wrong_types(kind, field, "string", 7, 1.5, False, [], {}) +
            accepted(kind, field, *(character * longest for character in "aü🦊"), *right))


def choices(kind, field, code, *wrong):
    return ([refused(kind, {field: value}, code, *CHOICES[field]) for value in ("", *wrong)] +
            wrong_types(kind, field, "string", 7, True, [], {}) +
            accepted(kind, field, *CHOICES[field]))


def flags(kind, field):
    return (wrong_types(kind, field, "true or false", 0, 1, "true", "yes", [], {}) +
            accepted(kind, field, True, False))


# What filters and sessions share.

def tags(kind):
    """A key and a value may be the same, but that a value may be empty."""
    bad = ["acs:team", "aliyun", "aliyun-x", "see http://a", "xhttps://", "k" * 129, "網" * 129]
    good = ["k" * 128, "網" * 128, "x acs:", "my-aliyun", "acs", "http:", "#1 50% a&b"]
    says = ("acs:", "aliyun", "http://")
    return ([refused(kind, {"tags": {key: "v"}}, "InvalidTag", "1-128", *says, value=key)
             for key in ("", *bad)] +
            [refused(kind, {"tags": {"k": value}}, "InvalidTag", "0-128", *says, field="tags.k",
                     value=value) for value in bad] +
            [refused(kind, {"tags": {f"k{i}": "v" for i in range(21)}}, "TooManyTags", "20",
                     value="21 tags")] +
            [refused(kind, {"tags": {"k": value}}, "InvalidType", "string", field="tags.k",
                     value=json.dumps(value)) for value in (5, True, [], {})] +
            wrong_types(kind, "tags", "object", 5, "a=b", True, [], ["a=b"]) +
            accepted(kind, "tags", {f"k{i}": "v" for i in range(20)}, {"k": ""},
                     *({key: "v"} for key in good), *({"k": value} for value in good)))


def common(kind):
    return (texts(kind, "name", "InvalidName", 128, "1-128", "printable", "'/'", "http://",
                  wrong=["", "/", "a/b", "http://a", "https://a", "a\nb", "a\tb", "a\0b",
                         "\x1b[31m", "\x7f", "\x85"],
                  right=["a", "two words", "http:", "100%", "a?b=c&d#e", "名前", "ids."]) +
            texts(kind, "description", "InvalidDescription", 256, "0-256", "http://",
                  wrong=["http://", "https://a"],
                  right=["", "see http://a", "http:/", "two\nlines", "a/b"]) +
            texts(kind, "group", "InvalidGroup", 128, "0-128", right=["", "a/b"]) +
            tags(kind) +
            [refused(kind, {"name": ABSENT}, "MissingField", "required"),
             refused(kind, {"name": None}, "MissingField", "required"),
             refused(kind, {"colour": "red"}, "UnknownField", "no such field"),
             refused(kind, {"Name": "a"}, "UnknownField", "no such field")])


def required(kind, *fields):
    return [refused(kind, {field: value}, "MissingField", "required")
            for field in fields for value in (ABSENT, None)]


# Sessions.

NO_ADDRESS = ["", "collector", "10.91.0", "10.91.0.256", "10.91.0.2/32", "10.91.0.2:4789",
              " 10.91.0.2", "10.91.0.2 ", "fd91::2%und0", "[fd91::2]", "fd91:::2", "0x0a5b0002",
              "10.91.0.2\0"]
NO_INTERFACE = ["", ".", "..", "a/b", "a:b", "a b", "a\tb", "a\0b", "a" * 16, "ü" * 8]
NO_NAMESPACE = ["netns:", "netns:web", "netns:web/", "netns:/eth0", "netns:../eth0", "netns:./eth0", "netns:a/b/eth0",
                "netns:web/..", "netns:web/eth 0", "netns:web/" + "a" * 16, "netns:a\tb/eth0", "netns:" + "a" * 256 + "/b"]
NO_PATTERN = [("veth[", "not closed"), ("[]", "not closed"), ("a*/b", "no name holds"),
              ("a *", "no name holds"), ("a*:b", "no name holds"), ("a" * 15 + "?", "15 bytes"),
              ("[ab]" * 16, "15 bytes"), ("*" * 65, "64 bytes"), ("a\\", "nothing follows")]


def sessions():
    field = "destination"
    rows = common("session") + required("session", "filter", field, "priority")
    rows += numbers("session", "priority", 1, 32766)
    rows += numbers("session", "vni", 0, 16777215)
    rows += [refused("session", {"vni": text}, "InvalidVni", "0-16777215", "auto")
             for text in ("", "ten", "Auto", "42 ")]
    rows += numbers("session", "packet_length", 64, 8500)
    rows += choices("session", "oversize", "InvalidOversize", "Truncate", "drop", "truncate ")
    rows += flags("session", "fall_through") + flags("session", "enabled")
    rows += [refused("session", {field: text}, "InvalidAddress", "IPv4", "IPv6")
             for text in NO_ADDRESS]
    rows += [refused("session", {field: text}, "InvalidDestination", "unicast")
             for text in ("0.0.0.0", "::", "224.0.0.1", "239.255.255.255", "255.255.255.255",
                          "ff02::1")]
    rows += wrong_types("session", field, "string", 7, True, [], {})
    rows += accepted("session", field, "10.91.0.3", "223.255.255.255", "fd91::3", "fe80::1")
    rows += [refused("session", {"filter": name}, "UnknownFilter", "existing filter")
             for name in ("", "nope", "WEB", "web ")]
    rows += wrong_types("session", "filter", "string", 7, [], {})
    rows += [refused("session", {"sources": [name]}, "InvalidInterface", "1-15", field="sources[0]",
                     value=name) for name in NO_INTERFACE]
    rows += [refused("session", {"sources": [name]}, "InvalidNamespace", "netns:NAME/INTERFACE", field="sources[0]",
                     value=name) for name in NO_NAMESPACE]
    rows += [refused("session", {"sources": [name]}, "InvalidPattern", rule, field="sources[0]",
                     value=name) for name, rule in NO_PATTERN]
    rows += [refused("session", {"sources": [value]}, "InvalidType", "string", field="sources[0]",
                     value=json.dumps(value)) for value in (5, None, True, ["a"], {})]
    rows += wrong_types("session", "sources", "list", "src0", 5, {}, True)
    rows += [refused("session", {"sources": ["a", "b", "a"]}, "DuplicateSource", "twice",
                     field="sources[2]", value="a")]
    rows += accepted("session", "sources", [], ["a" * 15, "ü" * 7, "eth0.100", "br-lan"],
                     ["veth*", "eth[0-9]:flip", "[]a]?" + "b" * 13 + "*", "src0:flip"],
                     ["netns:web/eth0", "netns:/proc/1/ns/net/eth0:flip", "netns:a b/ü", "netns:/x/y"])
    rows += relations()
    return rows


def relations():
    """What depends on other objects, and on the host: it owns 10.91.0.1 at und0."""
    rows = [refused("session", {"priority": 2}, "PriorityTaken", "unique", "'other'", status=409),
            refused("session", {"sources": ["b", "und0"]}, "SourceIsDestination", "10.91.0.1",
                    "'local'", field="sources", value="und0", status=409),
            refused("session", {"sources": ["vxtap0"]}, "OwnDevice", "mirror itself",
                    field="sources", value="vxtap0")]
    rows += [refused("session", {"destination": address}, "SourceIsDestination", "'src0'",
                     status=409) for address in ("10.90.0.1", "fd90::1")]
    return rows


# Rules.

NO_CIDR = ["", "any", "10.0.0.0", "10.0.0.0/", "/8", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/a",
           "10.0.0.0/8/8", "10.0.0.0/8 ", " 10.0.0.0/8", "10.0/8", "10.0.0.256/32",
           "2001:db8::/129", "2001:db8:/32", "fe80::%src0/64", "10.0.0.0/255.0.0.0",
           "10.0.0.0/4294967304", "10.0.0.0\0/8"]
HOST_BITS = {"10.0.0.1/8": "10.0.0.0/8", "10.1.0.0/15": "10.0.0.0/15", "1.2.3.4/0": "0.0.0.0/0",
             "10.0.0.1/31": "10.0.0.0/31", "2001:db8::1/32": "2001:db8::/32", "::1/127": "::/127"}
NO_PORTS = ["", "80", "80/", "/80", "80/70", "80/65536", "65536/65536", "-1/80", "80/-1", "-1",
            "-2/-2", "0x50/0x50", "80-90", "80/90/100", " 80/80", "80/80 ", "+80/80", "http/http",
            "4294967376/4294967376"]


def rules():
    rows = required("rule", "priority", "policy")
    rows += [refused("rule", {"direction": value}, "MissingField", "required")
             for value in (ABSENT, None)]
    rows += [refused("rule", {"colour": "red"}, "UnknownField", "no such field")]
    rows += numbers("rule", "priority", 1, 16777216)
    rows += choices("rule", "policy", "InvalidPolicy", "Collect", "drop", "accept")
    rows += choices("rule", "direction", "InvalidDirection", "in", "Inbound", "both")
    rows += [refused("rule", {"protocol": value}, "InvalidProtocol", "all", "sctp", "0-255")
             for value in ("", "TCP", "ip", "tcp ", "tcp,udp", 256, -1, 1.5, "256", "-1", "0x6")]
    rows += wrong_types("rule", "protocol", "string", True, [], {})
    rows += accepted("rule", "protocol", "all", "icmp", "icmpv6", "tcp", "udp", "sctp", "gre",
                     "255", "0")
    rows += [Accepted("rule", {"protocol": value}, {"protocol": name})
             for value, name in ((6, "tcp"), ("58", "icmpv6"), (0, "0"), (255, "255"))]
    for field in ("source_cidr", "destination_cidr"):
        rows += [refused("rule", {field: text}, "InvalidCidr", "10.0.0.0/8", "2001:db8::/32",
                         "0-32", "0-128") for text in NO_CIDR]
        rows += [refused("rule", {field: text}, "HostBitsSet", "did you mean", meant)
                 for text, meant in HOST_BITS.items()]
        rows += wrong_types("rule", field, "string", 10, True, [], {})
        rows += accepted("rule", field, "10.0.0.0/8", "0.0.0.0/0", "::/0", "10.0.0.1/32",
                         "2001:db8::1/128", "10.0.0.0/31")
    rows += [refused("rule", {"source_cidr": source, "destination_cidr": destination},
                     "FamilyMismatch", "same family", source)
             for source, destination in (("10.0.0.0/8", "2001:db8::/32"), ("::/0", "0.0.0.0/0"))]
    for field in ("source_port", "destination_port"):
        rows += ports(field)
    return rows


def ports(field):
    """Only tcp, udp and sctp take them, by name or number."""
    rows = [refused("rule", {"protocol": "tcp", field: text}, "InvalidPortRange", "first/last",
                    "65535", "-1/-1") for text in NO_PORTS]
    rows += [refused("rule", {"protocol": "tcp", field: value}, "InvalidType", "string")
             for value in (80, True, [80, 80], {})]
    rows += [refused("rule", {"protocol": protocol, field: "80/80"}, "PortsNotAllowed",
                     "tcp, udp and sctp", "-1/-1")
             for protocol in ("all", "icmp", "icmpv6", "gre", "0", "50", "255")]
    rows += [refused("rule", {"protocol": "icmp", field: "0/65535"}, "PortsNotAllowed", "icmp")]
    rows += [Accepted("rule", {"protocol": protocol, field: "80/80"}, {field: "80/80"})
             for protocol in ("tcp", "udp", "sctp", 6, "17", 132)]
    rows += [Accepted("rule", {"protocol": protocol, field: "-1/-1"}, {field: "-1/-1"})
             for protocol in ("all", "icmp", "gre", "tcp", 0)]
    rows += [Accepted("rule", {"protocol": "udp", field: text}, {field: text})
             for text in ("0/0", "0/65535", "65535/65535")]
    return rows


# The packets that explain is asked about.

def packets():
    rows = required("packet", "protocol", "source", "destination", "source_port",
                    "destination_port")
    rows += [refused("packet", {"colour": "red"}, "UnknownField", "no such field")]
    rows += [refused("packet", {"protocol": value}, "InvalidProtocol") for value in
             ("", "all", "TCP", 256, -1)]
    for field in ("source", "destination"):
        rows += [refused("packet", {field: text}, "InvalidAddress", "IPv4", "IPv6")
                 for text in NO_ADDRESS]
        rows += wrong_types("packet", field, "string", 7, [])
    rows += [refused("packet", {"destination": "fd90::1"}, "FamilyMismatch", "same family",
                     "10.90.0.2")]
    for field in ("source_port", "destination_port"):
        rows += numbers("packet", field, 0, 65535)
        only = {name: ABSENT for name in ("source_port", "destination_port") if name != field}
        rows += [refused("packet", {"protocol": protocol, **only, field: 80}, "PortsNotAllowed",
                         "no ports") for protocol in ("icmp", "gre", "50")]
    return rows


# The ways in.

def options(kind, fields, renamed=()):
    """Words of the command line that say the same as the fields; nothing if there are none."""
    words = []
    for field, value in fields.items():
        option = "--" + dict(renamed).get(field, field).replace("_", "-")
        if field == "tags" and isinstance(value, dict):
            values = [f"{key}={text}" for key, text in value.items() if isinstance(text, str)]
            if len(values) < len(value):
                return None
            words += [word for text in values for word in ("--tag", text)]
        elif field == "sources" and isinstance(value, list) and value:
            if not all(isinstance(name, str) for name in value):
                return None
            words += [word for name in value for word in ("--source", name)]
        elif field in FLAGS and value is True:
            words.append("--enable" if field == "enabled" else option)
        elif field in FLAGS | {"sources", "tags", "colour", "Name"} or value == "any":
            return None  # `any` is a word of the command line only, for no network at all
        elif isinstance(value, str) and not (field in NUMBERS[kind] and value.isdigit()):
            words += [option, value]
        elif type(value) is int and field in NUMBERS[kind] | {"protocol"}:
            words += [option, str(value)]
        else:
            return None
    return None if any("\0" in word for word in words) else words


def command(kind, words, fields, renamed=()):
    more = options(kind, fields, renamed)
    return None if more is None or "\0" in "".join(words) else Cli((*words, *more))


def document_ways(document, prefix):
    yield Way("PUT config", Http("PUT", "/v1/config", document), prefix)
    yield Way("vxtap apply", Cli(("apply", "-f", "-"), document), prefix)


def named_ways(row, new, old):
    """Of a filter or a session; `old` is one that is there."""
    kind, paths = row.kind, f"/v1/{row.kind}s"
    yield Way(f"POST {kind}", Http("POST", paths, new))
    yield from document_ways({f"{kind}s": [new]}, f"{kind}s[0].")
    if isinstance(new.get("name"), str):
        rest = {field: value for field, value in new.items() if field != "name"}
        yield Way(f"vxtap {kind} create", command(kind, (kind, "create", new["name"]), rest))
    if "name" not in row.fields:
        yield Way(f"PATCH {kind}", Http("PATCH", f"{paths}/{old}", row.fields))
        yield Way(f"vxtap {kind} update", command(kind, (kind, "update", old), row.fields))


def source_ways(names):
    """Sources that are added to those that a session has. One that it has already is all right."""
    if not isinstance(names, list) or len(set(map(str, names))) < len(names):
        return
    yield Way("POST attach", Http("POST", "/v1/sessions/ids/attach", {"sources": names}))
    if all(isinstance(name, str) and "\0" not in name for name in names):
        yield Way("vxtap attach", Cli(("attach", "ids", *names)))
    if len(names) == 1 and isinstance(names[0], str) and names[0]:
        target = f"/v1/sessions/ids/sources/{quote(names[0], safe='')}"
        yield Way("POST source", Http("POST", target), field="interface")


def session_ways(row, new):
    yield from named_ways(row, new, "ids")
    if "sources" in row.fields and isinstance(row, Refused):
        yield from source_ways(row.fields["sources"])


def rule_ways(row, new):
    """By itself, and within a filter, where the list says the direction."""
    yield Way("POST rule", Http("POST", "/v1/filters/web/rules", new))
    if {"direction", "priority"} <= new.keys():
        yield Way("vxtap rule add", command("rule", ("rule", "add", "web"), new))
    if "direction" in row.fields:
        return
    yield Way("PATCH rule", Http("PATCH", "/v1/filters/web/rules/inbound/10", row.fields))
    yield Way("vxtap rule update",
              command("rule", ("rule", "update", "web", "--direction", "inbound", "--priority",
                               "10"), row.fields, {"priority": "new_priority"}))
    rules = [{field: value for field, value in new.items() if field != "direction"}]
    yield Way("POST filter", Http("POST", "/v1/filters", {"name": "new", "inbound": rules}),
              "inbound[0].")
    yield Way("PATCH filter", Http("PATCH", "/v1/filters/web", {"inbound": rules}), "inbound[0].")
    yield from document_ways({"filters": [{"name": "new", "outbound": rules}]},
                             "filters[0].outbound[0].")


def packet_ways(_, new):
    yield Way("POST explain", Http("POST", "/v1/explain", {**QUESTION, "packet": new}), "packet.")
    yield Way("vxtap explain", command("packet", ("explain", "--interface", "src0", "--direction",
                                                  "inbound"), new), "packet.")


MAKE = {"filter": lambda row, new: named_ways(row, new, "web"), "session": session_ways,
        "rule": rule_ways, "packet": packet_ways}


def ways(row):
    """Those in which the row can be said: the command line has no word for a null or for a number
    in quotes, and what is left out of a change is no mistake."""
    new = {field: value for field, value in {**NEW[row.kind], **row.fields}.items()
           if value is not ABSENT}
    changes = ("PATCH", "update") if ABSENT in row.fields.values() else ()
    for way in MAKE[row.kind](row, new):
        if way.request is not None and not any(word in way.name for word in changes):
            yield way


ROWS = common("filter") + sessions() + rules() + packets()
