"""Merge layers: several outputs become one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from arignote.errors import Complaint, ConfigError
from arignote.layers.base import Forward, Layer, Name, Param, Shape, ShapeError
from arignote.registry import register

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["AverageLayer", "ConcatLayer", "MaximumLayer", "MergeLayer", "MultiplyLayer", "SumLayer", "crop_slices"]


class MergeLayer(Layer):
    """Base class of merge layers.

    Parameters
    ----------
    inputs : list of str
        Names of two or more earlier layers.
    crop : "none", "lower", "center" or "upper", default "none"
        Which pixels are kept if inputs differ in height or width: as many as the smallest has, from the beginning
        ("lower"), from the center, or from the end. With "none" they must not differ.
    """

    name_prefix: ClassVar[str] = "merge"
    keeps_steps: ClassVar[bool] = True
    inputs: Annotated[list[Name], Field(min_length=2)]
    crop: Literal["none", "lower", "center", "upper"] = "none"

    @model_validator(mode="after")
    def _has_inputs_alone(self) -> Self:
        if self.input is not None:
            raise ConfigError(Complaint(("input",), "input: a merge layer takes several, inputs: [...]"))
        return self

    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the shape of one example after the layer; raise ShapeError if shapes do not fit one another."""
        merged = self._merged_shape(self._cropped(shapes, self.crop))
        if merged is None:
            listed = ", ".join(map(str, shapes))
            fit_if_cropped = self.crop == "none" and self._merged_shape(self._cropped(shapes, "center")) is not None
            hint = '. With crop="center" pixels that only some have are left out' if fit_if_cropped else ""
            raise ShapeError(f"the inputs {', '.join(self.inputs)} must have {self._condition}; got {listed}{hint}")
        return merged

    def _cropped(self, shapes: Sequence[Shape], crop: str) -> list[Shape]:
        slices = crop_slices(shapes, crop, self._whole_axes())
        return [tuple(part.stop - part.start for part in parts) for parts in slices]

    def declare_params(self, *shapes: Shape) -> dict[str, Param]:
        return {}

    def n_multiply_adds(self, *shapes: Shape) -> int:
        return 0

    def notes(self, *shapes: Shape) -> list[str]:
        return []

    def build(self, *shapes: Shape) -> Forward:
        """Return ``f(params, xs, training) -> x`` on a list of engine tensors."""
        merge = self._merge()
        if self.crop == "none":
            return lambda params, xs, training: merge(xs)
        cuts = [(slice(None), *parts) for parts in crop_slices(shapes, self.crop, self._whole_axes())]
        return lambda params, xs, training: merge([x[cut] for x, cut in zip(xs, cuts, strict=True)])

    def _whole_axes(self) -> set[int]:
        """Return the axes of an example that are never cropped."""
        # The axis of the channels.
        return {0}

    @property
    def _condition(self) -> str:
        """Requirement on the shapes of the inputs, for errors."""
        return "equal shapes"

    @abstractmethod
    def _merged_shape(self, shapes: list[Shape]) -> Shape | None:
        """Return the shape of the result; None if the shapes do not fit one another."""

    @abstractmethod
    def _merge(self) -> Callable[[list[Tensor]], Tensor]:
        """Return the function of tensors (n, ...)."""


