"""Layers that take the data."""

from __future__ import annotations

from math import prod
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from arignote.errors import Complaint, ConfigError
from arignote.layers.base import Forward, Layer, Shape, ShapeError
from arignote.registry import ADDED, Count, Pair, as_sizes, register

__all__ = ["InputImageLayer", "InputLayer", "NetworkInput", "SizeSpec"]


_Sizes = Annotated[tuple[Count, ...], Field(min_length=1)]
SizeSpec = Annotated[_Sizes | None, BeforeValidator(as_sizes, json_schema_input_type=Count | _Sizes | None)]


class NetworkInput(Layer):
    """Base class of layers that take the data; `n_in` is the shape of an example, if the layer declares it."""

    name_prefix: ClassVar[str] = "input"
    channel: str | None = None


@register()
class InputLayer(NetworkInput):
    """The examples as they are: ``y = x``. It may be omitted.

    A network of several inputs has an input layer for each, of which each names its channel: X is a dict of these.

    Parameters
    ----------
    n_in : int or tuple of int, optional
        Shape of one example; by default that of the data.
    channel : str, optional
        Name of the channel of the data, if it has several; it is the default of `name` where there are several input
        layers.
    lengths : True or str, optional
        For sequences of different lengths, padded with zeros. True: each row is an array of its own length; else name
        of the channel with the number of steps of each row. Then `channel` holds the rows padded to one length, or all
        rows concatenated along the steps.
    offsets : str, optional
        Name of the channel with the position at which each row begins in `channel`, where all steps of all rows lie one
        behind the other.
    mask : str, optional
        Name of the channel (rows, steps) whose nonzero entries mark the steps that count.

    Examples
    --------
    >>> InputLayer(n_in=784).output_shape((784,))
    (784,)
    """

    n_in: SizeSpec = None
    # A literal takes what is equal: 1 is True.
    lengths: Annotated[Annotated[Literal[True], WithJsonSchema({"enum": [True, 1]})] | str | None, ADDED] = None
    offsets: Annotated[str | None, ADDED] = None
    mask: Annotated[str | None, ADDED] = None

    @model_validator(mode="after")
    def _sequences_are_described_once(self) -> Self:
        given = [name for name in ("lengths", "offsets", "mask") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ConfigError(Complaint((given[1],), f"{given[1]} and {given[0]} cannot both be set"))
        if given and self.lengths is not True and self.channel is None:
            raise ConfigError(Complaint((given[0],), f"{given[0]} names a channel, so channel must be set too"))
        return self

    @property
    def steps(self) -> str | None:
        """Name of the lengths or of the mask of its sequences among the inputs of the network; None without them."""
        own = f"{self.channel or 'x'}.lengths"
        return self.mask or (self.lengths if isinstance(self.lengths, str) else own if self._has_lengths else None)

    @property
    def _has_lengths(self) -> bool:
        return self.lengths is not None or self.offsets is not None

    def output_shape(self, shape: Shape) -> Shape:
        if self.n_in is not None and tuple(self.n_in) != shape:
            raise ShapeError(f"n_in is {self.n_in}, but an example has the shape {shape}")
        return shape

    def build(self, shape: Shape) -> Forward:
        return lambda params, x, training: x


@register()
class InputImageLayer(NetworkInput):
    """Examples that are images: ``y = reshape(x, (n_images, height, width))``.

    Flat rows and images without a channel axis are reshaped. Preprocessing and augmentation also receive images
    (rows, channels, height, width).

    Parameters
    ----------
    n_pixels : (int, int) or int
        Height and width, pixels.
    n_images : int >= 1, default 1
        Number of channels.
    channel : str, optional
        See `InputLayer`.

    Examples
    --------
    >>> InputImageLayer(n_pixels=28).output_shape((784,))
    (1, 28, 28)
    """

    n_images: Count = 1
    n_pixels: Pair

    @property
    def n_in(self) -> tuple[int, int, int]:
        """Shape of one image."""
        return (self.n_images, *self.n_pixels)

    def output_shape(self, shape: Shape) -> Shape:
        # As declared, flat, or a single channel without its axis.
        if shape not in (self.n_in, (prod(self.n_in),), self.n_in[1:] if self.n_images == 1 else ()):
            raise ShapeError(f"images are {self.n_in}, but an example has the shape {shape}")
        return self.n_in

    def build(self, shape: Shape) -> Forward:
        size = self.n_in
        return lambda params, x, training: x.reshape(-1, *size)
