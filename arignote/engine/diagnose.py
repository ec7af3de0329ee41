"""Where a NaN was born: the steps since the last good state once more, each looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from arignote.engine.network import Network
from arignote.engine.step import TrainingStep

__all__ = ["Looked", "NotFiniteFoundError"]


class NotFiniteFoundError(Exception):
    """The first step whose numbers are not finite; the message says which layer or parameter."""


class Looked:
    """A training step that stops at the first number which is not finite.

    Parameters
    ----------
    step : TrainingStep
        The step that is watched; the network it trains is that of the last good state.
    """

    def __init__(self, step: TrainingStep):
        self._step = step

    def __call__(self, x: Tensor, y: Tensor, *, lr: float, momentum: float, n: int, seed: int) -> Any:
        """Do the step; NotFiniteFoundError where an output, the loss or a weight is NaN or infinite."""
        network = self._step.network
        before = network.weights.clone()
        loss = self._step(x, y, lr=lr, momentum=momentum, n=n, seed=seed)
        if bool(network.weights.isfinite().all()) and bool(loss.isfinite()):
            return loss
        after, bad = network.weights.clone(), dict(network.named)
        names = [name for name, tensor in bad.items() if not bool(tensor.isfinite().all())]
        network.weights.copy_(before)
        layer = self._first_layer(network, x, lambda: torch.default_generator.manual_seed(seed))
        network.weights.copy_(after)
        if layer:
            raise NotFiniteFoundError(f"the output of layer {layer!r} was the first that was not finite")
        if not bool(loss.isfinite()):
            raise NotFiniteFoundError("the loss itself was not finite, though the output of every layer was")
        raise NotFiniteFoundError(f"the update made parameter {names[0]!r} not finite")

    @staticmethod
    @torch.no_grad()
    def _first_layer(network: Network, x: Tensor, seed: Callable[[], object]) -> str | None:
        seed()
        return next((name for name, out in network.outputs(x) if not bool(out.isfinite().all())), None)
