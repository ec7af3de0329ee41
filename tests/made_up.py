"""States of a run that nobody trained, and what they are made of: small, and every number is known."""

from __future__ import annotations

import numpy as np

from arignote.checkpoints.progress import Best, History, Progress
from arignote.checkpoints.state import TrainingState
from arignote.data.augmentation import Augmenter
from arignote.data.targets import Classes
from arignote.optim.rules import RuleState

RUN, OTHER = "a" * 32, "b" * 32


def numbered_classes(n_classes):
    """Return what the target of a run with the classes 0 .. n_classes - 1 has learned."""
    return {"target": "classes", "dtype": "<i8", "values": list(range(n_classes))}


def augmenter(functions, seed, n_classes):
    """Return the augmentation of such a run."""
    return Augmenter(functions, seed, Classes(), numbered_classes(n_classes))


def network(value):
    return {"fc1.W": np.full((2, 2), value, dtype=np.float32)}


def state(epoch, best=None, run_id=RUN, batch=0):
    """Return a state after so many epochs, with a validation each, of which that of epoch `best` is the best."""
    losses = [9.0 - n if best is None or n <= best else 9.0 for n in range(1, epoch + 1)]
    found = None
    if best is not None:
        found = Best(losses[best - 1], best, 10 * best, best, network=network(best))
    return TrainingState(
        network=network(100.0 + epoch),
        slots={"velocity/fc1.W": np.ones((2, 2), dtype=np.float32)},
        epoch_loss=np.float64(1.5),
        rules={"lr": RuleState(0.1), "momentum": RuleState(0.9)},
        rng=3,
        run_id=run_id,
        spec={"name": None, "n_in": [2], "layers": [], "fit": {"n_epochs": 9}},
        targets={"output": numbered_classes(2)},
        data={},
        environment={},
        progress=Progress(epoch=epoch, batch=batch, examples_seen=10 * epoch, n_updates=epoch, n_validations=epoch),
        history=History({"epoch": np.arange(1.0, epoch + 1), "valid_nll": losses}),
        best=found,
        starts=[[0, 0]],
    )
