"""Diagnosis of failures by layer: operations that are not deterministic, what is kept, wrong declarations."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor

from arignote.engine.network import Network
from arignote.engine.session import seed_all
from arignote.engine.step import TrainingStep
from arignote.errors import ConfigError
from arignote.generators import GENERATORS
from arignote.layers.architecture import Placed
from arignote.layers.torch_layer import TorchLayer, plain_attributes

__all__ = [
    "find_misdeclared",
    "nondeterministic_layer",
    "unrepeatable_layer",
]


def nondeterministic_layer(network: Network) -> str | None:
    """Return the name of the first layer that cannot do one batch forward and backward deterministically."""
    for place, (params, forward) in network.placed():
        xs = [torch.zeros((2, *shape), device=network.device, requires_grad=True) for shape in place.input_shapes]
        # Sequences of one step each, if their lengths are taken.
        xs += [torch.ones(2, dtype=torch.int64, device=network.device) for _ in place.fields if place.sources]
        try:
            torch.autograd.backward([forward(params, xs if place.takes_list else xs[0], True).sum()])
        except RuntimeError as error:
            # Only this error is meant here: any other is raised again in training, with the data that causes it.
            if "determinis" in str(error):
                return place.name
    return None


@torch.no_grad()
def unrepeatable_layer(network: Network) -> str | None:
    """Return the name of the first `TorchLayer` that gives other bits if run again: it keeps what no state has.

    Raises
    ------
    ConfigError
        If one fails, or returns something else than it declares.
    """
    for place, (params, forward) in network.placed():
        if not isinstance(place.layer, TorchLayer):
            continue
        before = {name: tensor.clone() for name, tensor in params.items()}
        module = forward.module  # type: ignore[attr-defined]
        kept = plain_attributes(module)
        # Rows that differ, of both signs: zeros would hide what a layer adds up of them.
        x = torch.linspace(-1, 1, 4 * prod(place.input_shape), device=network.device).view(4, *place.input_shape)
        runs = []
        for _ in range(2):
            with GENERATORS:
                seed_all(0, network.device)
                output = _output_of(place, forward, params, x, True, len(x))
            runs.append([output.clone(), *(tensor.clone() for tensor in params.values())])
            for name, tensor in params.items():
                tensor.copy_(before[name])
        # A counter may change no bit yet.
        is_same = all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(*runs, strict=True))
        if not is_same or plain_attributes(module) != kept:
            return place.name
    return None


@torch.no_grad()
def find_misdeclared(step: TrainingStep) -> str | None:
    """Return a message about the first layer whose output is not as declared, for the last batches; None if all are."""
    network, cast = step.network, step.network.setup.cast
    for x, _, _ in step.last_batches:
        for training in (True, False):
            with network.casting():
                message = _first_misdeclared(network, x, training, None if cast is not None else network.weights.dtype)
            if message is not None:
                return message
    return None


def _first_misdeclared(
    network: Network, x: tuple[Tensor, ...], training: bool, dtype: torch.dtype | None
) -> str | None:
    outputs: list[Tensor] = []
    for place, (params, forward) in network.placed():
        try:
            output = _output_of(place, forward, params, network.input_of(place, outputs, x), training, len(x[0]))
        except ConfigError as error:
            return str(error)
        # The rows of an input layer may be whole numbers.
        if place.sources and dtype not in (None, output.dtype):
            return f"layer {place.name!r} returns {output.dtype} where {dtype} came to it"
        outputs.append(output)
    return None


def _output_of(
    place: Placed, forward: Callable[..., Any], params: dict[str, Tensor], x: Any, training: bool, n_rows: int
) -> Tensor:
    """Return the output of a layer for `n_rows`; raise ConfigError if it fails or is not as it is declared."""
    declared = (n_rows, *place.output_shape)
    try:
        output = forward(params, x, training)
    except Exception as error:
        raise ConfigError(f"layer {place.name!r} fails: {type(error).__name__}: {error}") from error
    if not isinstance(output, Tensor):
        raise ConfigError(f"layer {place.name!r} returns {type(output).__name__}, not a tensor of shape {declared}")
    if output.shape != declared:
        raise ConfigError(f"layer {place.name!r} returns shape {tuple(output.shape)} where it declares {declared}")
    return output
