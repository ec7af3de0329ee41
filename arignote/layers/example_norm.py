"""Normalisation within one example: all of it, each map, groups of maps, neighbouring maps."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import AfterValidator

from arignote.layers.base import Forward, Layer, Param, ParametricLayer, Shape, ShapeError
from arignote.layers.initializers import Constant
from arignote.registry import Added, Count, Finite, Positive, register

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["GroupNormLayer", "InstanceNormLayer", "LayerNormLayer", "LocalResponseNormLayer"]


class _ExampleNorm(ParametricLayer):
    """Base class of normalisation within one example.

    Parameters
    ----------
    epsilon : float > 0, default 1e-05
        Added to the variance.
    """

    name_prefix: ClassVar[str] = "norm"
    epsilon: Positive = 1e-5

    def _of_shape(self, shape: Shape) -> dict[str, Param]:
        return {"gamma": Param(shape, Constant(value=1.0)), "beta": Param(shape, Constant())}


@register()
class LayerNormLayer(_ExampleNorm):
    """Layer normalisation: of all values of an example (Ba, Kiros and Hinton, arXiv:1607.06450, 2016).

    ``y = gamma * (x - mean) / sqrt(var + epsilon) + beta``, with mean and variance over the last `n_axes` axes of each
    example

    Parameters
    ----------
    n_axes : int >= 1, optional
        Number of the axes of an example, from the last, over which mean and variance are taken; by default all. With 1
        each step of a sequence (steps, features) is normalised on its own, so that padding has no effect on it.

    Notes
    -----
    gamma and beta have the shape of these axes, as in torch.nn.LayerNorm. For one gamma and one beta of each map of
    images use ``[GroupNormLayer, {n_groups: 1}]``.

    Examples
    --------
    >>> LayerNormLayer(n_axes=1).declare_params((20, 64))["gamma"].shape
    (64,)
    """

    keeps_steps: ClassVar[bool] = True
    n_axes: Count | None = None

    def output_shape(self, shape: Shape) -> Shape:
        if self.n_axes is not None and self.n_axes > len(shape):
            raise ShapeError(
                f"n_axes must be at most the number of axes of an example, {len(shape)}; got {self.n_axes}"
            )
        if prod(self._normalised(shape)) == 1:
            raise ShapeError(f"needs two or more values to normalise; got {self._normalised(shape)} of {shape}")
        return shape

    def _normalised(self, shape: Shape) -> Shape:
        return shape if self.n_axes is None else shape[-self.n_axes :]

    def declare_params(self, shape: Shape) -> dict[str, Param]:
        return self._of_shape(self._normalised(shape))

    def build(self, shape: Shape) -> Forward:
        from torch.nn.functional import layer_norm

        size, epsilon = self._normalised(shape), self.epsilon
        return lambda params, x, training: layer_norm(x, size, params["gamma"], params["beta"], epsilon)


class _MapsNorm(_ExampleNorm):
    """Base class of normalisation of maps, each of which has its own gamma and beta."""

    def _n_groups(self, n_maps: int) -> int:
        """Return the number of groups of maps with a mean and a variance of their own."""
        # Groups of one map: instance normalisation.
        return n_maps

    def declare_params(self, shape: Shape) -> dict[str, Param]:
        return self._of_shape(shape[:1])

    def build(self, shape: Shape) -> Forward:
        from torch.nn.functional import group_norm

        n_groups, epsilon = self._n_groups(shape[0]), self.epsilon
        return lambda params, x, training: group_norm(x, n_groups, params["gamma"], params["beta"], epsilon)


@register()
class InstanceNormLayer(_MapsNorm):
    """Instance normalisation: of each map of each example (Ulyanov et al., arXiv:1607.08022, 2016).

    ``y_c = gamma_c * (x_c - mean) / sqrt(var + epsilon) + beta_c``, with mean and variance over the pixels or steps of
    map c

    Notes
    -----
    The same in training and outside of it: there are no running values. ``fix_params: true`` leaves gamma at 1 and beta
    at 0, which is the default of torch.nn.InstanceNorm2d.

    Examples
    --------
    >>> InstanceNormLayer().output_shape((16, 8, 8))
    (16, 8, 8)
    """

    def output_shape(self, shape: Shape) -> Shape:
        if prod(shape[1:]) == 1:
            raise ShapeError(
                f"needs maps of two or more values, (channels, height, width) or (channels, steps); got {shape}"
            )
        return shape


@register()
class GroupNormLayer(_MapsNorm):
    """Group normalisation: of groups of neighbouring maps of each example (Wu and He, ECCV 2018).

    ``y_c = gamma_c * (x_c - mean) / sqrt(var + epsilon) + beta_c``, with mean and variance over all values of the group
    of map c

    Parameters
    ----------
    n_groups : int >= 1
        Number of groups, which divides the number of maps (or of units).

    Notes
    -----
    The same in training and outside of it, and for any size of a batch: there are no running values.

    Examples
    --------
    >>> GroupNormLayer(n_groups=4).output_shape((16, 8, 8))
    (16, 8, 8)
    """

    # Stems in folders never had it with 1.
    n_groups: Annotated[Count, Added(1)]

    def _n_groups(self, n_maps: int) -> int:
        return self.n_groups

    def output_shape(self, shape: Shape) -> Shape:
        if shape[0] % self.n_groups:
            raise ShapeError(f"n_groups must divide the number of maps, {shape[0]}; got {self.n_groups}")
        if prod(shape) == self.n_groups:
            raise ShapeError(f"each group needs two or more values; got {self.n_groups} groups of {shape}")
        return shape


def _odd(n: int) -> int:
    if n % 2 == 0:
        raise ValueError(f"must be an odd number; got {n}. {n + 1} has as many neighbours on each side")
    return n


@register()
class LocalResponseNormLayer(Layer):
    """Local response normalisation: by the squares of neighbouring maps (Krizhevsky et al., NIPS 2012, section 3.3).

    ``y_c = x_c / (k + alpha * sum_j x_j^2)^beta``, j the `n` maps around c, as far as there are such, at the same pixel

    Parameters
    ----------
    alpha : float > 0, default 0.0001
        Factor of the sum of squares. torch.nn.LocalResponseNorm has `alpha / n` in its place: divide that `alpha` by
        `n` here.
    k : float > 0, default 2.0
        Added to the sum; torch has 1 by default.
    beta : float, default 0.75
        Exponent.
    n : odd int >= 1, default 5
        Number of maps, map c included.

    Examples
    --------
    >>> LocalResponseNormLayer().output_shape((16, 8, 8))
    (16, 8, 8)
    """

    name_prefix: ClassVar[str] = "norm"
    alpha: Positive = 1e-4
    k: Positive = 2.0
    beta: Finite = 0.75
    n: Annotated[Count, AfterValidator(_odd)] = 5

    def build(self, shape: Shape) -> Forward:
        from torch import float32, promote_types
        from torch.nn.functional import pad

        alpha, k, beta, n, n_maps = self.alpha, self.k, self.beta, self.n, shape[0]
        # Zeros in front of the first map and behind the last one; axes are from the last.
        zeros = (*(0, 0) * (len(shape) - 1), n // 2, n // 2)

        def forward(params: Mapping[str, Tensor], x: Tensor, training: bool) -> Tensor:
            # In float32, as squares may be beyond the range of fp16.
            squares = pad(x.to(promote_types(x.dtype, float32)).square(), zeros)
            # Not the average pool of torch.nn.functional, whose gradient on a GPU is not repeatable.
            total = squares.narrow(1, 0, n_maps)
            for first in range(1, n):
                total = total + squares.narrow(1, first, n_maps)
            return x * (total * alpha + k).pow(-beta).to(x.dtype)

        return forward
