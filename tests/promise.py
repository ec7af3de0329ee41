"""What two runs have in common if the promise holds, and how one is killed in process."""

from __future__ import annotations

from arignote.tensors import tensors_sha256


class Stopped(Exception):
    """Ends a run in the middle, as a kill would."""


def killed_after(n_batches):
    """Return an observer that ends the run after so many batches."""
    count = {"n": 0}

    def observer(event):
        count["n"] += event.kind == "batch"
        if count["n"] > n_batches:
            raise Stopped

    return observer


def digest(classifier):
    """Return what must be the same bits: weights, slots, history, rules, best, preprocessing, position."""
    state = classifier.state_
    best = state.best
    return (
        tensors_sha256(state.network),
        tensors_sha256(state.slots),
        state.history.sha256(),
        {name: vars(rule) for name, rule in state.rules.items()},
        None if best is None else (best.value, best.epoch, best.n_rows),
        tensors_sha256(state.preprocess),
        tensors_sha256(classifier.params),
        (state.progress.n_updates, state.progress.examples_seen, state.progress.ended),
    )
