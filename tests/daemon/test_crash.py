"""What was acknowledged outlives a SIGKILL at any moment; what was not is there wholly or not at
all."""

import http.client
import os
import random
import signal
import threading
import time

from lab import COLLECTOR
from client import Api

KILLS = int(os.environ.get("VXTAP_KILLS", "300"))
LONGEST_LIFE = 0.05  # seconds of changes between start and kill: some of them, or half of one
MOST = 8  # filters, sessions

FILTERS, SESSIONS = "/v1/filters", "/v1/sessions"


class Model:
    """What the daemon should hold, as `export` gives it: objects by name, never changed in place.
    A VNI that the daemon has drawn and not told yet is `auto`."""

    def __init__(self, filters=(), sessions=()):
        self.filters = dict(filters)
        self.sessions = dict(sessions)

    def agrees(self, document):
        """Whether that is the same. VNIs that it tells are remembered."""
        filters = {f["name"]: f for f in document["filters"]}
        sessions = {s["name"]: s for s in document["sessions"]}
        if (filters.keys(), sessions.keys()) != (self.filters.keys(), self.sessions.keys()):
            return False
        for name, session in self.sessions.items():
            if session["vni"] == "auto":
                self.sessions[name] = {**session, "vni": sessions[name]["vni"]}
        return (self.filters, self.sessions) == (filters, sessions)

    def unused_filters(self):
        return sorted(self.filters.keys() - {s["filter"] for s in self.sessions.values()})


def some(rng, names):
    """One of them, or None."""
    return rng.choice(sorted(names)) if names else None


def new_rule(rng, priority):
    first = rng.randrange(65536)
    return {"priority": priority, "policy": rng.choice(["collect", "ignore"]), "protocol": "tcp",
            "source_cidr": f"10.{rng.randrange(256)}.0.0/16", "source_port": "-1/-1",
            "destination_port": f"{first}/{rng.randint(first, 65535)}"}


def put_filter(rng, model, name=None):
    """A new filter in the model, or another one of that name."""
    name = name or f"f{rng.randrange(10**9)}"
    inbound, outbound = ([new_rule(rng, priority + 1) for priority in range(rng.randrange(60))]
                         for _ in range(2))
    model.filters[name] = {"name": name, "description": str(rng.random()), "group": "", "tags": {},
                           "inbound": inbound, "outbound": outbound}
    return model.filters[name]


def put_session(rng, model, name=None):
    """The same for a session. One that stays keeps its VNI."""
    vni = model.sessions[name]["vni"] if name else "auto"
    name = name or f"s{rng.randrange(10**9)}"
    taken = {s["priority"] for s in model.sessions.values()}
    model.sessions[name] = {
        "name": name, "filter": some(rng, model.filters),
        "sources": rng.choice([["src0"], ["late0"]]), "destination": COLLECTOR, "vni": vni,
        "priority": some(rng, set(range(1, 100)) - taken), "packet_length": rng.randint(64, 8500),
        "oversize": "truncate", "fall_through": True, "enabled": rng.random() < 0.5,
        "description": "", "group": "", "tags": {"team": "noc"}}
    return model.sessions[name]


def without_vni(session):
    return {**session, "vni": "auto"}


# Each makes one change in the model and gives the request for it, or None where nothing is there to
# be changed.


def create_filter(rng, model):
    if len(model.filters) < MOST:
        return "POST", FILTERS, put_filter(rng, model)


def change_filter(rng, model):
    if name := some(rng, model.filters):
        return "PATCH", f"{FILTERS}/{name}", put_filter(rng, model, name)


def delete_filter(rng, model):
    if name := some(rng, model.unused_filters()):
        del model.filters[name]
        return "DELETE", f"{FILTERS}/{name}", None


def change_rules(rng, model):
    """Adds, changes or deletes the first rule of a filter."""
    if not (name := some(rng, model.filters)):
        return None
    rules, others = f"{FILTERS}/{name}/rules", model.filters[name]["inbound"]
    there = others and others[0]["priority"] == 1
    others = others[1:] if there else others
    rule = None if there and rng.random() < 0.4 else new_rule(rng, 1)
    model.filters[name] = {**model.filters[name], "inbound": [rule, *others] if rule else others}
    if rule and not there:
        return "POST", rules, {"direction": "inbound", **rule}
    return "PATCH" if rule else "DELETE", f"{rules}/inbound/1", rule


def create_session(rng, model):
    if model.filters and len(model.sessions) < MOST:
        return "POST", SESSIONS, put_session(rng, model)


def change_session(rng, model):
    if name := some(rng, model.sessions):
        return "PATCH", f"{SESSIONS}/{name}", without_vni(put_session(rng, model, name))


def start_session(rng, model):
    if name := some(rng, model.sessions):
        model.sessions[name] = {**model.sessions[name], "enabled": True}
        return "POST", f"{SESSIONS}/{name}/start", None


def delete_session(rng, model):
    if name := some(rng, model.sessions):
        del model.sessions[name]
        return "DELETE", f"{SESSIONS}/{name}", None


def apply(rng, model):
    """Creates, changes and deletes several objects in one step."""
    for change in rng.choices([create_filter, change_filter, delete_filter, create_session,
                               change_session, delete_session], k=6):
        change(rng, model)
    return "PUT", "/v1/config?prune=1", {"filters": [*model.filters.values()],
                                         "sessions": [*map(without_vni, model.sessions.values())]}


CHANGES = [create_filter, change_filter, delete_filter, change_rules, create_session,
           change_session, start_session, delete_session, apply, apply]


class Writer(threading.Thread):
    """Sends one change after the other until the connection breaks. `model` holds what was
    acknowledged, `pending` the same with the change whose answer has not come."""

    def __init__(self, rng, api, model):
        super().__init__()
        self.rng, self.api, self.model, self.pending = rng, api, model, None
        self.acknowledged, self.refusal = 0, None

    def run(self):
        try:
            while True:
                self.change()
        except (ConnectionError, http.client.HTTPException):
            self.api.close()
        except AssertionError as refusal:
            self.refusal = refusal

    def change(self):
        after, request = Model(self.model.filters, self.model.sessions), None
        while not request:
            request = self.rng.choice(CHANGES)(self.rng, after)
        self.pending = after
        answer = self.api.do(*request)
        if request[1] == SESSIONS:
            after.sessions[answer["name"]] = {**request[2], "vni": answer["vni"]}
        self.model, self.pending = after, None
        self.acknowledged += 1


def test_kill_during_writes(lab):
    seed = int(os.environ.get("VXTAP_SEED", random.randrange(1 << 32)))
    print("VXTAP_SEED", seed)
    rng = random.Random(seed)
    model, acknowledged, made, lost = Model(), 0, 0, 0
    lab.start_daemon()
    for _ in range(KILLS):
        writer = Writer(random.Random(rng.random()), Api(lab.socket), model)
        writer.start()
        time.sleep(rng.uniform(0, LONGEST_LIFE))
        lab.daemon.stop(signal.SIGKILL)
        writer.join()
        assert writer.refusal is None
        lab.start_daemon()
        document = Api(lab.socket).do("GET", "/v1/config")
        model = writer.model
        if writer.pending:
            whole = writer.pending.agrees(document)
            made, lost = made + whole, lost + (not whole)
            model = writer.pending if whole else model
        assert model.agrees(document), (document, vars(model))
        acknowledged += writer.acknowledged
    print(f"{acknowledged} changes acknowledged; of those under way {made} made and {lost} not")
    assert acknowledged > 0 and made + lost > 0
