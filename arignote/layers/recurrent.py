"""Recurrent layers over sequences (steps, features)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, ClassVar, Literal, Self

from pydantic import model_validator

from arignote.errors import Complaint, ConfigError
from arignote.layers.base import Forward, Param, Shape, ShapeError, WeightedLayer
from arignote.layers.initializers import Constant, GlorotUniform
from arignote.layers.lstm_loop import lstm_cell
from arignote.layers.step_loop import Cell, by_steps
from arignote.layers.steps import counts_of, is_exported, with_steps
from arignote.registry import Count, Positive, register

__all__ = ["GRULayer", "LSTMLayer", "RecurrentLayer"]


class _Recurrent(WeightedLayer):
    """Base class of recurrent layers.

    Parameters
    ----------
    n_units : int >= 1
        Number of units, for each direction.
    only_last : bool, default False
        Whether only the state after the last step is returned, (n_units,), rather than that of each step.
    backwards : bool, default False
        Whether sequences are read from their last step to the first. Outputs keep the order of the steps.
    bidirectional : bool, default False
        Whether they are read in both directions, each with its own units; the outputs are concatenated.
    n_layers : int >= 1, default 1
        Number of such layers, each of which takes the outputs of the one before.

    Notes
    -----
    Parameters are W_in, W_rec, b_in and b_rec, followed by the number of the layer from the second one on, and by
    "_reverse" for the direction from the end. Those of several gates are concatenated along the first axis, as in
    PyTorch. Weights have one Glorot range for all gates, biases are 0. Of sequences with lengths or a mask (see
    `InputLayer`) steps that do not count are skipped: no output depends on them, and their own outputs are 0.
    """

    keeps_steps: ClassVar[bool] = True
    takes_steps: ClassVar[bool] = True
    # Number of blocks of rows of the weights: the gates, and the new value of the state.
    _n_gates: ClassVar[int]
    # Number of states that a step has: h, and the cells of an LSTM.
    _n_states: ClassVar[int] = 1
    n_units: Count
    only_last: bool = False
    backwards: bool = False
    bidirectional: bool = False
    n_layers: Count = 1

    @model_validator(mode="after")
    def _has_one_direction_or_both(self) -> Self:
        if self.backwards and self.bidirectional:
            raise ConfigError(Complaint(("backwards",), "backwards and bidirectional cannot both be set"))
        return self

    @property
    def _directions(self) -> tuple[str, ...]:
        return ("", "_reverse") if self.bidirectional else ("",)

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) not in (1, 2):
            raise ShapeError(f"needs sequences (steps, features) or (steps,); got {shape}")
        n_outputs = self.n_units * len(self._directions)
        return (n_outputs,) if self.only_last else (shape[0], n_outputs)

    def declare_params(self, shape: Shape) -> dict[str, Param]:
        n_rows, params = self._n_gates * self.n_units, dict[str, Param]()
        n_in = shape[1] if len(shape) == 2 else 1
        for suffix in self._suffixes():
            for name, n_columns in (("W_in", n_in), ("W_rec", self.n_units)):
                initial = self.W or GlorotUniform()
                params[name + suffix] = Param((n_rows, n_columns), initial, n_columns, self.n_units, unit_axis=0)
            for name in ("b_in", "b_rec") if self.use_bias else ():
                params[name + suffix] = Param((n_rows,), self.b or Constant())
            if suffix.endswith(self._directions[-1]):
                # The layers above take the outputs of all directions.
                n_in = self.n_units * len(self._directions)
        return params

    def n_multiply_adds(self, shape: Shape) -> int:
        # All weights are used at each step, those of padding included; peepholes are no product of matrices.
        params = self.declare_params(shape).items()
        return shape[0] * sum(prod(p.shape) for name, p in params if name.startswith(("W_in", "W_rec")))

    def _suffixes(self) -> list[str]:
        """Return the suffixes of the parameters of each layer and direction, in the order of PyTorch."""
        return [f"{layer or ''}{direction}" for layer in range(self.n_layers) for direction in self._directions]

    @abstractmethod
    def _function(self) -> Callable[..., Any]:
        """Return the function of the engine, which takes padded or packed sequences."""

    @abstractmethod
    def _cell(self) -> Callable[[Mapping[str, Any], str], Cell]:
        """Return the same as a cell, which `by_steps` takes."""

    def _initial(self, zeros: Any) -> Any:
        """Return the state before the first step, of zeros (n_layers * n_directions, rows, n_units)."""
        return [zeros] * self._n_states if self._n_states > 1 else zeros

    def _by_steps(self) -> Forward:
        return by_steps(
            self._cell(),
            self._n_states,
            self._suffixes(),
            len(self._directions),
            backwards=self.backwards,
            only_last=self.only_last,
        )

    def build(self, shape: Shape) -> Forward:
        function, initial, suffixes = self._function(), self._initial, self._suffixes()
        kinds = ("W_in", "W_rec", "b_in", "b_rec") if self.use_bias else ("W_in", "W_rec")
        names = [kind + suffix for suffix in suffixes for kind in kinds]
        # Without dropout between the layers, which needs the mode of training.
        options = (self.use_bias, self.n_layers, 0.0, False, self.bidirectional)
        n_states, n_units, only_last, backwards = len(suffixes), self.n_units, self.only_last, self.backwards
        n_last, in_steps = len(self._directions), self._by_steps()

        def forward(params: Mapping[str, Any], x: Any, training: bool) -> Any:
            if isinstance(x, list) and is_exported():
                # Sequences are packed by lengths that only the data has.
                return in_steps(params, x, training)
            x, steps = with_steps(x)
            x = x[:, :, None] if x.dim() == 2 else x
            weights = [params[name] for name in names]
            # Not len(x), which fixes the number of rows of an exported program.
            state = initial(x.new_zeros(n_states, x.shape[0], n_units))
            if steps is None:
                outputs, last, *_ = function(x.flip(1) if backwards else x, state, weights, *options, True)
                outputs = outputs.flip(1) if backwards else outputs
            else:
                outputs, last = _skipping(function, x, steps, state, weights, options, backwards, only_last)
            # The states of the last layer, one for each direction.
            return last[-n_last:].transpose(0, 1).flatten(1) if only_last else outputs

        return forward


def _skipping(
    function: Callable[..., Any],
    x: Any,
    steps: Any,
    state: Any,
    weights: list[Any],
    options: tuple[Any, ...],
    backwards: bool,
    only_last: bool,
) -> tuple[Any, Any]:
    """Return outputs (rows, steps, ...), 0 for steps that do not count, and the last states (n_states, rows, ...).

    With `only_last` there are no outputs, but None.
    """
    from torch import arange
    from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

    n_steps = x.shape[1]
    counts = counts_of(steps, n_steps)
    lengths = counts.sum(1)
    # The steps that count come first, in their order or from the last one to the first.
    rank = arange(n_steps, device=x.device).expand_as(counts)
    order = (~counts).long().mul(n_steps).add(-rank if backwards else rank).argsort(1)
    # pack_padded_sequence takes lengths of the CPU only.
    lengths = lengths.cpu()
    # Cut to the longest sequence of the batch.
    first = x.gather(1, order[:, : int(lengths.max()), None].expand(-1, -1, x.shape[2]))
    packed = pack_padded_sequence(first, lengths, batch_first=True, enforce_sorted=False)
    outputs, last, *_ = function(packed.data, packed.batch_sizes, state, weights, *options)
    last = last.index_select(1, packed.unsorted_indices)  # packed sequences are sorted by length
    if only_last:
        return None, last
    again = PackedSequence(outputs, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
    padded, _ = pad_packed_sequence(again, batch_first=True, total_length=n_steps)
    # The argsort of a permutation is its inverse: steps go back to their places.
    return padded.gather(1, order.argsort(1)[:, :, None].expand_as(padded)), last


@register()
class LSTMLayer(_Recurrent):
    """Long short-term memory (Hochreiter and Schmidhuber, Neural Computation 1997; Gers et al., 2000).

    ``i, f, g, o = W_in x_t + b_in + W_rec h_{t-1} + b_rec``, through a sigmoid each, g through tanh,
    ``c_t = f * c_{t-1} + i * g``, ``h_t = o * tanh(c_t)``; rows of the weights in the order i, f, g, o.

    Parameters
    ----------
    peepholes : bool, default False
        Whether the gates see the cells: ``W_cell[0] * c_{t-1}`` is added to the sums of i, ``W_cell[1] * c_{t-1}`` to
        those of f, and ``W_cell[2] * c_t`` to those of o (Gers and Schmidhuber, IJCNN 2000).
    max_gate_gradient : float > 0, optional
        Largest absolute gradient of the sums of the gates at each step; larger ones are clipped (Graves, 2013,
        arXiv:1308.0850).

    Notes
    -----
    With `peepholes` or `max_gate_gradient` the layer is computed step by step, which takes several times as long.

    Examples
    --------
    >>> LSTMLayer(n_units=32).output_shape((50, 8)), LSTMLayer(n_units=32, only_last=True).output_shape((50, 8))
    ((50, 32), (32,))
    """

    name_prefix: ClassVar[str] = "lstm"
    _n_gates: ClassVar[int] = 4
    _n_states: ClassVar[int] = 2
    peepholes: bool = False
    max_gate_gradient: Positive | None = None

    def declare_params(self, shape: Shape) -> dict[str, Param]:
        params = super().declare_params(shape)
        for suffix in self._suffixes() if self.peepholes else ():
            initial = self.W or GlorotUniform()
            params["W_cell" + suffix] = Param((3, self.n_units), initial, self.n_units, self.n_units, unit_axis=1)
        return params

    def build(self, shape: Shape) -> Forward:
        is_fused = not self.peepholes and self.max_gate_gradient is None
        return super().build(shape) if is_fused else self._by_steps()

    def _function(self) -> Callable[..., Any]:
        from torch import lstm

        return lstm

    def _cell(self) -> Callable[[Mapping[str, Any], str], Cell]:
        return lstm_cell(self.max_gate_gradient)


@register()
class GRULayer(_Recurrent):
    """Gated recurrent units (Cho et al., EMNLP 2014), as in PyTorch.

    ``r, z = sigmoid(W_in x_t + b_in + W_rec h_{t-1} + b_rec)``, ``n = tanh(W_in x_t + b_in + r * (W_rec h_{t-1} +
    b_rec))``, ``h_t = (1 - z) * n + z * h_{t-1}``; rows of the weights in the order r, z, n.

    Examples
    --------
    >>> GRULayer(n_units=32, bidirectional=True).output_shape((50, 8))
    (50, 64)
    """

    name_prefix: ClassVar[str] = "gru"
    _n_gates: ClassVar[int] = 3

    def _function(self) -> Callable[..., Any]:
        from torch import gru

        return gru

    def _cell(self) -> Callable[[Mapping[str, Any], str], Cell]:
        from torch import tanh

        def cell(of_input: Any, of_state: Any, states: Sequence[Any]) -> tuple[Any, ...]:
            (r, z, n), (r_rec, z_rec, n_rec) = of_input.chunk(3, 1), of_state.chunk(3, 1)
            n, z = tanh(n + (r + r_rec).sigmoid() * n_rec), (z + z_rec).sigmoid()
            return ((1 - z) * n + z * states[0],)

        return lambda params, suffix: cell


@register()
class RecurrentLayer(_Recurrent):
    """Simple recurrent units: ``h_t = f(W_in x_t + b_in + W_rec h_{t-1} + b_rec)`` (Elman, Cognitive Science 1990).

    Parameters
    ----------
    activation : "tanh" or "relu", default "tanh"
        f.

    Examples
    --------
    >>> RecurrentLayer(n_units=4).declare_params((50, 8))["W_in"].shape
    (4, 8)
    """

    name_prefix: ClassVar[str] = "recurrent"
    _n_gates: ClassVar[int] = 1
    activation: Literal["tanh", "relu"] = "tanh"

    def _function(self) -> Callable[..., Any]:
        from torch import rnn_relu, rnn_tanh

        return rnn_tanh if self.activation == "tanh" else rnn_relu

    def _cell(self) -> Callable[[Mapping[str, Any], str], Cell]:
        from torch import relu, tanh

        activation = tanh if self.activation == "tanh" else relu
        return lambda params, suffix: lambda of_input, of_state, states: (activation(of_input + of_state),)
