"""What a mirrored packet costs, by the number of rules of which the last one matches."""

from cases.rules import PEERS, U32_LIMIT
from packets import columns, measure  # noqa: F401


def variants(quick):
    for rules in [10, 1000] if quick else [1, 10, 100, 1000, 10_000]:
        names = [name for name in PEERS if rules <= U32_LIMIT or name != "u32 + mirred"]
        yield {"title": f"512 bytes, the last of {rules:,} rules", "rules": rules, "cut": 8500, "peers": names,
               "send": {"size": 512}, "copies": True}
