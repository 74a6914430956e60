"""Short forms of the soak: ./run soak."""

import os
import random

import pytest
from churn import Churn, descriptors, kernel_state, kill_at_random, kills
from lab import wait_for
from stream import RULE, Stream

KILLS = int(os.environ.get("VXTAP_KILLS", "8"))
STEPS = int(os.environ.get("VXTAP_STEPS", "60"))


@pytest.fixture
def rng():
    seed = int(os.environ.get("VXTAP_SEED", random.randrange(1 << 32)))
    print("VXTAP_SEED", seed)
    return random.Random(seed)


def test_kills(mirror, rng):
    mirror.apply(mirror.document(RULE))
    stream = Stream(mirror)
    kills(mirror, KILLS, rng, layouts=False)
    stream.check()


def test_kills_between_layouts(mirror, rng):
    mirror.apply(mirror.document(RULE))
    stream = Stream(mirror)
    kills(mirror, KILLS, rng, layouts=True)
    stream.check()


def test_churn(mirror, rng):
    churn = Churn(mirror, rng)
    before, open_before = kernel_state(mirror), descriptors(mirror)
    stream = Stream(mirror, rate=500)
    for step in range(STEPS):
        churn.step()
        if step % 20 == 19:
            kill_at_random(mirror, rng, layouts=False)
            mirror.daemon.wait_for_line("ready: ")
            churn.api.close()
    churn.end()
    wait_for("the kernel as it was", lambda: kernel_state(mirror) == before)
    assert descriptors(mirror) == open_before
    stream.check()
