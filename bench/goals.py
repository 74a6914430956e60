"""The goals: each a figure of one variant, against a limit."""

import operator

REACHED = {"≤": operator.le, "≥": operator.ge}


def row(variant, peer):
    return next(r for r in variant["rows"] if r["peer"] == peer)


def copies(variant):
    if variant["cut"] == 8500:
        mine = row(variant, "vxtap")
        yield f"copy against u32 + mirred, {variant['title']}", mine["ratio"], "≤", 0.55
        yield f"copies lost, {variant['title']}", mine["lost"], "≤", 0


def rules(variant):
    if variant["rules"] == 1000:
        mine = row(variant, "vxtap")
        yield f"unmatched against u32, {variant['title']}", mine["ratio"], "≤", 0.02
        bare = row(variant, "nothing")["cpu_ns"]
        yield f"unmatched against the bare packet, {variant['title']}", mine["added_ns"] / bare, "≤", 0.10


def tcp(variant):
    mine = row(variant, "vxtap")
    limit = {1500: 1.5, 9000: 1.1}[variant["mtu"]]
    yield f"bulk TCP against u32 + mirred, underlay MTU {variant['mtu']}", mine["ratio"], "≥", limit
    yield f"bulk TCP, copies dropped, underlay MTU {variant['mtu']}", mine["dropped"], "≤", 0


def classifier(variant):
    few, many = (next(r for r in variant["rows"] if r["rules"] == rules) for rules in (10, 10_000))
    for packets, limit in (("last rule", 1.5), ("no rule", 1.5), ("new flows", 3)):
        yield f"classifier, 10,000 rules against 10, {packets}", many[packets] / few[packets], "≤", limit


def daemon(variant):
    limits = {"attached": 5, "idle CPU": 1, "resident memory": 30}
    for r in variant["rows"]:
        if r["what"] in limits:
            yield f"daemon, {r['what']} ({r['unit']}), {variant['title']}", r["median"], "≤", limits[r["what"]]


def hotplug(variant):
    for r in variant["rows"]:
        yield f"hotplug, {r['what']} ({r['unit']})", r["median"], "≤", 0.1


GOALS = {"copies": copies, "rules": rules, "tcp": tcp, "classifier": classifier,
         "daemon": daemon, "hotplug": hotplug}


def judge(variants):
    """Of the variants that were run."""
    found = [goal for variant in variants for goal in GOALS.get(variant["case"], lambda _: ())(variant)]
    return [{"goal": text, "figure": figure, "relation": relation, "limit": limit,
             "reached": None if figure is None else REACHED[relation](figure, limit)}
            for text, figure, relation, limit in found]


def print_goals(judged):
    words = {True: "reached", False: "NOT reached", None: "NOT measurable: mirred cost nothing here"}
    if judged:
        print("\ngoals")
    width = max((len(goal["goal"]) for goal in judged), default=0)
    for goal in judged:
        figure = "" if goal["figure"] is None else f"{goal['figure']:.3f}"
        print(f"{goal['goal']:<{width}}{figure:>8}  {goal['relation']} {goal['limit']:<5} {words[goal['reached']]}")
