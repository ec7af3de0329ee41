"""Layers that add noise to their input while training.

They draw from the default generator of the engine, which is seeded before every step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import model_validator

from arignote.errors import Complaint, ConfigError
from arignote.layers.base import Forward, Layer, Shape
from arignote.layers.per import Per, own_axes, shape_per
from arignote.layers.windows import SeriesAxes
from arignote.registry import ADDED, NonNegative, Probability, register

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["DropoutLayer", "GaussianNoiseLayer", "RReLULayer", "dropout_mask"]


@register()
class DropoutLayer(Layer):
    """Dropout: values are set to 0 at random while training (Srivastava et al., JMLR 2014).

    ``y = x * m / (1 - p)``, each m 0 with probability p, else 1; outside training ``y = x``.

    Parameters
    ----------
    dropout_p : float in [0, 1)
        Probability that a value is set to 0.
    per : "unit", "channel" or "location", default "unit"
        What has an m of its own: each value; each channel of an example, that is each map of an image (Tompson et al.,
        CVPR 2015); or each location, that is a pixel with all of its channels, or a step of a series.
    axes : "NCL" or "NLC", optional
        For series, where `per` is not "unit": examples are (channels, steps), or (steps, channels). By default channels
        are the first axis of an example.

    Examples
    --------
    >>> DropoutLayer(dropout_p=0.25).output_shape((400,))
    (400,)
    """

    name_prefix: ClassVar[str] = "dropout"
    keeps_steps: ClassVar[bool] = True
    draws: ClassVar[bool] = True
    ruled: ClassVar[tuple[str, ...]] = ("dropout_p",)
    dropout_p: Probability
    per: Annotated[Per, ADDED] = "unit"
    axes: Annotated[SeriesAxes | None, ADDED] = None

    def output_shape(self, shape: Shape) -> Shape:
        own_axes(self.per, shape, self.axes)
        return shape

    def mask(self, shape: Shape) -> Callable[[Tensor, Mapping[str, Tensor]], Tensor]:
        """Return the function that draws what examples are multiplied by.

        Parameters
        ----------
        shape : tuple of int
            Shape of an example.

        Returns
        -------
        callable
            ``f(x, numbers) -> mask``, x (rows, ...), and `numbers` with the current value of a rule, if there is one.
        """
        # For the value of a rule, which is the same in many steps.
        draw, draw_ruled = dropout_mask(self.dropout_p), lru_cache(maxsize=1)(dropout_mask)
        size = shape_per(self.per, shape, self.axes)
        is_whole = size == shape

        def mask(x: Tensor, numbers: Mapping[str, Tensor]) -> Tensor:
            of_values = draw_ruled(numbers["dropout_p"]) if "dropout_p" in numbers else draw
            return of_values(x if is_whole else x.new_empty((x.shape[0], *size)))

        return mask

    def build(self, shape: Shape) -> Forward:
        mask = self.mask(shape)
        return lambda params, x, training: x * mask(x, params) if training else x


@register()
class GaussianNoiseLayer(Layer):
    """Normal noise on every value while training.

    ``y = x + sigma * n``, n standard normal (Bishop, Neural Computation 1995); outside training ``y = x``.

    Parameters
    ----------
    sigma : float >= 0, default 0.1
        Standard deviation of the noise.

    Examples
    --------
    >>> GaussianNoiseLayer(sigma=0.1).output_shape((400,))
    (400,)
    """

    name_prefix: ClassVar[str] = "noise"
    keeps_steps: ClassVar[bool] = True
    draws: ClassVar[bool] = True
    ruled: ClassVar[tuple[str, ...]] = ("sigma",)
    sigma: NonNegative = 0.1

    def build(self, shape: Shape) -> Forward:
        from torch import randn_like

        sigma = self.sigma
        return lambda params, x, training: x + params.get("sigma", sigma) * randn_like(x) if training else x


@register()
class RReLULayer(Layer):
    """Randomised rectifier: negative values have a slope that is drawn while training (Xu et al., arXiv:1505.00853).

    ``y = x if x > 0 else a * x``, a uniform between `lower` and `upper`, for each value its own; outside training
    ``a = (lower + upper) / 2``.

    Parameters
    ----------
    lower : float >= 0, default 0.125
        Smallest slope.
    upper : float >= 0, default 0.3333333333333333
        Largest slope, not below `lower`. Lasagne has 0.3 and 0.8.

    Examples
    --------
    >>> RReLULayer().output_shape((32, 8, 8))
    (32, 8, 8)
    """

    name_prefix: ClassVar[str] = "rrelu"
    keeps_steps: ClassVar[bool] = True
    draws: ClassVar[bool] = True
    lower: NonNegative = 0.125
    upper: NonNegative = 1 / 3

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> Self:
        if self.upper < self.lower:
            message = f"upper must be a number >= lower, {self.lower}; got {self.upper}"
            raise ConfigError(Complaint(("upper",), message))
        return self

    def build(self, shape: Shape) -> Forward:
        from torch import rand_like, where

        lower, upper = self.lower, self.upper

        def forward(params: Mapping[str, Tensor], x: Tensor, training: bool) -> Tensor:
            a = lower + (upper - lower) * rand_like(x) if training else (lower + upper) / 2
            return where(x > 0, x, a * x)

        return forward


def dropout_mask(p: float) -> Callable[[Tensor], Tensor]:
    """Return a function of a tensor that draws a mask of its shape and type.

    A value is 0 with probability `p`, rounded to a multiple of 1/65536, and otherwise the reciprocal of the share that
    is not dropped, so that the mean is 1.

    Each value uses as many random bits as `p` needs: 1 for a half, 2 for quarters, up to 16. Words of random bits are
    viewed as numbers of 16 or 8 bits; for fewer bits, a table holds the values that each byte encodes.
    """
    import torch

    n_bits = next((n for n in (1, 2, 4, 8) if float(p * 2**n).is_integer()), 16)
    n_numbers = 1 << n_bits
    n_below = round(p * n_numbers)
    scale = n_numbers / max(n_numbers - n_below, 1)
    in_bytes = torch.arange(256).unsqueeze(1) >> torch.arange(0, 8, n_bits) & n_numbers - 1
    of_byte = (in_bytes >= n_below).to(torch.float32) * scale

    def draw(x: Tensor) -> Tensor:
        if x.device.type != "cpu":
            # By a comparison, for which p is not rounded.
            return (torch.rand_like(x) >= p).to(x.dtype).mul_(scale)
        # From -2**63 to None are all 2**64 words; from 0 the sign bit would never be set.
        words = torch.empty(-(-x.numel() * n_bits // 64), dtype=torch.int64).random_(-(2**63), None)
        if n_bits < 8:
            mask = of_byte.index_select(0, words.view(torch.uint8).to(torch.int64)).view(-1)[: x.numel()].view(x.shape)
        else:
            lane = torch.int8 if n_bits == 8 else torch.int16
            numbers = words.view(lane)[: x.numel()].view(x.shape).to(torch.float32)
            # The scale if the number is above the threshold, else 0: a third of the time of a comparison.
            mask = torch.ops.aten.threshold_backward(torch.tensor(scale), numbers, n_below - n_numbers // 2 - 1)
        return mask.to(x.dtype)

    return draw
