"""What a mirrored packet costs: the last of 10 rules matches."""

from lab import COLLECTOR6
from packets import columns, measure  # noqa: F401
from peers import PEERS

RULES = 10
IPV6 = ("u32 + mirred", "vxtap", "vxtap, kernel")
UNABLE_TO_CUT = ("bare clone", "u32 + mirred", "nft dup", "daemonlogger")


def variants(quick):
    sizes = [(512, 8500)] if quick else [(64, 8500), (512, 8500), (512, 128), (1400, 8500), (1400, 128)]
    for size, cut in sizes:
        names = [name for name in PEERS if cut >= size or name not in UNABLE_TO_CUT]
        yield {"title": f"{size} bytes" + (f", cut to {cut}" if cut < size else ""), "rules": RULES, "cut": cut,
               "peers": names, "send": {"size": size}, "copies": True}
    yield {"title": "512 bytes, IPv6 collector", "rules": RULES, "cut": 8500, "collector": COLLECTOR6,
           "peers": ["nothing", *IPV6], "send": {"size": 512}, "copies": True}
