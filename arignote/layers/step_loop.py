"""Recurrent layers computed step by step, by a cell: for what the fused operations of the engine lack."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from arignote.layers.base import Forward
from arignote.layers.steps import counts_of, with_steps

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Cell", "by_steps"]

# Of ``W_in x_t + b_in``, ``W_rec h_{t-1} + b_rec`` and the states before, h first: the states after a step.
Cell = Callable[["Tensor", "Tensor", Sequence["Tensor"]], tuple["Tensor", ...]]


def by_steps(
    cell_of: Callable[[Mapping[str, Tensor], str], Cell],
    n_states: int,
    suffixes: Sequence[str],
    n_directions: int,
    *,
    backwards: bool,
    only_last: bool,
) -> Forward:
    """Return the forward function ``f(params, x, training)`` of a recurrent layer, computed step by step.

    Parameters
    ----------
    cell_of : callable
        Returns the cell of a direction of a layer, from the parameters and the suffix of theirs.
    n_states : int
        Number of states that a step has: h, and what else the cell keeps.
    suffixes : sequence of str
        Those of the parameters of each layer and direction, in order.
    n_directions : int
        Number of directions of each layer.
    backwards, only_last
        See `LSTMLayer`.
    """

    def forward(params: Mapping[str, Tensor], x: Any, training: bool) -> Tensor:
        from torch import cat

        x, steps = with_steps(x)
        x = x[:, :, None] if x.dim() == 2 else x
        counts = None
        if steps is not None:
            counts = counts_of(steps, x.shape[1])
            # Whatever stands there must not reach a gradient, not even times 0.
            x = x.where(counts[:, :, None], 0.0)
        last: list[Tensor] = []
        for position in range(0, len(suffixes), n_directions):
            of_directions = [
                _direction(cell_of(params, suffix), n_states, params, suffix, x, counts, backwards)
                for suffix in suffixes[position : position + n_directions]
            ]
            x, last = cat([outputs for outputs, _ in of_directions], 2), [state for _, state in of_directions]
        return cat(last, 1) if only_last else x

    return forward


def _direction(
    cell: Cell,
    n_states: int,
    params: Mapping[str, Tensor],
    suffix: str,
    x: Tensor,
    counts: Tensor | None,
    backwards: bool,
) -> tuple[Tensor, Tensor]:
    """Return the outputs (rows, steps, units) and the last h (rows, units) of one direction of a layer."""
    from torch import stack
    from torch.nn.functional import linear

    w_rec, b_rec = params["W_rec" + suffix], params.get("b_rec" + suffix)
    # One product for all steps: only that with W_rec needs the state before.
    of_inputs = linear(x, params["W_in" + suffix], params.get("b_in" + suffix))
    states: tuple[Tensor, ...] = (x.new_zeros(x.shape[0], w_rec.shape[1]),) * n_states
    outputs: list[Any] = [None] * x.shape[1]
    is_reverse = backwards or suffix.endswith("_reverse")
    for step in reversed(range(x.shape[1])) if is_reverse else range(x.shape[1]):
        after = cell(of_inputs[:, step], linear(states[0], w_rec, b_rec), states)
        if counts is None:
            states, outputs[step] = after, after[0]
            continue
        is_counted = counts[:, step, None]
        # A step that does not count leaves the states as they are.
        states = tuple(new.where(is_counted, old) for new, old in zip(after, states, strict=True))
        outputs[step] = after[0].where(is_counted, 0.0)
    return stack(outputs, 1), states[0]
