"""How long it takes until an interface that a pattern matches is mirrored, from the moment when `ip`, which
made it, has ended."""

import time

from client import Api
from figures import columns, rows  # noqa: F401
from mirror import Mirror

ALL = '{"priority": 1, "policy": "collect"}'
BURST = 50
FIGURES = {"one interface": "s", f"the last of {BURST} at once": "s"}


def active(api):
    sources = api.do("GET", "/v1/sessions/ids/sources")["sources"]
    return {source["interface"] for source in sources if source["state"] == "active"}


def seconds_until_active(lab, api, names):
    lines = "".join(f"link add {name} type veth peer name far{name}\n" for name in names)
    lab.run("host", "ip", "-batch", "-", input=lines)
    start = time.monotonic()
    while not names <= active(api):
        if time.monotonic() - start > 60:
            raise TimeoutError(f"not mirrored after a minute: {names - active(api)}")
    return time.monotonic() - start


def variants(quick):
    yield {"title": "interfaces that a pattern matches", "rounds": 5 if quick else 30}


def measure(variant, _options):
    samples = []
    with Mirror() as lab:
        lab.start_daemon()
        lab.apply(lab.document(ALL, ALL, sources=["pod*"]))
        api = Api(lab.socket)
        for number in range(variant["rounds"]):
            counts = ({f"pod{number}"}, {f"pod{number}b{n}" for n in range(BURST)})
            samples.append(dict(zip(FIGURES, (seconds_until_active(lab, api, names) for names in counts))))
            lines = "".join(f"link delete {name}\n" for names in counts for name in names)
            lab.run("host", "ip", "-batch", "-", input=lines)
    return rows(FIGURES, samples)
