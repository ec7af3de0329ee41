"""Augmentations that move the pixels of images: windows, mirror images, rotations, zoom."""

from __future__ import annotations

from math import cos, radians, sin
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from arignote.data.transforms import FeatureTransform, Floats, Pixels
from arignote.registry import Finite, Pair, register

__all__ = ["Crop", "Flip", "QuarterTurns", "Rotate", "Shift", "Zoom"]


def _windows(x: Floats, pad: tuple[int, int], size: tuple[int, int], fill: float, rng: np.random.Generator) -> Floats:
    """Cut a window of `size` out of each padded image, at a position drawn for each row."""
    (dy, dx), (n_rows, n_maps, height, width) = pad, x.shape
    # Takes a third of the time of np.pad.
    padded = np.full((n_rows, n_maps, height + 2 * dy, width + 2 * dx), fill, x.dtype)
    padded[:, :, dy : dy + height, dx : dx + width] = x
    # A view: only the windows that are drawn are copied.
    windows = np.lib.stride_tricks.sliding_window_view(padded, size, axis=(2, 3))
    top, left = (rng.integers(n, size=len(x)) for n in windows.shape[2:4])
    return windows[np.arange(len(x)), :, top, left]


def _warped(x: Floats, matrices: NDArray[np.float64], fill: float) -> Floats:
    """Set pixel p of row i to the value at ``matrices[i] @ (p - centre) + centre``, with bilinear interpolation."""
    from scipy import ndimage

    out, centre = np.empty_like(x), (np.array(x.shape[2:]) - 1) / 2
    for row, matrix in enumerate(matrices):
        # SciPy reads the input at matrix @ p + offset.
        offset = centre - matrix @ centre
        for image, target in zip(x[row], out[row], strict=True):
            # "grid-constant": with "constant" an edge pixel is lost where rounding puts it 1e-16 outside.
            ndimage.affine_transform(image, matrix, offset, output=target, order=1, mode="grid-constant", cval=fill)
    return out


@register()
class Shift(FeatureTransform):
    """Shift each image: ``out[i, j] = x[i - a, j - b]``, `a` uniform in -dy .. dy and `b` in -dx .. dx.

    Parameters
    ----------
    max_shift : (int, int) or int >= 0
        Largest shifts dy and dx, pixels.
    fill : float, default 0.0
        Value of pixels outside of the image.

    Examples
    --------
    >>> rng, x = np.random.default_rng(0), np.ones((1, 1, 8, 8))
    >>> x, y = Shift(max_shift=2)(x, np.arange(1), epoch=0, rng=rng)
    >>> x.shape
    (1, 1, 8, 8)
    """

    max_shift: Pixels
    fill: Finite = 0.0

    def _changed(self, x: Floats, rng: np.random.Generator) -> Floats:
        return _windows(x, self.max_shift, (x.shape[2], x.shape[3]), self.fill, rng)


@register()
class Crop(FeatureTransform):
    """Crop a window of each padded image: ``out[i, j] = padded[i + a, j + b]``, all positions a, b as likely.

    Padding and cropping as in He et al., CVPR 2016, section 4.2.

    Parameters
    ----------
    size : (int, int) or int >= 1
        Height and width of the window, which are those of the output. Rows that are not augmented (validation, test)
        keep their size.
    pad : (int, int) or int >= 0, default 0
        Pixels added on each side before.
    fill : float, default 0.0
        Value of added pixels.

    Examples
    --------
    >>> rng, x = np.random.default_rng(0), np.ones((1, 1, 8, 8))
    >>> x, y = Crop(size=6)(x, np.arange(1), epoch=0, rng=rng)
    >>> x.shape
    (1, 1, 6, 6)
    """

    size: Pair
    pad: Pixels = (0, 0)
    fill: Finite = 0.0

    def _changed(self, x: Floats, rng: np.random.Generator) -> Floats:
        if any(size > n + 2 * pad for size, n, pad in zip(self.size, x.shape[2:], self.pad, strict=True)):
            raise self._shape_error(f"images of at least {self.size} with {self.pad} added on each side", x)
        return _windows(x, self.pad, self.size, self.fill, rng)


