"""Conversion of a network of 2015: settings, rules, state of the updater."""

from __future__ import annotations

from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from arignote.checkpoints.progress import Best, History, Progress
from arignote.checkpoints.state import TrainingState
from arignote.errors import CheckpointError, ConfigError
from arignote.layers.architecture import Architecture
from arignote.layers.base import WeightedLayer
from arignote.layers.output import MultilabelOutputLayer
from arignote.legacy.layers import architecture_of, arrays_of, current_names, tensors_of
from arignote.legacy.pickles import kind_of
from arignote.optim.losses import Loss
from arignote.optim.rules import RuleState
from arignote.registry import build
from arignote.registry.complaints import complaints_of
from arignote.spec.settings import FitSettings

__all__ = ["state_of"]

# For each updater of 2015: the current one, and the old names of its slots. "nag" used the old velocity where
# Nesterov's method uses the new one, w += mu * v - lr * g, which is classical momentum: "momentum" computes the same.
# The epsilon of 1e-6 was added under the root and is now added to the root, where sqrt(1e-6) comes closest.
_UPDATERS: dict[str, tuple[Any, dict[str, str]]] = {
    "sgd": ("sgd", {}),
    "nag": ("momentum", {"velocity": "velocity"}),
    "momentum": ("momentum", {"velocity": "velocity"}),
    "rmsprop": (["rmsprop", {"epsilon": 1e-3}], {"square": "acc"}),
    "adagrad": (["adagrad", {"epsilon": 1e-3}], {"square": "accumulator"}),
    "adadelta": ("adadelta", {"square": "accumulator", "square_step": "delta_acc"}),
}
# Losses of several labels per row had the names of those of one.
_LOSSES_OF_FLAGS = {"nll": "binary_cross_entropy", "error": "flag_error"}


def state_of(net: Any, n_bytes: int) -> TrainingState:
    """Return the state of a network of 2015.

    Parameters
    ----------
    net : Record
        The unpickled network.
    n_bytes : int
        Length of its unpacked file, which holds each parameter at least once.

    Raises
    ------
    CheckpointError, ConfigError
        If current layers and settings cannot express the network.
    """
    trainer = net["trainer"]
    sgd, epoch = trainer["sgd"], trainer["epoch"]
    layers, architecture = architecture_of(net, n_bytes)
    if kind_of(layers[-1]) == "OrdinalOutputLayer":
        raise CheckpointError(
            "its OrdinalOutputLayer has thresholds of another form than the current one, and is not converted. Begin a "
            "new run from its other layers: stored_network, with this file, and load_params in each of them"
        )
    is_flags = isinstance(architecture.placed[-1].layer, MultilabelOutputLayer)
    settings = _settings(net, trainer, sgd, _LOSSES_OF_FLAGS if is_flags else {})
    history = _history(trainer, settings, epoch)
    n_validations = len(history) or epoch
    rules = _rules(trainer, sgd, settings, n_validations)
    weights = arrays_of(layers, architecture)
    random = net["rng"]
    return TrainingState(
        network=weights,
        slots=_slots(architecture, sgd, rules["lr"].value),
        epoch_loss=np.float64(0.0),
        rules=rules,
        rng=int(random[1][0]) if isinstance(random, tuple) else 0,
        run_id="",
        spec={
            "name": net["name"],
            "n_in": list(architecture.n_in),
            "layers": architecture.spec(),
            "fit": settings.model_dump(mode="json"),
        },
        targets={name: _target(n, is_flags) for name, n in architecture.n_outputs.items()},
        data={},
        environment={},
        progress=Progress(epoch, 0, trainer["examples_seen"], trainer["iter"] + 1, n_validations),
        history=history,
        best=_best(trainer, history, weights),
        starts=[[0, 0]],
    )


def _target(n_classes: int, is_flags: bool) -> dict[str, Any]:
    kind = {"target": "flags", "form": "matrix"} if is_flags else {"target": "classes"}
    return kind | {"dtype": "<i8", "values": list(range(n_classes))}


def _best(trainer: Any, history: History, weights: dict[str, NDArray[Any]]) -> Best | None:
    """Return the best validation if it was the last one, since the file has no other weights."""
    if not len(history):
        return None
    last = history.record(-1)
    if trainer["last_validation_loss"] <= trainer["best_validation_loss"]:
        value = float(trainer["best_validation_loss"])
        return Best(value, last["epoch"], last["examples_seen"], len(history), network=dict(weights))
    return None


def _settings(net: Any, trainer: Any, sgd: Any, losses: dict[str, str]) -> FitSettings:
    """Return the current settings; `losses` are the current names of losses that have others."""
    kind, loss = sgd["sgd_type"], trainer["loss_type"]
    if kind not in _UPDATERS:
        raise CheckpointError(f"its sgd_type is {kind!r}; known: {', '.join(_UPDATERS)}")
    updater = build("updater", _UPDATERS[kind][0])
    has_momentum = updater.momentum_name is not None
    settings = {
        "sgd_type": updater,
        "lr_rule": _rule_spec(sgd["lr_rule"]),
        "momentum_rule": _rule_spec(sgd["momentum_rule"]) if has_momentum else None,
        "sgd_max_grad_norm": sgd["max_grad_norm"],
        "n_epochs": max(trainer["max_epochs"] or 0, trainer["epoch"]),
        "batch_size": net["batch_size"] or FitSettings.model_fields["batch_size"].default,
        "shuffle": False,  # there was none in 2015
        "train_loss": losses.get(loss["train"], loss["train"]),
        "valid_loss": losses.get(loss["valid"], loss["valid"]),
        "test_loss": [losses.get(one, one) for one in loss["test"]],
        "validation_frequency": trainer["validation_frequency"] or None,
        "validate_on_train": trainer["validate_on_train"],
    }
    try:
        return FitSettings(**settings)
    except ValidationError as error:
        raise ConfigError(complaints_of(error, FitSettings)).under("fit") from None


