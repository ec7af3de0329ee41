"""Neighbouring layers that have no function by hand: autograd records them on their own."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from arignote.layers.architecture import Placed

__all__ = ["Segment"]


class Segment:
    """Neighbouring layers that autograd records.

    Parameters
    ----------
    steps : list of (Placed, params, forward, inputs)
        Each layer; its inputs are numbers of earlier steps, or ``-1 - n`` for the n-th input of the segment.
    gradients : list of Tensor
        Those of its parameters in the flat vector.

    Attributes
    ----------
    needs : tuple of bool
        Whether the gradient of each input is needed.
    """

    def __init__(
        self,
        steps: list[tuple[Placed, dict[str, Tensor], Callable[..., Tensor], tuple[int, ...]]],
        gradients: list[Tensor],
    ):
        self._steps, self._gradients = steps, gradients
        self.trains = bool(gradients)
        self.needs: tuple[bool, ...] = ()

    def zero(self) -> None:
        """Set the gradients of its parameters, to which autograd adds, to zero."""
        for gradient in self._gradients:
            gradient.zero_()

    @torch.enable_grad()
    def forward(self, x: list[Tensor]) -> tuple[Tensor, tuple[list[Tensor], Tensor]]:
        leaves = [one.detach().requires_grad_(needed) for one, needed in zip(x, self.needs, strict=True)]
        outputs: list[Tensor] = []
        for place, params, forward, inputs in self._steps:
            taken = [outputs[n] if n >= 0 else leaves[-1 - n] for n in inputs]
            outputs.append(forward(params, taken if place.takes_list else taken[0], True))
        return outputs[-1].detach(), (leaves, outputs[-1])

    def backward(
        self, g: Tensor, saved: tuple[list[Tensor], Tensor], beta: float, needs_input: bool
    ) -> list[Tensor | None]:
        leaves, output = saved
        if output.requires_grad:
            torch.autograd.backward([output], [g])
        # The output need not depend on an input.
        return [torch.zeros_like(leaf) if leaf.requires_grad and leaf.grad is None else leaf.grad for leaf in leaves]
