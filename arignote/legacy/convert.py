"""Conversion of a network of 2015: layers, settings, rules, state of the updater."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from arignote.checkpoints.progress import Best, History, Progress
from arignote.checkpoints.state import TrainingState
from arignote.errors import CheckpointError, ConfigError
from arignote.layers.architecture import Architecture, Placed, declare
from arignote.layers.base import WeightedLayer
from arignote.layers.layer_list import parse
from arignote.legacy.pickles import kind_of
from arignote.optim.losses import Loss
from arignote.optim.rules import RuleState
from arignote.registry import build, find
from arignote.registry.complaints import complaints_of
from arignote.safe.limits import MOST_LAYERS
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
# Items of a parameter of a layer, such as a schedule or a shape.
_MOST_ITEMS = 1_000
# Settings that these layers accepted and ignored.
_IGNORED = {"ConvLayer": {"maxnorm"}, "ConvMaxoutLayer": {"maxnorm"}, "MLPConvLayer": {"maxnorm", "l1", "l2"}}


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
    layers, architecture = _architecture(net)
    # Layers may share an array in the file but get one each here, so that a small file could fill the memory.
    if 2 * architecture.n_params > n_bytes:
        raise CheckpointError(
            f"its layers have {architecture.n_params} parameters, which are not in its {n_bytes} bytes"
        )
    settings = _settings(net, trainer, sgd)
    history = _history(trainer, settings, epoch)
    n_validations = len(history) or epoch
    rules = _rules(trainer, sgd, settings, n_validations)
    weights: dict[str, NDArray[Any]] = {}
    for place, layer in zip(architecture.placed, layers, strict=True):
        weights |= _tensors(place, _values(layer))
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
        targets={name: _classes(n) for name, n in architecture.n_outputs.items()},
        data={},
        environment={},
        progress=Progress(epoch, 0, trainer["examples_seen"], trainer["iter"] + 1, n_validations),
        history=history,
        best=_best(trainer, history, weights),
        starts=[[0, 0]],
    )


def _classes(n_classes: int) -> dict[str, Any]:
    return {"target": "classes", "dtype": "<i8", "values": list(range(n_classes))}


def _best(trainer: Any, history: History, weights: dict[str, NDArray[Any]]) -> Best | None:
    """Return the best validation if it was the last one, since the file has no other weights."""
    if not len(history):
        return None
    last = history.record(-1)
    if trainer["last_validation_loss"] <= trainer["best_validation_loss"]:
        value = float(trainer["best_validation_loss"])
        return Best(value, last["epoch"], last["examples_seen"], len(history), network=dict(weights))
    return None


def _architecture(net: Any) -> tuple[list[Any], Architecture]:
    """Return the layers of 2015, and the current architecture of the same shapes."""
    layers = net["layers_train"]
    if not isinstance(layers, list) or len(layers) > MOST_LAYERS:
        raise CheckpointError(f"its layers must be a list of at most {MOST_LAYERS}")
    # An input layer of the user followed the one that was always inserted.
    while len(layers) > 1 and kind_of(layers[1]) in ("InputLayer", "InputImageLayer"):
        layers = layers[1:]
    specs = []
    for layer in layers:
        kind = kind_of(layer)
        fields = set(find("layer", kind).model_fields) & set(layer.state) - _IGNORED.get(kind, {"n_in"})
        params = {field: _bounded(layer[field], kind, field) for field in fields}
        params["name"] = re.sub(r"[./\\]|^\s", "_", str(layer["name"]))
        if isinstance(params.get("fix_params"), list | tuple):
            params["fix_params"] = [prefix.split("_")[0] for prefix in params["fix_params"]]
        specs.append([kind, params])
    architecture = declare(parse(specs), tuple(int(n) for n in np.ravel(net["n_in"])))
    for place, layer in zip(architecture.placed, layers, strict=True):
        # In 2015, pooling included windows that overlap the edge; now it omits them.
        if np.prod(layer["n_in"]) != np.prod(place.input_shape):
            raise CheckpointError(
                f"its layer {place.name!r} has an input of {np.ravel(layer['n_in']).tolist()}; the current layers "
                f"before it output {list(place.input_shape)}. Pooling windows that overlap the edge are not supported"
            )
    return layers, architecture


def _bounded(value: Any, kind: str, name: str) -> Any:
    """Return a parameter of a layer; raise CheckpointError if it has more items than any layer needs."""
    left, waiting = _MOST_ITEMS, [value]
    while waiting and left >= 0:
        item = waiting.pop()
        left -= item.size if isinstance(item, np.ndarray) else 1
        if isinstance(item, list | tuple):
            waiting += item[: left + 1]
        elif isinstance(item, dict):
            waiting += [*item.values()][: left + 1]
    if left < 0:
        raise CheckpointError(f"its {kind} has a parameter {name!r} of more than {_MOST_ITEMS} items")
    return value


def _settings(net: Any, trainer: Any, sgd: Any) -> FitSettings:
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
        "train_loss": loss["train"],
        "valid_loss": loss["valid"],
        "test_loss": loss["test"],
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


def _values(layer: Any) -> list[Any]:
    """Return the arrays of a layer in the order in which 2015 trained them."""
    params = layer["trainable_params"]
    weights, biases, slopes = params.get("W"), params.get("b"), params.get("act_func_args") or []
    if weights is None:
        return []
    if kind_of(layer) == "MLPConvLayer":
        return [a for w, b, more in zip(weights, biases, slopes, strict=True) for a in (w, b, *more)]
    if kind_of(layer) in ("LCLayer", "LCMaxoutLayer", "SegmentedLayer"):
        # Of each segment one array, or the pieces of maxout.
        of_segments = [*weights, *biases, *slopes]
        return [a for one in of_segments for a in (one if isinstance(one, list | tuple) else [one])]
    return [*weights, *biases] if isinstance(weights, list | tuple) else [weights, biases, *slopes]


def _names(place: Placed) -> list[str]:
    """Return for each array of 2015 the current parameter it belongs to; maxout stored its pieces as single arrays."""
    return [name for name in place.params for _ in range(getattr(place.layer, "maxout_k", 1))]


def _tensors(place: Placed, arrays: Sequence[Any]) -> dict[str, NDArray[Any]]:
    """Return current tensors from the arrays of a layer of 2015, without parameters whose arrays are None."""
    tensors = dict[str, NDArray[Any]]()
    # Compared before the names are listed, as the file determines maxout_k and thus the length of the list.
    n_names = len(place.params) * getattr(place.layer, "maxout_k", 1)
    names = _names(place) if n_names == len(arrays) else []
    if len(arrays) != n_names:
        raise CheckpointError(f"its layer {place.name!r} has {len(arrays)} arrays; {n_names} are needed")
    for name, param in place.params.items():
        pieces = [a for of, a in zip(names, arrays, strict=True) if of == name]
        if pieces[0] is None:
            continue
        axis, shape = param.unit_axis or 0, list(param.shape)
        shape[axis] //= len(pieces)
        pieces = [_reordered(_checked_numbers(piece), shape) for piece in pieces]
        for piece in pieces:
            if list(piece.shape) != shape:
                raise CheckpointError(
                    f"its {place.name}.{name} has the shape {list(piece.shape)}; the layer needs {shape}"
                )
        stacked = np.stack(pieces, axis + 1).reshape(param.shape)
        tensors[name] = np.ascontiguousarray(stacked, dtype=np.float32)
    return {f"{place.name}.{name}": tensor for name, tensor in tensors.items()}


def _checked_numbers(array: Any) -> NDArray[Any]:
    """Return an array; raise CheckpointError if its values are not numbers."""
    if not isinstance(array, np.ndarray | np.generic | float | int) or np.asarray(array).dtype.kind not in "biuf":
        kind = array.dtype if isinstance(array, np.ndarray | np.generic) else type(array).__name__
        raise CheckpointError(f"it holds an array of {kind}; arrays of a checkpoint are numbers")
    return np.asarray(array)


def _reordered(array: NDArray[Any], shape: list[int]) -> NDArray[Any]:
    """Return filters for cross-correlation: flipped if they are of Theano, transposed if of cuda-convnet."""
    if array.ndim != 4:
        return array
    if list(array.shape) == [*shape[1:], shape[0]] != shape:
        return array.transpose(3, 0, 1, 2)
    return array[:, :, ::-1, ::-1]


def _slots(architecture: Architecture, sgd: Any, lr: float) -> dict[str, NDArray[Any]]:
    """Return the slots of the updater; zeros if the file has none."""
    slots, stored = dict[str, NDArray[Any]](), sgd["stored_update_params"]
    kept = [
        [not (isinstance(place.layer, WeightedLayer) and place.layer.is_fixed(name)) for name in _names(place)]
        for place in architecture.placed
    ]
    n_trained = sum(map(sum, kept))
    if stored and len(stored) != n_trained:
        raise CheckpointError(f"its updater has slots for {len(stored)} arrays; its network trains {n_trained}")
    for slot, old in _UPDATERS[sgd["sgd_type"]][1].items():
        memory = iter(stored or [])
        for place, trained in zip(architecture.placed, kept, strict=True):
            if stored:
                tensors = _tensors(place, [next(memory)[old] if is_trained else None for is_trained in trained])
            else:
                free = {name for name, is_trained in zip(_names(place), trained, strict=True) if is_trained}
                tensors = {f"{place.name}.{name}": np.zeros(place.params[name].shape, np.float32) for name in free}
            # In 2015 v <- mu * v - lr * g; w <- w + v. Now v <- mu * v + g; w <- w - lr * v, with lr of the next step.
            scale = np.float32((-1 / lr if lr else 0) if slot == "velocity" else 1)
            slots |= {f"{slot}/{name}": scale * tensor for name, tensor in tensors.items()}
    return slots
