"""The first value of a training step that is not finite: which layer it came from, forward or backward."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from arignote.engine.feed import DeviceBatch
from arignote.engine.network import Network
from arignote.engine.session import seed_all
from arignote.engine.step import TrainingStep
from arignote.generators import GENERATORS
from arignote.layers.output import OutputLayer

__all__ = ["CheckedStep", "NotFiniteFoundError"]


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

    def __call__(self, batches: Sequence[DeviceBatch], seeds: Iterable[int], **how: Any) -> Any:
        """Do the step; raise NotFiniteFoundError if an output, the loss, a weight or a buffer is NaN or infinite."""
        network, seeds = self._step.network, list(seeds)
        before = {name: tensor.detach().clone() for name, tensor in network.named.items()}
        loss = self._step(batches, seeds, **how)
        changed = [name for name, tensor in network.named.items() if not _are_finite([tensor])]
        if not changed and _are_finite([loss]):
            return loss
        if not all(_are_finite(batch.x) for batch in batches):
            raise _InDataError("examples were not finite when they came to the network")
        after = {name: tensor.detach().clone() for name, tensor in network.named.items()}
        # The step has changed them: the first bad value is found with the weights and buffers that produced it.
        place = self._found(batches, seeds, before)
        _copy(after, network)
        raise NotFiniteFoundError(place or _changed(network, changed))

    def _found(self, batches: Sequence[DeviceBatch], seeds: Sequence[int], before: dict[str, Tensor]) -> str | None:
        """Return a message on what was not finite first: an output, a loss, or a gradient; None if none was."""
        network = self._step.network
        # Forward first: if an output is not finite, gradients are not either.
        for way in (_first_output, self._first_loss_or_gradient):
            for batch, seed in zip(batches, seeds, strict=True):
                _copy(before, network)
                with GENERATORS, network.casting():
                    seed_all(seed, network.device)
                    message = way(network, batch)
                if message is not None:
                    return message
        return None

    def _first_loss_or_gradient(self, network: Network, batch: DeviceBatch) -> str | None:
        """Return a message on the first loss, or gradient of a layer, that is not finite; None if all are."""
        with torch.enable_grad():
            layers = _recorded(network, batch.x)
        gradients: list[Tensor | None] = [None] * len(layers)
        outputs = [at for at, place in enumerate(network.architecture.placed) if isinstance(place.layer, OutputLayer)]
        each = zip(outputs, batch.y, self._step.losses, self._step.loss_weights, strict=True)
        for at, target, mean, factor in each:
            name = network.architecture.placed[at].name
            with torch.enable_grad():
                output = layers[at][1].detach().requires_grad_()
                given = (output.float(), target) if batch.weights is None else (output.float(), target, batch.weights)
                loss = factor * mean(*given)
            if not _are_finite([loss]):
                of_output = f"of {name!r}" if len(outputs) > 1 else "itself"
                return f"the loss {of_output} was not finite, though the output of every layer was"
            (gradients[at],) = torch.autograd.grad(loss, [output], allow_unused=True)
            if not _are_finite([gradients[at]]):
                return f"the gradient of the loss of {name!r} was the first that was not finite"
        return _first_gradient(network, layers, gradients)


def _first_gradient(
    network: Network, layers: Sequence[tuple[list[Tensor], Tensor]], gradients: list[Tensor | None]
) -> str | None:
    """Return a message on the last layer that turns finite gradients of its output into others; None if there is none.

    Parameters
    ----------
    network : Network
    layers : sequence of (list of Tensor, Tensor)
        As `_recorded` returns them.
    gradients : list of Tensor or None
        Of the output of each layer; those of output layers are filled in.
    """
    for at, (place, (params, _)) in reversed(list(enumerate(network.placed()))):
        (inputs, output), gradient = layers[at], gradients[at]
        if gradient is None or not output.requires_grad:
            continue
        # Beside tensors are numbers that follow a rule.
        given = [one for one in [*inputs, *params.values()] if isinstance(one, Tensor)]
        leaves = [tensor for tensor in given if tensor.requires_grad]
        of_inputs = torch.autograd.grad(output, leaves, gradient.to(output.dtype), allow_unused=True)
        if not _are_finite(of_inputs):
            return (
                f"the gradient of layer {place.name!r} was the first that was not finite, though its output was finite"
            )
        by_leaf = dict(zip(map(id, leaves), of_inputs, strict=True))
        # Behind the outputs of layers are fields of the data, which need no gradient.
        for source, tensor in zip(place.sources, inputs, strict=False):
            of_input, sum_so_far = by_leaf.get(id(tensor)), gradients[source]
            if of_input is not None:
                gradients[source] = of_input if sum_so_far is None else sum_so_far + of_input
    return None


def _recorded(network: Network, x: tuple[Tensor, ...]) -> list[tuple[list[Tensor], Tensor]]:
    """Return the inputs and the output of each layer, each recorded on its own.

    Inputs that no trained parameter lies in front of have no gradients, as in training.
    """
    recorded: list[tuple[list[Tensor], Tensor]] = []
    outputs: list[Tensor] = []
    for place, (params, forward) in network.placed():
        taken = network.input_of(place, outputs, x)
        inputs = [one.detach() for one in (taken if place.takes_list else [taken])]
        for source, one in zip(place.sources, inputs, strict=False):
            one.requires_grad_(recorded[source][1].requires_grad)
        output = forward(params, inputs if place.takes_list else inputs[0], True)
        recorded.append((inputs, output))
        outputs.append(output.detach())
    return recorded


@torch.no_grad()
def _first_output(network: Network, batch: DeviceBatch) -> str | None:
    """Return a message on the first layer whose output is not finite; None if all are."""
    name = next((name for name, output in network.outputs(batch.x) if not _are_finite([output])), None)
    return None if name is None else f"the output of layer {name!r} was the first that was not finite"


def _changed(network: Network, names: Sequence[str]) -> str:
    """Return a message on the parameters and buffers that are not finite after a step whose other numbers are."""
    if not names:
        return "the loss was not finite"
    trained = [name for name in names if network.named[name].requires_grad]
    return f"the update made parameter {trained[0]!r} not finite" if trained else f"buffer {names[0]!r} was not finite"


@torch.no_grad()
def _copy(tensors: dict[str, Tensor], network: Network) -> None:
    for name, tensor in tensors.items():
        network.named[name].copy_(tensor)


def _are_finite(tensors: Iterable[Tensor | None]) -> bool:
    return all(tensor is None or bool(tensor.isfinite().all()) for tensor in tensors)