@register()
class Flip(FeatureTransform):
    """Flip images at random: ``out[i, j] = x[i, -1 - j]`` (horizontal), ``out[i, j] = x[-1 - i, j]`` (vertical).

    Parameters
    ----------
    horizontal : bool, default True
        Whether left and right are exchanged.
    vertical : bool, default False
        Whether top and bottom are exchanged.
    p : float in [0, 1], default 0.5
        Probability of each flip.

    Examples
    --------
    >>> rng, x = np.random.default_rng(0), np.array([[[[1, 2], [3, 4]]]])
    >>> x, y = Flip(p=1)(x, np.arange(1), epoch=0, rng=rng)
    >>> x[0, 0]
    array([[2., 1.],
           [4., 3.]], dtype=float32)
    """

    horizontal: bool = True
    vertical: bool = False
    p: Annotated[float, Field(ge=0, le=1)] = 0.5

    def _changed(self, x: Floats, rng: np.random.Generator) -> Floats:
        out = x.copy()
        for chance, axis in ((self.p * self.horizontal, 3), (self.p * self.vertical, 2)):
            # Drawn for an axis that is never flipped, too: its setting does not change what the other one draws.
            rows = rng.random(len(x)) < chance
            out[rows] = np.flip(out[rows], axis)
        return out


@register()
class QuarterTurns(FeatureTransform):
    """Rotate each square image by ``k * 90`` degrees: ``out = rot90(x, k)``, `k` uniform in 0 .. 3.

    Examples
    --------
    >>> rng, x = np.random.default_rng(0), np.array([[[[1, 2], [3, 4]]]])
    >>> x, y = QuarterTurns()(x, np.arange(1), epoch=0, rng=rng)
    >>> sorted(x.flatten().tolist())
    [1.0, 2.0, 3.0, 4.0]
    """

    def _changed(self, x: Floats, rng: np.random.Generator) -> Floats:
        if x.shape[2] != x.shape[3]:
            raise self._shape_error("square images", x)
        out, turns = x.copy(), rng.integers(4, size=len(x))
        for k in (1, 2, 3):
            out[turns == k] = np.rot90(x[turns == k], k, axes=(2, 3))
        return out


@register()
class Rotate(FeatureTransform):
    """Rotate each image about its centre: ``out(p) = x(R p)``, the angle uniform in [-max_degrees, max_degrees].

    Parameters
    ----------
    max_degrees : float in [0, 180]
        Largest angle in either direction, degrees. Values between pixels are interpolated bilinearly.
    fill : float, default 0.0
        Value of pixels outside of the image.

    Examples
    --------
    >>> rng, x = np.random.default_rng(0), np.ones((1, 1, 3, 3))
    >>> x, y = Rotate(max_degrees=10)(x, np.arange(1), epoch=0, rng=rng)
    >>> float(x[0, 0, 1, 1])
    1.0
    """

    max_degrees: Annotated[float, Field(ge=0, le=180)]
    fill: Finite = 0.0

    def _changed(self, x: Floats, rng: np.random.Generator) -> Floats:
        angles = [radians(a) for a in rng.uniform(-self.max_degrees, self.max_degrees, len(x))]
        return _warped(x, np.array([[[cos(a), sin(a)], [-sin(a), cos(a)]] for a in angles]), self.fill)


@register()
class Zoom(FeatureTransform):
    """Enlarge or shrink each image about its centre: ``out(p) = x(p / z)``, `z` uniform in [min, max].

    Parameters
    ----------
    min : float > 0
        Smallest factor; the image shrinks if it is below 1. Values between pixels are interpolated bilinearly.
    max : float > 0
        Largest factor, not below `min`.
    fill : float, default 0.0
        Value of pixels outside of the image. Its size does not change.

    Examples
    --------
    >>> rng, x = np.random.default_rng(0), np.ones((1, 1, 3, 3))
    >>> x, y = Zoom(min=0.9, max=1.1)(x, np.arange(1), epoch=0, rng=rng)
    >>> float(x[0, 0, 1, 1])
    1.0
    """

    min: Annotated[Finite, Field(gt=0)]
    max: Finite
    fill: Finite = 0.0

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min must be <= max; got {self.min} and {self.max}")
        return self

    def _changed(self, x: Floats, rng: np.random.Generator) -> Floats:
        return _warped(x, np.eye(2) / rng.uniform(self.min, self.max, (len(x), 1, 1)), self.fill)
