"""States of a run that nobody trained, and what they are made of: small, and every number is known."""

from __future__ import annotations

import copy

import numpy as np
import torch

from arignote.checkpoints.progress import Best, History, Progress
from arignote.checkpoints.state import TrainingState
from arignote.data.epoch.augmentation import Augmenter
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


# Plain data already, which the text of a file holds as it is.
AS_IT_IS = {
    "rng": 7,
    "run_id": "0" * 32,
    "spec": {"name": None, "n_in": [2], "layers": [["FCLayer", {"name": "fc1"}]], "fit": {"n_epochs": 3}},
    "targets": {"output": {"target": "classes", "dtype": "<i8", "values": [3, 5, 8]}},
    "data": {"feature_names": ["a", "b"]},
    "environment": {"n_threads": 1},
}


def of_labels(dtype, values):
    return {"output": {"target": "classes", "dtype": dtype, "values": values}}


def live_state(**changes):
    """Return a state as it is while training: tensors of the engine."""
    values = {
        "network": {"fc1.W": torch.arange(6.0).view(2, 3), "fc1.b": torch.zeros(3)},
        "slots": {"velocity/fc1.W": torch.ones(2, 3)},
        "epoch_loss": torch.tensor(4.5, dtype=torch.float64),
        "rules": {"lr": RuleState(0.5, 1.0, 2), "momentum": RuleState(0.9)},
        **copy.deepcopy(AS_IT_IS),
        "progress": Progress(epoch=2, batch=1, examples_seen=21, n_updates=5, n_validations=2, epoch_examples=1),
        "history": History({"epoch": [1.0, 2.0], "examples_seen": [10.0, 20.0], "valid_nll": [0.5, 0.75]}),
        "best": Best(0.5, 1, 10, 1, "d" * 64, {"fc1.W": np.full((2, 3), 9, "f4")}),
        "starts": [[0, 0], [1, 2]],
        "causes": ["start", "killed"],
        "preprocess": {"0.mean": np.zeros(2)},
    }
    return TrainingState(**values | changes)
