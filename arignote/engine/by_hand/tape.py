"""Loss and gradients of a network on a tape: each layer forward, then each backward, mostly without autograd.

Gradients are written into the flat vector. Neighbouring layers that have no function here are one segment, which
autograd records on its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from arignote.engine.by_hand.links import Link, LinkBuilder
from arignote.engine.by_hand.losses import loss_and_gradient
from arignote.engine.by_hand.segment import Segment
from arignote.engine.network import Network
from arignote.optim.losses import Loss

__all__ = ["Tape", "tape_of"]


class Tape:
    """Loss and gradients of a network.

    Parameters
    ----------
    links : sequence of Link
        In an order in which each takes outputs of earlier ones.
    n_inputs : int
        Number of inputs of the network.
    outputs : sequence of int
        Places of the values of the output layers.
    by_hand : list of str
        Names of the layers that are computed without autograd.
    losses : sequence of Loss
        Of each output; the sum of each times its weight is minimised.
    loss_weights : sequence of float
        The weight of each, which may change between calls.
    device : torch.device
        Device of the network.
    """

    def __init__(
        self,
        links: Sequence[Link],
        n_inputs: int,
        outputs: Sequence[int],
        by_hand: list[str],
        losses: Sequence[Loss],
        loss_weights: Sequence[float],
        device: torch.device,
    ):
        self.by_hand = by_hand
        self._links, self._n_inputs, self._outputs = links, n_inputs, outputs
        self._losses, self._loss_weights = [loss_and_gradient(loss, device) for loss in losses], loss_weights
        self._segments = [link.function for link in links if isinstance(link.function, Segment)]
        # In the inference mode operations of small tensors take a tenth less; what it returns autograd cannot record.
        # One object for all steps, which take turns.
        self._mode = nullcontext() if self._segments else torch.inference_mode()
        needed = [False] * n_inputs
        for link in links:
            link.needs = tuple(needed[source] for source in link.sources)
            link.needs_input = any(link.needs)
            needed.append(link.function.trains or link.needs_input)
            if isinstance(link.function, Segment):
                link.function.needs = link.needs
        # Links before the first one with parameters are not walked through.
        self._backward = [n for n in reversed(range(len(links))) if needed[n_inputs + n]]
        later: dict[str, str] = {}
        last_use: dict[int, int] = {}
        for number in reversed(range(len(links))):
            link = links[number]
            # Backward, the last layer that uses some parameters comes first: it overwrites their gradients, and earlier
            # layers that share them add theirs. A layer of several links, such as MLPConvLayer, has parameters of its
            # own for each, so that its links overwrite.
            link.adds = link.layer not in [later.setdefault(owner, link.layer) for owner in link.owners]
            for source in link.sources:
                is_last = last_use.setdefault(source, number) == number
                if is_last and source not in link.dropped and source not in outputs:
                    link.dropped.append(source)
        # Of a small network this loop is a tenth of a step: what it needs of each link lies ready.
        self._forward = [(one.function.forward, one.sources, one.is_merge, one.dropped) for one in links]

    def __call__(
        self, x: tuple[Tensor, ...], y: tuple[Tensor, ...], weights: Tensor | None, share: float, beta: float
    ) -> Tensor:
        """Write the gradients of ``share * loss`` into the flat vector (beta 1: add them), and return that loss."""
        # No tensor here requires a gradient, so that autograd records segments and losses only.
        with self._mode:
            return self._loss_and_gradients(x, y, weights, share, beta)

    def _loss_and_gradients(
        self, x: tuple[Tensor, ...], y: tuple[Tensor, ...], weights: Tensor | None, share: float, beta: float
    ) -> Tensor:
        if not beta:
            for segment in self._segments:
                segment.zero()
        values: list[Tensor | None] = [*x]
        saved: list[Any] = []
        for forward, sources, is_merge, dropped in self._forward:
            inputs: Any = [values[source] for source in sources] if is_merge else values[sources[0]]
            output, kept = forward(inputs)
            values.append(output)
            saved.append(kept)
            for source in dropped:
                values[source] = None
        gradients: list[Tensor | None] = [None] * len(values)
        total: Tensor | None = None
        each = zip(self._outputs, y, self._losses, self._loss_weights, strict=True)
        for place, target, loss_and_g, factor in each:
            outputs = values[place]
            assert outputs is not None
            loss, g = loss_and_g(outputs, target, weights, share * factor)
            gradients[place] = g
            total = loss if total is None else total + loss
        assert total is not None
        for number in self._backward:
            self._step_back(number, saved[number], gradients, beta)
        return total

    def _step_back(self, number: int, saved: Any, gradients: list[Tensor | None], beta: float) -> None:
        """Go from the gradient of the output of a link to those of its inputs."""
        link, place = self._links[number], self._n_inputs + number
        g = gradients[place]
        assert g is not None
        gradients[place] = None
        of_inputs = link.function.backward(g, saved, 1.0 if link.adds else beta, link.needs_input)
        if not link.needs_input:
            return
        if not link.is_merge:
            of_inputs = (of_inputs,)
        for source, needed, one in zip(link.sources, link.needs, of_inputs, strict=True):
            if needed:
                before = gradients[source]
                # Later links come first, so that the order of a sum is fixed.
                gradients[source] = one if before is None else before + one


def tape_of(network: Network, losses: Sequence[Loss], loss_weights: Sequence[float]) -> Tape | None:
    """Return the tape of a network; None if autograd is needed for all of it, because of its layers or of its setup."""
    setup = network.setup
    if setup.cast is not None or (setup.compile and network.device.type != "cpu"):
        # On a GPU one compiled kernel is faster than many small ones; on a CPU it is slower than a tape.
        return None
    builder = LinkBuilder(network)
    links, outputs = builder.links()
    if setup.compile and builder.has_segments:
        return None
    return Tape(links, builder.n_inputs, outputs, builder.by_hand, losses, loss_weights, network.device)