def _rule_spec(rule: Any) -> list[Any]:
    """Return the current spec of a rule of 2015, whose schedule lists the remaining changes in reverse order."""
    names = ("initial_value", "final_value", "decrease_by", "multiply_by", "interval")
    params = {name: rule[name] for name in names} | {"schedule": sorted(rule["schedule"] or ()) or None}
    if rule["rule"] in ("const", "constant") or not (params["interval"] or params["schedule"]):
        return ["const", {"initial_value": params["initial_value"]}]
    return [rule["rule"], params]


def _rules(trainer: Any, sgd: Any, settings: FitSettings, n_validations: int) -> dict[str, RuleState]:
    """Return the states of the rules of the learning rate and the momentum."""
    rules = {"lr": _rule(trainer, sgd, "lr", settings.lr_rule, n_validations), "momentum": RuleState(0.0)}
    if settings.momentum_rule is not None:
        rules["momentum"] = _rule(trainer, sgd, "momentum", settings.momentum_rule, n_validations)
    return rules


def _rule(trainer: Any, sgd: Any, name: str, rule: Any, n_validations: int) -> RuleState:
    """Return the state of a rule after the epoch, applying it: 2015 wrote the file before it applied its rules."""
    # Through text, so that a float32 becomes the number of the user: 0.05, not 0.05000000074505806.
    value = float(str(np.ravel(sgd["learning_rate" if name == "lr" else name])[0]))
    old, epoch = sgd[f"{name}_rule"], trainer["epoch"]
    # Rules counted epochs in 2015, and count validations now.
    changed_at = old["last_epoch"] * n_validations // max(epoch, 1)
    state = RuleState(value, float(old["best_valid"]), changed_at)
    if epoch:
        loss = float(trainer["last_validation_loss"])
        state = rule.after_epoch(rule.after_validation(state, n_validations, epoch, loss), n_validations, epoch)
    return state


def _history(trainer: Any, settings: FitSettings, epoch: int) -> History:
    """Return a history with a row for each validation; values that 2015 did not store are NaN."""
    history, begin, n_updates = History(), 0, trainer["iter"] + 1
    costs = [cost for _, cost in trainer["train_loss"]]
    scored, tests = dict(trainer["train_valid_loss"]), dict(trainer["test_loss"])
    train, valid, test = settings.train_loss, settings.valid_loss, settings.test_loss
    if not (isinstance(train, Loss) and isinstance(valid, tuple) and isinstance(test, tuple)):
        raise CheckpointError("its trainer names no losses")
    for update, loss in trainer["valid_loss"]:
        if not begin <= update < max(n_updates, 1):
            raise CheckpointError(f"its validations are not in order: one is after update {update!r:.80}")
        seen = round(trainer["examples_seen"] * (update + 1) / n_updates)
        row = {"epoch": update * epoch // n_updates + 1, "examples_seen": seen}
        row[f"train_{train.column}"] = sum(costs[begin : update + 1]) / max(update + 1 - begin, 1)
        for part, losses in (("scored_train", scored), ("valid", {update: loss})):
            if losses:
                row[f"{part}_{valid[0].column}"] = float(losses.get(update, nan))
        for position, loss_of_test in enumerate(test if tests else ()):
            row[f"test_{loss_of_test.column}"] = float(np.ravel(tests[update])[position]) if update in tests else nan
        history.append(row | dict.fromkeys(("learning_rate", "momentum", "seconds"), nan))
        begin = update + 1
    return history


def _slots(architecture: Architecture, sgd: Any, lr: float) -> dict[str, NDArray[Any]]:
    """Return the slots of the updater; zeros if the file has none."""
    slots, stored = dict[str, NDArray[Any]](), sgd["stored_update_params"]
    kept = [
        [not (isinstance(place.layer, WeightedLayer) and place.layer.is_fixed(name)) for name in current_names(place)]
        for place in architecture.placed
    ]
    n_trained = sum(map(sum, kept))
    if stored and len(stored) != n_trained:
        raise CheckpointError(f"its updater has slots for {len(stored)} arrays; its network trains {n_trained}")
    for slot, old in _UPDATERS[sgd["sgd_type"]][1].items():
        left = iter(stored or [])
        for place, trained in zip(architecture.placed, kept, strict=True):
            if stored:
                tensors = tensors_of(place, [next(left)[old] if is_trained else None for is_trained in trained])
            else:
                free = {name for name, is_trained in zip(current_names(place), trained, strict=True) if is_trained}
                tensors = {f"{place.name}.{name}": np.zeros(place.params[name].shape, np.float32) for name in free}
            # In 2015 v <- mu * v - lr * g; w <- w + v. Now v <- mu * v + g; w <- w - lr * v, with lr of the next step.
            scale = np.float32((-1 / lr if lr else 0) if slot == "velocity" else 1)
            slots |= {f"{slot}/{name}": scale * tensor for name, tensor in tensors.items()}
    return slots
