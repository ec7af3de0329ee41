"""Layers that are a part of others, alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import model_validator

from arignote.errors import Complaint, ConfigError
from arignote.layers.activations import Activation, ActivationSpec
from arignote.layers.base import Forward, Param, ParametricLayer, Shape
from arignote.layers.dense import slopes
from arignote.layers.initializers import BiasSpec, Constant, Initializer
from arignote.layers.loading import LoadParams
from arignote.layers.per import Per, own_axes, shape_per
from arignote.layers.windows import SeriesAxes
from arignote.registry import ADDED, build, register

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ActivationLayer", "BiasLayer", "ScaleLayer"]


@register()
class ActivationLayer(ParametricLayer):
    """An activation alone, such as that of a sum: ``y = f(x)``.

    Parameters
    ----------
    activation : str, [Name, {params}] or callable, default "prelu"
        The function. A prelu has one slope for each index of the first axis of an example: of units, of maps of images,
        or of the steps of a sequence, for which a function without slopes suits better.

    Examples
    --------
    >>> ActivationLayer(activation="relu").output_shape((32, 8, 8))
    (32, 8, 8)
    """

    name_prefix: ClassVar[str] = "activation"
    keeps_steps: ClassVar[bool] = True
    activation: ActivationSpec = build("activation", "prelu")
    # Other layers always had these two.
    fix_params: Annotated[bool | list[str], ADDED] = False
    load_params: Annotated[LoadParams, ADDED] = None

    @model_validator(mode="after")
    def _keeps_the_units(self) -> Self:
        if self.function.pieces > 1:
            message = "activation must keep the number of units; for maxout use FCMaxoutLayer or ConvMaxoutLayer"
            raise ConfigError(Complaint(("activation",), message))
        return self

    @property
    def function(self) -> Activation:
        """The activation."""
        function: Activation = self.activation
        return function

    def declare_params(self, shape: Shape) -> dict[str, Param]:
        return slopes(self.function, shape[0])

    def build(self, shape: Shape) -> Forward:
        function, names = self.function.build(), tuple(self.function.slopes)

        def forward(params: Mapping[str, Tensor], x: Tensor, training: bool) -> Tensor:
            return function(x, *(params[name] for name in names))

        return forward


class _Broadcast(ParametricLayer):
    """Base class of layers with one array that is broadcast to the examples.

    Parameters
    ----------
    per : "unit", "channel" or "location", default "channel"
        What has a value of its own: each value of an example; each channel, that is each unit or each map of an image;
        or each location, that is a pixel with all of its channels, or a step of a series.
    axes : "NCL" or "NLC", optional
        For series, where `per` is not "unit": examples are (channels, steps), or (steps, channels). By default channels
        are the first axis of an example.
    """

    keeps_steps: ClassVar[bool] = True
    per: Per = "channel"
    axes: Annotated[SeriesAxes | None, ADDED] = None

    def output_shape(self, shape: Shape) -> Shape:
        own_axes(self.per, shape, self.axes)
        return shape

    def _declared(self, name: str, initial: Initializer, shape: Shape) -> dict[str, Param]:
        return {name: Param(tuple(shape[axis] for axis in own_axes(self.per, shape, self.axes)), initial)}


@register()
class BiasLayer(_Broadcast):
    """A bias alone: ``y = x + b``.

    Parameters
    ----------
    b : number, str or [Name, {params}], optional
        Initial values; by default 0.

    Examples
    --------
    >>> BiasLayer(per="location").declare_params((32, 8, 8))["b"].shape
    (8, 8)
    """

    name_prefix: ClassVar[str] = "bias"
    b: BiasSpec = None

    def declare_params(self, shape: Shape) -> dict[str, Param]:
        return self._declared("b", self.b or Constant(), shape)

    def build(self, shape: Shape) -> Forward:
        size = shape_per(self.per, shape, self.axes)
        return lambda params, x, training: x + params["b"].view(size)


@register()
class ScaleLayer(_Broadcast):
    """Factors alone: ``y = scales * x``.

    Parameters
    ----------
    scales : number, str or [Name, {params}], optional
        Initial values; by default 1.

    Examples
    --------
    >>> ScaleLayer().declare_params((32, 8, 8))["scales"].shape
    (32,)
    """

    name_prefix: ClassVar[str] = "scale"
    scales: BiasSpec = None

    def declare_params(self, shape: Shape) -> dict[str, Param]:
        return self._declared("scales", self.scales or Constant(value=1.0), shape)

    def build(self, shape: Shape) -> Forward:
        size = shape_per(self.per, shape, self.axes)
        return lambda params, x, training: x * params["scales"].view(size)
