"""What a packet that no rule matches costs, by the number of rules and of flows."""

from packets import columns, measure  # noqa: F401

PEERS = ("nothing", "u32 + mirred", "vxtap")
FLOWS = {1: "one flow", 10_000: "10,000 flows", 0: "new flows"}
U32_LIMIT = 1000  # filters, for what more of them cost is plain


def variants(quick):
    for rules in [10, 1000, 10_000] if quick else [1, 10, 100, 1000, 10_000]:
        for flows, text in FLOWS.items():
            names = [name for name in PEERS if rules <= U32_LIMIT or name != "u32 + mirred"]
            yield {"title": f"{rules:,} rules, {text}", "rules": rules, "cut": 8500, "peers": names,
                   "send": {"size": 512, "flows": flows, "port": 80}, "copies": False}
