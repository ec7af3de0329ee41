"""Augmentation as declared parts: each a pure function of a batch and its `rng`, which leaves its input as it is."""

from __future__ import annotations

from abc import abstractmethod
from math import cos, radians, sin
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, model_validator

from arignote.errors import DataError
from arignote.registry import Finite, Pair, Part, Positive, as_pair, register

__all__ = ["Batch", "Transform"]

Floats = NDArray[np.float32]
Batch = tuple[Floats, NDArray[Any]]

Size = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_as_pair = BeforeValidator(as_pair)
Pixels = Annotated[tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]], _as_pair]


class Transform(Part):
    """What every augmentation is: a function of a batch."""

    kind: ClassVar[str] = "augmentation"

    @abstractmethod
    def __call__(self, x: NDArray[Any], y: NDArray[Any], *, epoch: int, rng: np.random.Generator) -> Batch:
        """Return new features and labels, from the numbers of `rng` (the stream of the batch) alone."""

    def _unfit(self, expected: str, x: Floats) -> DataError:
        return DataError(f"{type(self).__name__} needs {expected}; got an array of shape {x.shape}")


class _OfFeatures(Transform):
    """Leaves the labels as they are; `images` tells whether it needs images, else rows of any shape will do."""

    images: ClassVar[bool] = True

    def __call__(self, x: NDArray[Any], y: NDArray[Any], *, epoch: int, rng: np.random.Generator) -> Batch:
        x = np.asarray(x, dtype=np.float32)
        if x.ndim not in ((3, 4) if self.images else range(1, 33)):
            raise self._unfit("images (rows, channels, h, w) or (rows, h, w)" if self.images else "rows (rows, ...)", x)
        if self.images and x.ndim == 3:
            return self._changed(x[:, None], rng)[:, 0], y
        return self._changed(x, rng), y

    @abstractmethod
    def _changed(self, x: Floats, rng: np.random.Generator) -> Floats:
        """Return new features (rows, channels, h, w), or (rows, ...) where `images` is False."""


def _windows(x: Floats, pad: tuple[int, int], size: tuple[int, int], fill: float, rng: np.random.Generator) -> Floats:
    """Cut a window of `size` out of each padded image, at a place drawn for the row."""
    (dy, dx), (n_rows, n_maps, height, width) = pad, x.shape
    # A third of the time of np.pad.
    padded = np.full((n_rows, n_maps, height + 2 * dy, width + 2 * dx), fill, x.dtype)
    padded[:, :, dy : dy + height, dx : dx + width] = x
    windows = np.lib.stride_tricks.sliding_window_view(padded, size, axis=(2, 3))
    top, left = (rng.integers(n, size=len(x)) for n in windows.shape[2:4])
    return windows[np.arange(len(x)), :, top, left]


def _warped(x: Floats, matrices: NDArray[np.float64], fill: float) -> Floats:
    """Give pixel p of row i the value at ``matrices[i] @ (p - centre) + centre``, between pixels bilinearly."""
    from scipy import ndimage

    out, centre = np.empty_like(x), (np.array(x.shape[2:]) - 1) / 2
    for row, matrix in enumerate(matrices):
        offset = centre - matrix @ centre
        for image, target in zip(x[row], out[row], strict=True):
            # "grid-constant": with "constant" an edge pixel is lost where rounding puts it 1e-16 outside.
            ndimage.affine_transform(image, matrix, offset, output=target, order=1, mode="grid-constant", cval=fill)
    return out


def _per_row(values: NDArray[Any], x: Floats) -> Floats:
    return values.astype(np.float32).reshape(-1, *[1] * (x.ndim - 1))


@register()
class Shift(_OfFeatures):
    """Moves each image: ``out[i, j] = x[i - a, j - b]``, `a` in -dy .. dy and `b` in -dx .. dx, all as likely.

    Parameters
    ----------
    max_shift, fill : (dy, dx) or int >= 0, float
        Pixels, and the value that comes in at the edges.
    """

    max_shift: Pixels
    fill: Finite = 0.0

    def _changed(self, x: Floats, rng: np.random.Generator) -> Floats:
        return _windows(x, self.max_shift, (x.shape[2], x.shape[3]), self.fill, rng)


