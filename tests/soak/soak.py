"""./run soak [MINUTES] [KILLS]: kills at random moments, then random interfaces, configurations, kills and
outages, while a stream passes of which nothing may be lost or doubled. Ends with a table of figures."""

import json
import os
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "netns"))

from churn import Churn, descriptors, kernel_state, kill_at_random, kills, resident_kib  # noqa: E402
from lab import run, wait_for  # noqa: E402
from mirror import Mirror  # noqa: E402
from stream import RULE, Stream  # noqa: E402

MOST_GROWTH = 4096  # KiB of resident memory that rest may have more than at first: the allocator's play


def tell(what, value):
    print(f"{what:<44}{value}", flush=True)


def kernel_objects():
    """How many of each kind the whole machine has, as bpftool lists them."""
    return {kind: len(json.loads(run("bpftool", "-j", kind, "show").stdout)) for kind in ("prog", "map", "link")}


def others_run():
    """Whether another daemon makes the machine's lists worth nothing."""
    names = (path.read_text().strip() for path in Path("/proc").glob("[0-9]*/comm") if path.exists())
    return "vxtapd" in names


def kill_phase(rng, count):
    with Mirror() as mirror:
        mirror.start_daemon()
        mirror.apply(mirror.document(RULE))
        stream = Stream(mirror)
        kills(mirror, count, rng, layouts=True)
        sent = stream.check()
        tell("kills", count)
        tell("datagrams, each once at host and collector", sent)


def churn_for(churn, seconds, kill):
    """How many steps were made."""
    end, steps = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        churn.step()
        steps += 1
        if kill and steps % 25 == 0:
            kill()
    return steps


def churn_phase(rng, minutes):
    with Mirror() as mirror:
        mirror.start_daemon()
        churn = Churn(mirror, rng)
        before = kernel_state(mirror)
        stream = Stream(mirror, rate=500)
        killed = []

        def kill():
            kill_at_random(mirror, rng, layouts=True)
            mirror.daemon.wait_for_line("ready: ")
            churn.api.close()
            killed.append(True)

        steps = churn_for(churn, minutes * 40, kill)
        # One daemon for the last third, to see what it gathers.
        churn_for(churn, 5, None)
        churn.end()
        open_before, resident_before = descriptors(mirror), resident_kib(mirror)
        steps += churn_for(churn, minutes * 20, None)
        churn.end()
        wait_for("the kernel as it was", lambda: kernel_state(mirror) == before)
        resident = resident_kib(mirror)
        tell("steps of churn, kills between them", f"{steps}, {len(killed)}")
        tell("descriptors of the daemon, before and after", f"{len(open_before)}, {len(descriptors(mirror))}")
        tell("resident memory in KiB, before and after", f"{resident_before}, {resident}")
        assert descriptors(mirror) == open_before
        assert resident <= resident_before + MOST_GROWTH
        tell("datagrams, each once at host and collector", stream.check())
        mirror.daemon.stop()
        left = [path for path in mirror.pins.rglob("*") if path.is_file() and path.parent != mirror.pins]
        assert not left, left


def main(minutes="10", kill_count="100"):
    seed = int(os.environ.get("VXTAP_SEED", random.randrange(1 << 32)))
    tell("VXTAP_SEED", seed)
    rng = random.Random(seed)
    alone = not others_run()
    before = kernel_objects()
    kill_phase(rng, int(kill_count))
    churn_phase(rng, float(minutes))
    if not alone or others_run():
        tell("programs, maps, links of the machine", "not compared, since another vxtapd runs")
        return
    wait_for(f"no more kernel objects than {before}", lambda: kernel_objects() == before)
    tell("programs, maps, links of the machine", f"as before: {before}")


if __name__ == "__main__":
    main(*sys.argv[1:])
