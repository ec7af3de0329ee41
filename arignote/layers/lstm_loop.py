"""The cell of an LSTM, with what the fused operation of the engine lacks: peepholes and clipped gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from arignote.layers.step_loop import Cell

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["lstm_cell"]


def lstm_cell(max_gradient: float | None) -> Callable[[Mapping[str, Tensor], str], Cell]:
    """Return what `by_steps` takes for an LSTM.

    Parameters
    ----------
    max_gradient : float, optional
        `max_gate_gradient` of `LSTMLayer`.
    """

    def clipped(g: Tensor) -> Tensor:
        assert max_gradient is not None
        return g.clamp(-max_gradient, max_gradient)

    def cell_of(params: Mapping[str, Tensor], suffix: str) -> Cell:
        w_cell = params.get("W_cell" + suffix)

        def cell(of_input: Tensor, of_state: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, ...]:
            from torch import tanh

            _, c = states
            sums: Any = of_input + of_state
            # A hook on a tensor without a gradient raises.
            if max_gradient is not None and sums.requires_grad:
                sums.register_hook(clipped)
            # The order of PyTorch: input gate, forget gate, cell, output gate.
            i, f, g, o = sums.chunk(4, 1)
            if w_cell is not None:
                i, f = i + w_cell[0] * c, f + w_cell[1] * c
            new_c = f.sigmoid() * c + i.sigmoid() * tanh(g)
            # The output gate sees the new cells, the others the old ones (Gers and Schmidhuber, 2000).
            return (o if w_cell is None else o + w_cell[2] * new_c).sigmoid() * tanh(new_c), new_c

        return cell

    return cell_of
