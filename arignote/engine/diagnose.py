"""Diagnosis of failures by layer: the first NaN, operations that are not deterministic, wrong declarations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from math import prod
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from arignote.engine.feed import DeviceBatch
from arignote.engine.network import Network
from arignote.engine.session import seed_all
from arignote.engine.step import TrainingStep
from arignote.engine.update import NO_NUMBERS
from arignote.errors import ConfigError
from arignote.generators import GENERATORS
from arignote.layers.architecture import Placed
from arignote.layers.torch_layer import TorchLayer, plain_attributes

__all__ = [
    "CheckedStep",
    "NotFiniteFoundError",
    "find_misdeclared",
    "nondeterministic_layer",
    "unrepeatable_layer",
]


class NotFiniteFoundError(Exception):
    """A step has produced the first value that is not finite; the message names the layer or parameter.

    Attributes
    ----------
    in_data : bool
        Whether the examples were not finite already.
    """

    in_data = False


class _InDataError(NotFiniteFoundError):
    in_data = True


class CheckedStep:
    """A training step that raises an error at the first value that is not finite.

    Parameters
    ----------
    step : TrainingStep
        The step to check. Its network has the weights of the last good state.
    """

    def __init__(self, step: TrainingStep):
        self._step = step

    def __call__(
        self,
        batches: Sequence[DeviceBatch],
        seeds: Sequence[int],
        *,
        lr: float,
        momentum: float,
        n: int,
        numbers: Mapping[str, float] = NO_NUMBERS,
        thawed: Mapping[str, int] = MappingProxyType({}),
    ) -> Any:
        """Do the step; raise NotFiniteFoundError if an output, the loss or a weight is NaN or infinite."""
        network = self._step.network
        before = network.weights.clone()
        loss = self._step(batches, seeds, lr=lr, momentum=momentum, n=n, numbers=numbers, thawed=thawed)
        if bool(network.weights.isfinite().all()) and bool(loss.isfinite()):
            return loss
        if not all(bool(x.isfinite().all()) for batch in batches for x in batch.x):
            raise _InDataError("examples were not finite when they came to the network")
        after = network.weights.clone()
        names = [name for name, tensor in network.named.items() if not bool(tensor.isfinite().all())]
        # The step has changed them: the first bad output is found with those that produced it.
        network.weights.copy_(before)
        layers = [_first_layer(network, batch.x, seed) for batch, seed in zip(batches, seeds, strict=True)]
        network.weights.copy_(after)
        if any(layers):
            raise NotFiniteFoundError(
                f"the output of layer {next(filter(None, layers))!r} was the first that was not finite"
            )
        if not bool(loss.isfinite()):
            raise NotFiniteFoundError("the loss itself was not finite, though the output of every layer was")
        raise NotFiniteFoundError(f"the update made parameter {names[0]!r} not finite")


@torch.no_grad()
def _first_layer(network: Network, x: tuple[Tensor, ...], seed: int) -> str | None:
    """Return the name of the first layer whose output is not finite."""
    with GENERATORS, _cast(network):
        seed_all(seed, network.device)
        return next((name for name, out in network.outputs(x) if not bool(out.isfinite().all())), None)


def _cast(network: Network) -> AbstractContextManager[Any]:
    """Return a context in which layers compute in the type that a training step uses."""
    cast = network.setup.cast
    return nullcontext() if cast is None else torch.autocast(network.device.type, cast)


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
            with _cast(network):
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
            found = _output_of(place, forward, params, network.input_of(place, outputs, x), training, len(x[0]))
        except ConfigError as error:
            return str(error)
        # The rows of an input layer may be whole numbers.
        if place.sources and dtype not in (None, found.dtype):
            return f"layer {place.name!r} returns {found.dtype} where {dtype} came to it"
        outputs.append(found)
    return None


def _output_of(
    place: Placed, forward: Callable[..., Any], params: dict[str, Tensor], x: Any, training: bool, n_rows: int
) -> Tensor:
    """Return the output of a layer for `n_rows`; raise ConfigError if it fails or is not as it is declared."""
    declared = (n_rows, *place.output_shape)
    try:
        found = forward(params, x, training)
    except Exception as error:
        raise ConfigError(f"layer {place.name!r} fails: {type(error).__name__}: {error}") from error
    if not isinstance(found, Tensor):
        raise ConfigError(f"layer {place.name!r} returns {type(found).__name__}, not a tensor of shape {declared}")
    if found.shape != declared:
        raise ConfigError(f"layer {place.name!r} returns shape {tuple(found.shape)} where it declares {declared}")
    return found
