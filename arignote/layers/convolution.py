"""Base classes of layers with filters, and the forward function of convolutions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from math import prod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import model_validator

from arignote.errors import Complaint, ConfigError
from arignote.layers.activations import Activation
from arignote.layers.base import Forward, Param, Shape, ShapeError, WeightedLayer
from arignote.layers.dense import slopes, weights
from arignote.layers.initializers import Constant
from arignote.layers.windows import Geometry, Layout, edge_notes, windows
from arignote.registry import ADDED, Count

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ConvolutionLayer", "FilterLayer"]


class FilterLayer(WeightedLayer):
    """Base class of layers of filters that slide over maps of any number of axes.

    Parameters
    ----------
    untie_biases : bool, default False
        True: a bias for each value of each map, so that the parameters depend on the size of the input; False: one for
        each map.
    """

    name_prefix: ClassVar[str] = "conv"
    _window: ClassVar[str] = "filter_shape"
    n_output_maps: Count
    untie_biases: Annotated[bool, ADDED] = False

    @model_validator(mode="after")
    def _pad_and_biases_can_be(self) -> Self:
        # Raises ConfigError if the pad does not suit the filter.
        _ = self.geometry
        if self.untie_biases and not self.use_bias:
            raise ConfigError(Complaint(("untie_biases",), "untie_biases must be false where use_bias is; got True"))
        return self

    @property
    @abstractmethod
    def layout(self) -> Layout:
        """Order of the axes of an example."""

    @property
    @abstractmethod
    def geometry(self) -> Geometry:
        """Windows of the filters."""

    @abstractmethod
    def _activation(self) -> Activation:
        """Return the activation of the sums."""

    def _maps(self) -> list[int]:
        """Return the number of maps after each stage: that of the filters, then 1x1 convolutions."""
        return [self.n_output_maps]

    def _sizes(self, n_pixels: tuple[int, ...]) -> tuple[int, ...]:
        """Return the size of an output map, by axis: the number of windows in a map."""
        return windows(self._window, *self.geometry.padded_and_seen(n_pixels), self.geometry.stride)

    def output_shape(self, shape: Shape) -> Shape:
        n_maps, *n_pixels = self.layout.maps(shape)
        n_groups = self.geometry.n_groups
        for what, n in (("input maps", n_maps), ("output maps", self._maps()[0])):
            if n % n_groups:
                raise ShapeError(f"n_groups must divide the number of {what}, {n}; got {n_groups}")
        return self.layout.example((self.n_output_maps, *self._sizes(tuple(n_pixels))))

    def notes(self, shape: Shape) -> list[str]:
        geometry = self.geometry
        return edge_notes(*geometry.padded_and_seen(self.layout.maps(shape)[1:]), geometry.stride)

    def _stage(self, W: Param, n_out: int, n_pixels: tuple[int, ...], suffix: str = "") -> dict[str, Param]:
        """Return weights with the biases and slopes of their sums, for maps of `n_pixels`."""
        activation, params = self._activation(), {f"W{suffix}": W}
        if self.use_bias:
            places = self._sizes(n_pixels) if self.untie_biases else ()
            params[f"b{suffix}"] = Param((n_out * activation.pieces, *places), self.b or Constant())
        return params | {name + suffix: param for name, param in slopes(activation, n_out).items()}


class ConvolutionLayer(FilterLayer):
    """Base class of convolutional layers."""

    def declare_params(self, shape: Shape) -> dict[str, Param]:
        activation, geometry, params = self._activation(), self.geometry, dict[str, Param]()
        window, n_groups = geometry.window, geometry.n_groups
        n_maps, *n_pixels = self.layout.maps(shape)
        n_maps //= n_groups
        for stage, n_out in enumerate(self._maps()):
            n_sums, fan_in = n_out * activation.pieces, n_maps * prod(window)
            # Fan-out counts units; a unit may have several sums.
            fan_out = n_out // n_groups * prod(window)
            W = Param((n_sums, n_maps, *window), weights(activation, self.W), fan_in, fan_out, unit_axis=0)
            params |= self._stage(W, n_out, tuple(n_pixels), str(stage or ""))
            # Further stages are 1x1 convolutions over all maps.
            n_maps, window, n_groups = n_out, (1,) * len(window), 1
        return params

    def n_multiply_adds(self, shape: Shape) -> int:
        # Each stage has its own number of maps, or several sums for a map.
        n_pixels = prod(self.layout.maps(self.output_shape(shape))[1:])
        return n_pixels * sum(prod(p.shape) for p in self.declare_params(shape).values() if p.unit_axis is not None)

    def build(self, shape: Shape) -> Forward:
        from torch.nn.functional import conv2d, conv3d

        activation, layout, n_stages = self._activation(), self.layout, len(self._maps())
        untied = self.untie_biases
        function, slope_names = activation.build(), tuple(activation.slopes)
        # Stride, padding, dilation and groups, as conv2d takes them; the window is that of the weights.
        _, *first = self.geometry.of_one_row() if layout.n_axes == 1 else self.geometry

        def of_series(x: Tensor, w: Tensor, *options: Any) -> Tensor:
            # As images of one row: conv1d would copy what does not lie channel by channel.
            return conv2d(x[:, :, None], w[:, :, None], *options)[:, :, 0]

        of_axes: dict[int, Callable[..., Tensor]] = {1: of_series, 2: conv2d, 3: conv3d}
        convolve = of_axes[layout.n_axes]

        def forward(params: Mapping[str, Tensor], x: Tensor, training: bool) -> Tensor:
            x = layout.to_maps(x)
            for stage in range(n_stages):
                suffix = str(stage or "")
                b = params.get("b" + suffix)
                # Only the first convolution has the window and the stride; the others are of 1x1 pixels.
                # The engine takes a bias for each map; one for each value is added behind it.
                x = convolve(x, params["W" + suffix], None if untied else b, *(first if stage == 0 else ()))
                x = x + params["b" + suffix] if untied else x
                x = function(x, *(params[name + suffix] for name in slope_names))
            return layout.to_examples(x)

        return forward
