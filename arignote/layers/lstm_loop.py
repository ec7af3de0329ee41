"""The cell of an LSTM, with what the fused operation of the engine lacks: peepholes and clipped gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from arignote.layers.step_loop import Cell

__all__ = ["lstm_cell"]


def lstm_cell(max_gradient: float | None) -> Callable[[Mapping[str, Any], str], Cell]:
    """Return what `by_steps` takes for an LSTM.

    Parameters
    ----------
    max_gradient : float, optional
        `max_gate_gradient` of `LSTMLayer`.
    """

    def clipped(g: Any) -> Any:
        assert max_gradient is not None
        return g.clamp(-max_gradient, max_gradient)

    def cell_of(params: Mapping[str, Any], suffix: str) -> Cell:
        w_cell = params.get("W_cell" + suffix)

        def cell(of_input: Any, of_state: Any, states: Sequence[Any]) -> tuple[Any, ...]:
            from torch import tanh

            _, c = states
            sums: Any = of_input + of_state
            if max_gradient is not None and sums.requires_grad:
                sums.register_hook(clipped)
            i, f, g, o = sums.chunk(4, 1)
            if w_cell is not None:
                i, f = i + w_cell[0] * c, f + w_cell[1] * c
            new_c = f.sigmoid() * c + i.sigmoid() * tanh(g)
            return (o if w_cell is None else o + w_cell[2] * new_c).sigmoid() * tanh(new_c), new_c

        return cell

    return cell_of
