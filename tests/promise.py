"""What two runs have in common if the promise holds, what they are made of, and how one is killed in process."""

from __future__ import annotations

import contextlib
import shutil

import numpy as np

from arignote.checkpoints.format import decode
from arignote.checkpoints.tensors import tensors_sha256

LAYERS = [
    ["FCLayer", {"name": "fc1", "n_units": 12, "activation": "prelu_shelf", "l2": 0.001, "maxnorm": 3.0}],
    ["DropoutLayer", {"dropout_p": 0.3}],
    ["ClassificationOutputLayer", {"name": "output"}],
]


class Stopped(BaseException):
    """Ends a run in the middle, as a kill would; an Exception of an observer would not."""


def stop():
    raise Stopped


def at_event(number, act, kind="batch"):
    """Return an observer that calls `act` once, at an event of the run (counted from 1 among those of its kind)."""
    count = {"n": 0}

    def observer(event):
        count["n"] += event.kind == kind
        if event.kind == kind and count["n"] == number:
            act()

    return observer


def killed_after(n_batches):
    """Return an observer that ends the run after so many batches."""
    return at_event(n_batches + 1, stop)


def shift(x, y, rng):
    """An augmentation: all columns one to the left, to the right, or as they are."""
    return np.roll(x, int(rng.integers(-1, 2)), axis=1), y


def newest(stem):
    """Return the state in the newest file of a run."""
    path = stem.with_name(f"{stem.name}_last.ckpt")
    return decode(path.read_bytes(), str(path))[0]


def digest_of(state):
    """Return what must be the same bits: weights, slots, history, rules, best, preprocessing, losses, position."""
    best = state.best
    return (
        tensors_sha256(state.network),
        tensors_sha256(state.slots),
        state.history.sha256(),
        {name: vars(rule) for name, rule in state.rules.items()},
        None if best is None else (best.value, best.epoch, best.examples_seen, best.n_rows),
        None if state.best_train is None else (state.best_train.value, tensors_sha256(state.best_train.network)),
        tensors_sha256(state.preprocess),
        float(state.epoch_loss),
        dict(vars(state.progress)),
    )


def digest(classifier):
    """Return the same of what a fit ended in, and of the network that it predicts with."""
    return digest_of(classifier.state_), tensors_sha256(classifier.params)


def copied_after_each_batch(stem, n_updates):
    """Return an observer that copies the files of a run as a kill after each of its updates would leave them."""
    count = {"n": 0}

    def observer(event):
        if event.kind == "batch":
            # The files of the batch before are on disk, those of this one are not.
            if 0 < count["n"] < n_updates:
                shutil.copytree(stem.parent, stem.parent.with_name(f"after{count['n']}"))
            count["n"] += 1

    return observer


def resumes_after_every_batch(fit, folder):
    """Stop `fit(**settings)` at the end of each batch, twice in each run, and compare what it ends in.

    At first it is stopped by a copy of its files, which needs no training anew; when it is resumed, by an observer.
    """
    whole = fit()
    expected, n_updates = digest(whole), whole.state_.progress.n_updates
    stem = folder / "whole" / "run"
    observer = copied_after_each_batch(stem, n_updates)
    assert digest(fit(checkpoint=str(stem), checkpoint_every=1, observers=observer)) == expected
    assert digest_of(newest(folder / "after1" / "run"))[0] != expected[0][0]
    # After batch k, and one later.
    for k in range(1, n_updates, 2):
        stem = str(folder / f"after{k}" / "run")
        with contextlib.suppress(Stopped):
            fit(checkpoint=stem, checkpoint_every=1, observers=killed_after(1))
        ended = fit(checkpoint=stem)
        assert digest(ended) == expected
        starts = ended.state_.starts
        assert starts[0] == [0, 0] and len(starts) >= 2 and starts == sorted(starts) and starts[1] != [0, 0]
