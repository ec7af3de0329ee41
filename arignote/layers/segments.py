"""Dense layers over segments of their input."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, ClassVar

from arignote.layers.activations import Activation, ActivationSpec, Maxout
from arignote.layers.base import Forward, Param, Shape, ShapeError, WeightedLayer
from arignote.layers.dense import slopes, weights
from arignote.layers.initializers import Constant
from arignote.registry import Count, build, register

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LCLayer", "LCMaxoutLayer"]


class _Segments(WeightedLayer):
    """Base class of dense layers over segments of their input.

    Parameters
    ----------
    n_units : int >= 1
        Number of units of each segment.
    n_segments : int >= 1
        Number of segments of the flattened input. They have equal lengths; what is left over belongs to the last one.
    """

    name_prefix: ClassVar[str] = "lc"
    n_units: Count
    n_segments: Count

    @abstractmethod
    def _activation(self) -> Activation:
        """Return the activation of the sums."""

    def _lengths(self, shape: Shape) -> list[int]:
        """Return the number of inputs of each segment."""
        n_in = prod(shape)
        if n_in < self.n_segments:
            raise ShapeError(f"n_segments must be at most {n_in}, the number of inputs; got {self.n_segments}")
        length = n_in // self.n_segments
        return [length] * (self.n_segments - 1) + [n_in - length * (self.n_segments - 1)]

    def output_shape(self, shape: Shape) -> Shape:
        return (self.n_units * len(self._lengths(shape)),)

    def notes(self, shape: Shape) -> list[str]:
        length, last = self._lengths(shape)[0], self._lengths(shape)[-1]
        return [f"the last segment has {last} inputs, the others have {length}"] if last != length else []

    def declare_params(self, shape: Shape) -> dict[str, Param]:
        activation, lengths = self._activation(), self._lengths(shape)
        n_sums, initial, params = self.n_units * activation.pieces, weights(activation, self.W), dict[str, Param]()
        # Of all segments the weights, then the biases, then the slopes: the order of 2015.
        for suffix, length in zip(self._suffixes, lengths, strict=True):
            params[f"W{suffix}"] = Param((length, n_sums), initial, length, self.n_units, unit_axis=1)
        if self.use_bias:
            params |= {f"b{suffix}": Param((n_sums,), self.b or Constant()) for suffix in self._suffixes}
        for suffix in self._suffixes:
            params |= {name + suffix: param for name, param in slopes(activation, self.n_units).items()}
        return params

    @property
    def _suffixes(self) -> list[str]:
        """Suffixes of the parameters of each segment."""
        return [str(number or "") for number in range(self.n_segments)]

    def n_multiply_adds(self, shape: Shape) -> int:
        return prod(shape) * self.n_units * self._activation().pieces

    def build(self, shape: Shape) -> Forward:
        from torch import cat, split

        lengths, suffixes, activation = self._lengths(shape), self._suffixes, self._activation()
        function, slope_names = activation.build(), tuple(activation.slopes)

        def whole(params: Mapping[str, Tensor], name: str) -> Tensor:
            return cat([params[name + suffix] for suffix in suffixes])

        def forward(params: Mapping[str, Tensor], x: Tensor, training: bool) -> Tensor:
            segments = zip(split(x.flatten(1), lengths, 1), suffixes, strict=True)
            sums = cat([segment.mm(params[f"W{suffix}"]) for segment, suffix in segments], 1)
            if "b" in params:
                # In place, as in `affine`.
                sums = sums.add_(whole(params, "b"))
            return function(sums, *(whole(params, name) for name in slope_names))

        return forward


@register("SegmentedLayer")
class LCLayer(_Segments):
    """Fully connected layers side by side, each over a segment of the input: ``y = [f(x_s @ W_s + b_s) for each s]``.

    Parameters
    ----------
    activation : str, [Name, {params}] or callable, default "prelu"
        Applied to the sums.

    Examples
    --------
    >>> LCLayer(n_units=10, n_segments=4, activation="relu").output_shape((1, 28, 28))
    (40,)
    """

    activation: ActivationSpec = build("activation", "prelu")

    def _activation(self) -> Activation:
        activation: Activation = self.activation
        return activation


@register()
class LCMaxoutLayer(_Segments):
    """Maxout layers side by side, each over a segment of the input: ``y_si = max_j (x_s @ W_s + b_s)_ij``.

    Parameters
    ----------
    maxout_k : int >= 1, default 5
        Number of sums per unit.

    Examples
    --------
    >>> LCMaxoutLayer(n_units=10, n_segments=4, maxout_k=3).declare_params((64,))["W"].shape
    (16, 30)
    """

    maxout_k: Count = 5

    def _activation(self) -> Activation:
        return Maxout(maxout_k=self.maxout_k)
