"""Peers take turns, in each round anew: what the machine does meanwhile, it does to all of them."""

import contextlib


def alternate(rounds, names, make, measure):
    """Peer -> its sample of each round. `make` gives what `measure` takes and what is closed in the end."""
    samples = {name: [] for name in names}
    with contextlib.ExitStack() as stack:
        rigs = {name: stack.enter_context(contextlib.closing(make(name))) for name in names}
        for _ in range(rounds):
            for name, rig in rigs.items():
                samples[name].append(measure(name, rig))
    return samples
