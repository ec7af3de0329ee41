"""An LSTM computed step by step, with what the fused operation of the engine lacks: peepholes and clipped gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from arignote.layers.steps import counts_of, with_steps

__all__ = ["lstm_by_steps"]


def lstm_by_steps(
    suffixes: Sequence[str], n_directions: int, *, backwards: bool, only_last: bool, max_gradient: float | None
) -> Callable[..., Any]:
    """Return the forward function ``f(params, x, training)`` of an LSTM, computed step by step.

    Parameters
    ----------
    suffixes : sequence of str
        Those of the parameters of each layer and direction, in order.
    n_directions : int
        Number of directions of each layer.
    backwards, only_last
        See `LSTMLayer`.
    max_gradient : float, optional
        `max_gate_gradient` of `LSTMLayer`.
    """

    def forward(params: Mapping[str, Any], x: Any, training: bool) -> Any:
        from torch import cat

        x, steps = with_steps(x)
        x = x[:, :, None] if x.dim() == 2 else x
        counts = None
        if steps is not None:
            counts = counts_of(steps, x.shape[1])
            # Whatever stands there must not reach a gradient, not even times 0.
            x = x.where(counts[:, :, None], 0.0)
        last: list[Any] = []
        for position in range(0, len(suffixes), n_directions):
            of_directions = [
                _direction(params, suffix, x, counts, backwards or suffix.endswith("_reverse"), max_gradient)
                for suffix in suffixes[position : position + n_directions]
            ]
            x, last = cat([outputs for outputs, _ in of_directions], 2), [state for _, state in of_directions]
        return cat(last, 1) if only_last else x

    return forward


def _direction(
    params: Mapping[str, Any], suffix: str, x: Any, counts: Any, reverse: bool, max_gradient: float | None
) -> tuple[Any, Any]:
    """Return the outputs (rows, steps, units) and the last state (rows, units) of one direction of a layer."""
    from torch import stack, tanh
    from torch.nn.functional import linear

    def clipped(g: Any) -> Any:
        assert max_gradient is not None
        return g.clamp(-max_gradient, max_gradient)

    w_in, w_rec, w_cell = params["W_in" + suffix], params["W_rec" + suffix], params.get("W_cell" + suffix)
    of_inputs = linear(x, w_in, params.get("b_in" + suffix))
    h = c = x.new_zeros(x.shape[0], w_rec.shape[1])
    outputs: list[Any] = [None] * x.shape[1]
    for step in reversed(range(x.shape[1])) if reverse else range(x.shape[1]):
        sums: Any = of_inputs[:, step] + linear(h, w_rec, params.get("b_rec" + suffix))
        if max_gradient is not None and sums.requires_grad:
            sums.register_hook(clipped)
        i, f, g, o = sums.chunk(4, 1)
        if w_cell is not None:
            i, f = i + w_cell[0] * c, f + w_cell[1] * c
        new_c = f.sigmoid() * c + i.sigmoid() * tanh(g)
        new_h = (o if w_cell is None else o + w_cell[2] * new_c).sigmoid() * tanh(new_c)
        if counts is None:
            h, c, outputs[step] = new_h, new_c, new_h
            continue
        is_counted = counts[:, step, None]
        h, c, outputs[step] = new_h.where(is_counted, h), new_c.where(is_counted, c), new_h.where(is_counted, 0.0)
    return stack(outputs, 1), h