@register()
class Crop(_OfFeatures):
    """Cuts a window out of each padded image, every place as likely (He et al., CVPR 2016, section 4.2).

    Parameters
    ----------
    size : (h, w) or int >= 1
        Of the window, so of the output; rows that are not augmented (validation, test) keep the one they have.
    pad, fill : (dy, dx) or int >= 0, float
        Pixels put on each side first, and their value.
    """

    size: Pair
    pad: Pixels = (0, 0)
    fill: Finite = 0.0

    def _changed(self, x: Floats, rng: np.random.Generator) -> Floats:
        if any(size > n + 2 * pad for size, n, pad in zip(self.size, x.shape[2:], self.pad, strict=True)):
            raise self._unfit(f"images of at least {self.size} with {self.pad} added on each side", x)
        return _windows(x, self.pad, self.size, self.fill, rng)


@register()
class Flip(_OfFeatures):
    """Mirrors images: ``out[i, j] = x[i, -1 - j]`` (horizontal) and ``x[-1 - i, j]`` (vertical), each by chance.

    Parameters
    ----------
    horizontal, vertical, p : bool, bool, float in [0, 1]
        Which, and the chance of each.
    """

    horizontal: bool = True
    vertical: bool = False
    p: Annotated[float, Field(ge=0, le=1)] = 0.5

    def _changed(self, x: Floats, rng: np.random.Generator) -> Floats:
        out = x.copy()
        for chance, axis in ((self.p * self.horizontal, 3), (self.p * self.vertical, 2)):
            rows = rng.random(len(x)) < chance
            out[rows] = np.flip(out[rows], axis)
        return out


@register()
class QuarterTurns(_OfFeatures):
    """Turns each square image by ``k * 90`` degrees, `k` in 0 .. 3, all as likely: ``out = rot90(x, k)``."""

    def _changed(self, x: Floats, rng: np.random.Generator) -> Floats:
        if x.shape[2] != x.shape[3]:
            raise self._unfit("square images", x)
        out, turns = x.copy(), rng.integers(4, size=len(x))
        for k in (1, 2, 3):
            out[turns == k] = np.rot90(x[turns == k], k, axes=(2, 3))
        return out


@register()
class Rotate(_OfFeatures):
    """Turns each image about its centre: ``out(p) = x(R p)``, by an angle even in -max_degrees .. max_degrees.

    Parameters
    ----------
    max_degrees, fill : float in [0, 180], float
        The largest angle, in either direction, and the value outside of the image. Between pixels x is bilinear.
    """

    max_degrees: Annotated[float, Field(ge=0, le=180)]
    fill: Finite = 0.0

    def _changed(self, x: Floats, rng: np.random.Generator) -> Floats:
        angles = [radians(a) for a in rng.uniform(-self.max_degrees, self.max_degrees, len(x))]
        return _warped(x, np.array([[[cos(a), sin(a)], [-sin(a), cos(a)]] for a in angles]), self.fill)


@register()
class Zoom(_OfFeatures):
    """Enlarges each image about its centre: ``out(p) = x(p / z)``, `z` even in min .. max; the size stays.

    Parameters
    ----------
    min, max, fill : float > 0, float > 0, float
        Below 1 the image shrinks; the value outside of the image. Between pixels x is bilinear.
    """

    min: Annotated[Finite, Field(gt=0)]
    max: Finite
    fill: Finite = 0.0

    @model_validator(mode="after")
    def _in_order(self) -> Any:
        if self.min > self.max:
            raise ValueError(f"min must be <= max; got {self.min} and {self.max}")
        return self

    def _changed(self, x: Floats, rng: np.random.Generator) -> Floats:
        return _warped(x, np.eye(2) / rng.uniform(self.min, self.max, (len(x), 1, 1)), self.fill)


