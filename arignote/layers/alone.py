"""Layers that are a part of others, alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from pydantic import model_validator

from arignote.errors import Complaint, ConfigError
from arignote.layers.activations import Activation, ActivationSpec
from arignote.layers.base import Param, ParametricLayer, Shape
from arignote.layers.dense import slopes
from arignote.registry import build, register

__all__ = ["ActivationLayer"]


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

    @model_validator(mode="after")
    def _keeps_the_units(self) -> Any:
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

    def build(self, shape: Shape) -> Callable[..., Any]:
        function, names = self.function.build(), tuple(self.function.slopes)

        def forward(params: Mapping[str, Any], x: Any, training: bool) -> Any:
            return function(x, *(params[name] for name in names))

        return forward
