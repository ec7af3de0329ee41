"""Augmentations declared as parts: pure functions of a batch and its random stream `rng`; the input is not changed.

Here are their base classes, and those that change values; those that move pixels are in `geometric_transforms`.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, model_validator

from arignote.data.values.fields import ALONE, fields_of, joined
from arignote.errors import DataError
from arignote.registry import ADDED, Finite, Pair, Part, Positive, as_pair, register

__all__ = ["XY", "Brightness", "Cutout", "FeatureTransform", "Floats", "Mixup", "Noise", "Pixels", "Transform"]

Floats = NDArray[np.float32]
# Features (rows, ...), and class numbers (rows,) or shares of the classes (rows, n_classes).
XY = tuple[Floats, NDArray[Any]]

Size = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_NonNegativeCount = Annotated[int, Field(ge=0)]
_PixelPair = tuple[_NonNegativeCount, _NonNegativeCount]
Pixels = Annotated[_PixelPair, BeforeValidator(as_pair, json_schema_input_type=_NonNegativeCount | _PixelPair)]


class Transform(Part):
    """Base class of augmentations: functions of a batch."""

    kind: ClassVar[str] = "augmentation"

    @abstractmethod
    def __call__(self, x: NDArray[Any], y: NDArray[Any], *, epoch: int, rng: np.random.Generator) -> XY:
        """Return an augmented batch; all random numbers must be drawn from `rng`.

        Parameters
        ----------
        x : array (rows, ...)
            Features; must not be changed.
        y : array (rows,) of int64, or (rows, n_classes) of float32
            Class numbers, or shares of the classes.
        epoch : int
            From 0.
        rng : numpy.random.Generator
            The random stream of the batch.

        Returns
        -------
        x : array (rows, ...) of float32
        y : array (rows,) or (rows, n_classes)
        """

    def _shape_error(self, expected: str, x: Floats) -> DataError:
        return DataError(f"{type(self).__name__} needs {expected}; got an array of shape {x.shape}")


class FeatureTransform(Transform):
    """Base class of augmentations of features only; `images` is whether they need images, or take rows of any shape.

    Parameters
    ----------
    channel : str, optional
        Name of the channel that is changed, if the data has several.
    """

    images: ClassVar[bool] = True
    channel: Annotated[str | None, ADDED] = None

    def __call__(self, x: NDArray[Any], y: NDArray[Any], *, epoch: int, rng: np.random.Generator) -> XY:
        fields = fields_of(x)
        if ALONE in fields:
            return self._of_rows(x, rng), y
        if self.channel not in fields:
            known = ", ".join(map(repr, fields))
            raise DataError(f"{type(self).__name__}: channel must be one of {known}; got {self.channel!r}")
        return joined(fields | {self.channel: self._of_rows(fields[self.channel], rng)}), y

    def _of_rows(self, x: NDArray[Any], rng: np.random.Generator) -> Floats:
        x = np.asarray(x, dtype=np.float32)
        if x.ndim not in ((3, 4) if self.images else range(1, 33)):
            raise self._shape_error(
                "images (rows, channels, h, w) or (rows, h, w)" if self.images else "rows (rows, ...)", x
            )
        if self.images and x.ndim == 3:
            # (rows, h, w): one channel, without an axis of its own.
            return self._changed(x[:, None], rng)[:, 0]
        return self._changed(x, rng)

    @abstractmethod
    def _changed(self, x: Floats, rng: np.random.Generator) -> Floats:
        """Return new features (rows, channels, h, w), or (rows, ...) if `images` is False."""


def _per_row(values: NDArray[Any], x: Floats) -> Floats:
    return values.astype(np.float32).reshape(-1, *[1] * (x.ndim - 1))


@register()
class Noise(FeatureTransform):
    """Add normal noise to rows of any shape: ``out = x + sigma * e``, `e` standard normal for each value.

    Parameters
    ----------
    sigma : float >= 0
        Standard deviation.

    Examples
    --------
    >>> rng, x = np.random.default_rng(0), np.zeros((1, 10_000))
    >>> x, y = Noise(sigma=0.1)(x, np.arange(1), epoch=0, rng=rng)
    >>> round(float(x.std()), 2)
    0.1
    """

    images: ClassVar[bool] = False
    sigma: Size

    def _changed(self, x: Floats, rng: np.random.Generator) -> Floats:
        # SFC64, seeded from `rng`, takes three quarters of the time of `rng` itself.
        fast = np.random.Generator(np.random.SFC64(rng.integers(2**63)))
        noise: Floats = fast.standard_normal(x.shape, dtype=np.float32)
        # In place: `noise` is new, and x stays as it is.
        noise *= np.float32(self.sigma)
        noise += x
        return noise


@register()
class Cutout(FeatureTransform):
    """Overwrite one window of each image: ``out = value`` within, ``out = x`` elsewhere.

    All pixels are as likely to be the centre of the window (DeVries and Taylor, arXiv:1708.04552).

    Parameters
    ----------
    size : (int, int) or int >= 1
        Height and width of the window, pixels; at most those of the image.
    value : float, default 0.0
        Value of pixels within.

    Examples
    --------
    >>> rng, x = np.random.default_rng(0), np.ones((1, 1, 3, 3))
    >>> x, y = Cutout(size=1)(x, np.arange(1), epoch=0, rng=rng)
    >>> float(x.sum())
    8.0
    """

    size: Pair
    value: Finite = 0.0

    def _changed(self, x: Floats, rng: np.random.Generator) -> Floats:
        inside = []
        for size, n in zip(self.size, x.shape[2:], strict=True):
            if size > n:
                raise self._shape_error(f"images of at least {self.size}", x)
            # The centre is drawn, so that a window may reach beyond the edge, as in the paper.
            first = rng.integers(n, size=(len(x), 1)) - size // 2
            inside.append((np.arange(n) >= first) & (np.arange(n) < first + size))
        return np.where((inside[0][:, :, None] & inside[1][:, None, :])[:, None], np.float32(self.value), x)


@register()
class Brightness(FeatureTransform):
    """Change the brightness of each row, of any shape: ``out = f * x + d``, one `f` and one `d` for the row.

    Parameters
    ----------
    max_delta : float >= 0, default 0.0
        `d` is uniform in [-max_delta, max_delta].
    factor : (float, float) or float >= 0, default 1.0
        `f` is uniform in [low, high]. Results are not clipped.

    Examples
    --------
    >>> rng, x = np.random.default_rng(0), np.array([[1.0, 2.0]])
    >>> x, y = Brightness(factor=2)(x, np.arange(1), epoch=0, rng=rng)
    >>> x
    array([[2., 4.]], dtype=float32)
    """

    images: ClassVar[bool] = False
    max_delta: Size = 0.0
    factor: Annotated[tuple[Size, Size], BeforeValidator(as_pair, json_schema_input_type=Size | tuple[Size, Size])] = (
        1.0,
        1.0,
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.factor[0] > self.factor[1]:
            raise ValueError(f"factor must be (low, high) with low <= high; got {self.factor}")
        return self

    def _changed(self, x: Floats, rng: np.random.Generator) -> Floats:
        f, d = rng.uniform(*self.factor, len(x)), rng.uniform(-self.max_delta, self.max_delta, len(x))
        return _per_row(f, x) * x + _per_row(d, x)


@register()
class Mixup(Transform):
    """Mix each row with another one of the batch (Zhang et al., ICLR 2018).

    ``out = t * x_i + (1 - t) * x_j``, t ~ Beta(alpha, alpha) for each row; labels become shares of the classes.

    Parameters
    ----------
    alpha : float > 0, default 0.2
        Near 0 rows are hardly mixed; at 1 all shares are as likely.

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
    ) -> XY:
        if y.dtype.names or (y.ndim == 1 and not n_classes):
            raise DataError("Mixup needs one output, of classes, flags or numbers")
        shares = np.eye(n_classes, dtype=np.float32)[y] if y.ndim == 1 else y.astype(np.float32)
        # A permutation: each row is mixed into exactly one.
        other, t = rng.permutation(len(x)), rng.beta(self.alpha, self.alpha, size=len(x)).astype(np.float32)

        def mixed(values: NDArray[Any]) -> Floats:
            values = np.asarray(values, dtype=np.float32)
            of_row = _per_row(t, values)
            blend: Floats = of_row * values + (1 - of_row) * values[other]
            return blend

        return joined({name: mixed(values) for name, values in fields_of(x).items()}), mixed(shares)