@register()
class Noise(_OfFeatures):
    """Adds Gaussian noise: ``out = x + sigma * e``, `e` standard normal for each number; rows of any shape.

    Parameters
    ----------
    sigma : float >= 0
        Its standard deviation.
    """

    images: ClassVar[bool] = False
    sigma: Size

    def _changed(self, x: Floats, rng: np.random.Generator) -> Floats:
        # Where there are many to draw, a generator that ours seeds takes three quarters of its time.
        fast = np.random.Generator(np.random.SFC64(rng.integers(2**63)))
        noise: Floats = fast.standard_normal(x.shape, dtype=np.float32)
        noise *= np.float32(self.sigma)
        noise += x
        return noise


@register()
class Cutout(_OfFeatures):
    """Blanks one window of each image: ``out = value`` there, else `x` (DeVries & Taylor, arXiv:1708.04552).

    Parameters
    ----------
    size, value : (h, w) or int >= 1, float
        Of the window, at most that of the image, and what is put there. Any pixel may be its centre, all as likely.
    """

    size: Pair
    value: Finite = 0.0

    def _changed(self, x: Floats, rng: np.random.Generator) -> Floats:
        inside = []
        for size, n in zip(self.size, x.shape[2:], strict=True):
            if size > n:
                raise self._unfit(f"images of at least {self.size}", x)
            first = rng.integers(n, size=(len(x), 1)) - size // 2
            inside.append((np.arange(n) >= first) & (np.arange(n) < first + size))
        return np.where((inside[0][:, :, None] & inside[1][:, None, :])[:, None], np.float32(self.value), x)


@register()
class Brightness(_OfFeatures):
    """Changes the brightness of each row: ``out = f * x + d``, one `f` and one `d` for all of it; any shape.

    Parameters
    ----------
    max_delta, factor : float >= 0, (low, high) of numbers >= 0
        `d` is even in -max_delta .. max_delta, `f` even in low .. high. Nothing is clipped.
    """

    images: ClassVar[bool] = False
    max_delta: Size = 0.0
    factor: Annotated[tuple[Size, Size], _as_pair] = (1.0, 1.0)

    @model_validator(mode="after")
    def _in_order(self) -> Any:
        if self.factor[0] > self.factor[1]:
            raise ValueError(f"factor must be (low, high) with low <= high; got {self.factor}")
        return self

    def _changed(self, x: Floats, rng: np.random.Generator) -> Floats:
        f, d = rng.uniform(*self.factor, len(x)), rng.uniform(-self.max_delta, self.max_delta, len(x))
        return _per_row(f, x) * x + _per_row(d, x)


@register()
class Mixup(Transform):
    """Mixes each row with another one of the batch (Zhang et al., ICLR 2018).

    ``x = t * x_i + (1 - t) * x_j``, t of Beta(alpha, alpha) for each row; the labels become shares of the classes.

    Parameters
    ----------
    alpha : float > 0
        Near 0 rows hardly mix; 1 mixes evenly.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, shares = Mixup(alpha=1.0)(np.eye(3), np.arange(3), epoch=0, rng=rng, n_classes=3)
    >>> shares.sum(axis=1).tolist()
    [1.0, 1.0, 1.0]
    """

    alpha: Positive = 0.2

    def __call__(
        self, x: NDArray[Any], y: NDArray[Any], *, epoch: int, rng: np.random.Generator, n_classes: int = 0
    ) -> Batch:
        x = np.asarray(x, dtype=np.float32)
        shares = np.eye(n_classes, dtype=np.float32)[y] if y.ndim == 1 else y.astype(np.float32)
        other, t = rng.permutation(len(x)), rng.beta(self.alpha, self.alpha, size=len(x)).astype(np.float32)
        of_row, of_label = _per_row(t, x), t[:, None]
        return of_row * x + (1 - of_row) * x[other], of_label * shares + (1 - of_label) * shares[other]