def crop_slices(shapes: Sequence[Shape], crop: str, whole_axes: set[int]) -> list[tuple[slice, ...]]:
    """Return the part of each example that is kept: all of some axes, of the others as much as all inputs have.

    Parameters
    ----------
    shapes : sequence of tuple of int
        Shape of an example of each input.
    crop : {"none", "lower", "center", "upper"}
        Which part is kept; "none": all of it.
    whole_axes : set of int
        Axes of an example, from 0, that are not cropped.
    """
    # Shapes that differ in their number of axes are refused by `_merged_shape`.
    if len({len(shape) for shape in shapes}) > 1 or crop == "none":
        return [tuple(slice(0, n) for n in shape) for shape in shapes]
    smallest = [min(ns) for ns in zip(*shapes, strict=True)]
    slices = []
    for shape in shapes:
        parts = []
        for axis, (n, least) in enumerate(zip(shape, smallest, strict=True)):
            kept = n if axis in whole_axes else least
            # With an odd difference "center" drops the additional pixel at the end.
            start = {"lower": 0, "center": (n - kept) // 2, "upper": n - kept}[crop]
            parts.append(slice(start, start + kept))
        slices.append(tuple(parts))
    return slices


class _Elementwise(MergeLayer):
    """Base class of merge layers whose inputs have equal shapes."""

    def _merged_shape(self, shapes: list[Shape]) -> Shape | None:
        return shapes[0] if len(set(shapes)) == 1 else None


@register()
class SumLayer(_Elementwise):
    """Sum of its inputs: ``y = x_1 + x_2 + ...``.

    Examples
    --------
    >>> SumLayer(inputs=["fc1", "fc2"]).output_shape((10,), (10,))
    (10,)
    """

    name_prefix: ClassVar[str] = "sum"

    def _merge(self) -> Callable[[list[Tensor]], Tensor]:
        return lambda xs: _folded(xs, lambda a, b: a + b)


@register()
class MultiplyLayer(_Elementwise):
    """Product of its inputs, element by element: ``y = x_1 * x_2 * ...``.

    Examples
    --------
    >>> MultiplyLayer(inputs=["fc1", "fc2"]).output_shape((10,), (10,))
    (10,)
    """

    name_prefix: ClassVar[str] = "multiply"

    def _merge(self) -> Callable[[list[Tensor]], Tensor]:
        return lambda xs: _folded(xs, lambda a, b: a * b)


@register()
class MaximumLayer(_Elementwise):
    """Largest of its inputs, element by element: ``y = max(x_1, x_2, ...)``.

    Examples
    --------
    >>> MaximumLayer(inputs=["fc1", "fc2"]).output_shape((10,), (10,))
    (10,)
    """

    name_prefix: ClassVar[str] = "maximum"

    def _merge(self) -> Callable[[list[Tensor]], Tensor]:
        from torch import maximum

        return lambda xs: _folded(xs, maximum)


@register()
class AverageLayer(_Elementwise):
    """Mean of its inputs: ``y = (x_1 + ... + x_n) / n``.

    Examples
    --------
    >>> AverageLayer(inputs=["fc1", "fc2"]).output_shape((10,), (10,))
    (10,)
    """

    name_prefix: ClassVar[str] = "average"

    def _merge(self) -> Callable[[list[Tensor]], Tensor]:
        return lambda xs: _folded(xs, lambda a, b: a + b) / len(xs)


@register()
class ConcatLayer(MergeLayer):
    """Its inputs one behind the other along an axis: ``y = [x_1, x_2, ...]``.

    Parameters
    ----------
    axis : int >= 1, default 1
        The axis of a batch (rows, ...); 1 is that of units or channels.

    Examples
    --------
    >>> ConcatLayer(inputs=["conv1", "conv2"]).output_shape((8, 5, 5), (4, 5, 5))
    (12, 5, 5)
    """

    name_prefix: ClassVar[str] = "concat"
    axis: Annotated[int, Field(ge=1)] = 1

    def _whole_axes(self) -> set[int]:
        return {0, self.axis - 1}

    @property
    def _condition(self) -> str:
        return f"equal shapes but for axis {self.axis}"

    def _merged_shape(self, shapes: list[Shape]) -> Shape | None:
        at = self.axis - 1
        if any(self.axis > len(shape) for shape in shapes):
            listed = ", ".join(map(str, shapes))
            raise ShapeError(f"axis {self.axis} is none of the inputs {', '.join(self.inputs)}; got {listed}")
        if len({(*shape[:at], *shape[at + 1 :]) for shape in shapes}) > 1:
            return None
        return (*shapes[0][:at], sum(shape[at] for shape in shapes), *shapes[0][at + 1 :])

    def _merge(self) -> Callable[[list[Tensor]], Tensor]:
        from torch import cat

        return lambda xs: cat(xs, self.axis)


def _folded(xs: list[Tensor], function: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Return ``f(f(x_1, x_2), x_3) ...``"""
    # From the first to the last, as the rounding of a sum depends on the order.
    result = xs[0]
    for x in xs[1:]:
        result = function(result, x)
    return result
