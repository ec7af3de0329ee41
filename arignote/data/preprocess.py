"""Preprocessing: transformations fitted to the training rows and applied to all rows.

``fit`` passes once over the training rows, which need not fit into memory, and returns float32 arrays for ``apply``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from arignote.data.values.operations import Operation, computed
from arignote.errors import ConfigError, DataError
from arignote.registry import Count, Finite, Part, register

__all__ = ["Learned", "MinMax", "Preprocess", "Scale", "Standardise", "Whiten"]

Array = NDArray[Any]
# Arrays that `fit` returns, by name; a checkpoint stores them.
Learned = dict[str, Array]
Axes = Callable[[Array], tuple[int, ...]]
Epsilon = Annotated[Finite, Field(ge=0)]


class Preprocess(Part):
    """Base class of preprocessing: `fit` learns from training rows, `apply` returns transformed rows.

    Attributes
    ----------
    is_rowwise : bool
        Whether `apply` returns the same bits of a row whatever rows are beside it. A product of matrices does not: its
        kernel follows the number of rows. Rows of such steps are transformed batch by batch.
    """

    kind: ClassVar[str] = "preprocess"
    is_rowwise: ClassVar[bool] = False

    @abstractmethod
    def fit(self, chunks: Iterable[Array]) -> Learned:
        """Return what is learned from chunks (rows, ...) of training rows; DataError if they are not finite."""

    @abstractmethod
    def apply(self, learned: Mapping[str, Array], x: Array) -> Array:
        """Return rows (rows, ...) as new float32 arrays; DataError if their shape is not that of the training rows."""

    def operations(self, learned: Mapping[str, Array], shape: tuple[int, ...]) -> list[Operation]:
        """Return what `apply` computes of rows whose examples have a shape; ConfigError if it is no such formula."""
        raise ConfigError(
            f"preprocess: {type(self).__name__} cannot be exported, as it defines no `operations`: apply it before fit"
        )

    def _rows(self, chunks: Iterable[Array]) -> Iterator[Array]:
        """Yield the chunks that are not empty, validated, as float64 (rows, ...)."""
        name, n_seen, shape = type(self).__name__, 0, None
        for chunk in map(np.asarray, chunks):
            if chunk.dtype.kind not in "biuf" or chunk.ndim < 1:
                raise DataError(f"{name}: rows must be numbers (rows, ...); got {chunk.dtype} of shape {chunk.shape}")
            if chunk.size == 0:
                continue
            shape = chunk.shape[1:] if shape is None else shape
            if chunk.shape[1:] != shape:
                raise DataError(f"{name}: rows must have one shape; got {shape}, from row {n_seen} {chunk.shape[1:]}")
            for at in np.argwhere(~np.isfinite(chunk)):
                raise DataError(f"{name}: training row {n_seen + at[0]} holds {chunk[tuple(at)]}; clean the data first")
            n_seen += len(chunk)
            yield chunk.astype(np.float64)
        if n_seen == 0:
            raise DataError(f"{name}: there are no training rows to learn from")

    def _check(self, expected: tuple[int, ...], got: tuple[int, ...], x: Array) -> None:
        if expected != got:
            raise DataError(f"{type(self).__name__} was fitted to {expected}; got {got} in rows of shape {x.shape}")


def _moments(chunks: Iterable[Array], axes: Axes, products: bool = False) -> tuple[int, Array, Array]:
    """Return count, mean and sum of the squares (or products) of the deviations, over `axes` and all chunks.

    ``M += M' + d^2 n n' / (n + n')``, ``mean += d n' / (n + n')``, d = mean' - mean (Chan et al., COMPSTAT 1982).
    """
    n, mean, total = 0, np.zeros(()), np.zeros(())
    for rows in chunks:
        over = axes(rows)
        # The other axes keep length 1, so that a mean per channel is broadcast.
        own = rows.mean(axis=over, keepdims=True)[0]
        n_own, apart, delta = rows.size // own.size, rows - own, own - mean
        # 0 for the first chunk, whose mean is compared with none.
        weight = n * (n_own / (n + n_own))
        if products:
            total = total + apart.T @ apart + weight * np.outer(delta, delta)
        else:
            total = total + (apart**2).sum(axis=over, keepdims=True)[0] + weight * delta**2
        n += n_own
        mean = mean + delta * (n_own / n)
    return n, mean, total


def _divisor(values: Array, constant: Array) -> Array:
    """Return float32 divisors, 1 where a feature is constant."""
    # A scale above 0 in float64 may be 0 in float32, by which rows are divided.
    return np.where(constant | (values.astype(np.float32) == 0), 1, values).astype(np.float32)


@register()
class Scale(Preprocess):
    """Scale all values alike: ``out = (x - subtract) / divide_by``. Nothing is learned, and no row is read.

    Parameters
    ----------
    divide_by : float > 0
        Divisor, such as 255 for pixels.
    subtract : float, default 0.0
        Subtracted before.

    Examples
    --------
    >>> Scale(divide_by=255).apply({}, np.array([[0, 255]]))
    array([[0., 1.]], dtype=float32)
    """

    is_rowwise: ClassVar[bool] = True
    divide_by: Annotated[Finite, Field(gt=0)]
    subtract: Finite = 0.0

    def fit(self, chunks: Iterable[Array]) -> Learned:
        return {}

    def apply(self, learned: Mapping[str, Array], x: Array) -> Array:
        return computed(self.operations(learned, x.shape[1:]), x).astype(np.float32, copy=False)

    def operations(self, learned: Mapping[str, Array], shape: tuple[int, ...]) -> list[Operation]:
        return [("subtract", np.float32(self.subtract)), ("divide", np.float32(self.divide_by))]


@register()
class Standardise(Preprocess):
    """Scale to mean 0 and variance 1: ``out = (x - mean) / sqrt(variance + epsilon)``.

    The variance is divided by n; constant features become 0.

    Parameters
    ----------
    per : {"feature", "channel", "all"}, default "feature"
        What has a mean of its own: each value of a row, each channel of images, or the rows as a whole.
    epsilon : float >= 0, default 0.0
        Above 0, it keeps features that hardly vary small.

    Examples
    --------
    >>> part, x = Standardise(), np.array([[1.0, 5.0], [3.0, 5.0]])
    >>> part.apply(part.fit([x]), x)
    array([[-1.,  0.],
           [ 1.,  0.]], dtype=float32)
    """

    is_rowwise: ClassVar[bool] = True
    per: Literal["feature", "channel", "all"] = "feature"
    epsilon: Epsilon = 0.0

    def _axes(self, x: Array) -> tuple[int, ...]:
        if self.per == "channel" and x.ndim not in (3, 4):
            raise DataError(f'per="channel" needs images (rows, channels, h, w) or (rows, h, w); got shape {x.shape}')
        return {"feature": (0,), "channel": (0, x.ndim - 2, x.ndim - 1), "all": tuple(range(x.ndim))}[self.per]

    def fit(self, chunks: Iterable[Array]) -> Learned:
        n, mean, squares = _moments(self._rows(chunks), self._axes)
        # Rounding leaves a constant feature a tiny variance: the bound of scikit-learn's _is_constant_feature.
        variance, tiny = squares / n, np.finfo(np.float64).eps
        constant = variance <= n * tiny * variance + (n * mean * tiny) ** 2
        return {"mean": mean.astype(np.float32), "scale": _divisor(np.sqrt(variance + self.epsilon), constant)}

    def apply(self, learned: Mapping[str, Array], x: Array) -> Array:
        over = self._axes(x)
        self._check(learned["mean"].shape, tuple(1 if a in over else n for a, n in enumerate(x.shape))[1:], x)
        return computed(self.operations(learned, x.shape[1:]), x).astype(np.float32, copy=False)

    def operations(self, learned: Mapping[str, Array], shape: tuple[int, ...]) -> list[Operation]:
        return [("subtract", learned["mean"]), ("divide", learned["scale"])]


@register()
class MinMax(Preprocess):
    """Scale each feature to a range: ``out = low + (x - minimum) / (maximum - minimum) * (high - low)``.

    Minimum and maximum are those of the training rows; constant features become `low`.

    Parameters
    ----------
    low : float, default 0.0
        Smallest value of the training rows afterwards.
    high : float, default 1.0
        Largest value of the training rows afterwards, above `low`. Other rows may be outside: they are not clipped.

    Examples
    --------
    >>> part, x = MinMax(), np.array([[1.0, 5.0], [3.0, 9.0]])
    >>> part.apply(part.fit([x]), x)
    array([[0., 0.],
           [1., 1.]], dtype=float32)
    """

    is_rowwise: ClassVar[bool] = True
    low: Finite = 0.0
    high: Finite = 1.0

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low must be < high; got {self.low} and {self.high}")
        return self

    def fit(self, chunks: Iterable[Array]) -> Learned:
        low, high = np.array(np.inf), np.array(-np.inf)
        for rows in self._rows(chunks):
            low, high = np.minimum(low, rows.min(axis=0)), np.maximum(high, rows.max(axis=0))
        return {"minimum": low.astype(np.float32), "range": _divisor(high - low, high == low)}

    def apply(self, learned: Mapping[str, Array], x: Array) -> Array:
        self._check(learned["minimum"].shape, x.shape[1:], x)
        return computed(self.operations(learned, x.shape[1:]), x).astype(np.float32, copy=False)

    def operations(self, learned: Mapping[str, Array], shape: tuple[int, ...]) -> list[Operation]:
        to_range: list[Operation] = [("multiply", np.float32(self.high - self.low)), ("add", np.float32(self.low))]
        return [("subtract", learned["minimum"]), ("divide", learned["range"]), *to_range]


@register()
class Whiten(Preprocess):
    """Make features uncorrelated and of variance 1: ``out = (x - mean) W``, ``W = V (L + epsilon)^-1/2``.

    ``V L V^T`` is the covariance (divided by n - 1) of at most 4096 features; directions without variance become 0.
    With "zca" W is multiplied by ``V^T``, and rows keep their shape; "pca" returns (rows, components) (Kessy et al.,
    The American Statistician 2018).

    Parameters
    ----------
    method : {"zca", "pca"}, default "zca"
        Form of W.
    epsilon : float >= 0, default 1e-05
        Added to the variances, so that noise is not amplified.
    n_components : int >= 1, optional
        Number of components of "pca", those of the largest variances; by default all.

    Examples
    --------
    >>> part, x = Whiten(), np.array([[0.0, 0.0], [0.0, 4.0], [2.0, 0.0], [2.0, 4.0]])
    >>> part.apply(part.fit([x]), x).round(3)
    array([[-0.866, -0.866],
           [-0.866,  0.866],
           [ 0.866, -0.866],
           [ 0.866,  0.866]], dtype=float32)
    """

    method: Literal["zca", "pca"] = "zca"
    epsilon: Epsilon = 1e-5
    n_components: Count | None = None

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.method == "zca" and self.n_components is not None:
            raise ValueError('n_components goes with method "pca" only')
        return self

    def _flat(self, chunks: Iterable[Array]) -> Iterator[Array]:
        for rows in self._rows(chunks):
            if not (self.n_components or 1) <= rows[0].size <= 4096:
                raise DataError(f"Whiten takes {self.n_components or 1} to 4096 features; got {rows[0].size}")
            yield rows.reshape(len(rows), -1)

    def fit(self, chunks: Iterable[Array]) -> Learned:
        n, mean, products = _moments(self._flat(chunks), lambda rows: (0,), products=True)
        if n < 2:
            raise DataError("Whiten needs at least 2 training rows; got 1")
        # eigh returns the smallest first.
        variances, v = (found[..., ::-1] for found in np.linalg.eigh(products / (n - 1)))
        # The sign of an eigenvector is arbitrary: its largest entry is made positive, as scikit-learn's PCA does.
        v = v * np.sign(v[np.abs(v).argmax(axis=0), np.arange(len(v))])
        # The tolerance of numpy.linalg.matrix_rank.
        still = variances <= variances[0] * len(v) * np.finfo(np.float64).eps
        w = v * np.where(still, 0.0, 1 / np.sqrt(np.where(still, 1.0, variances) + self.epsilon))
        w = w @ v.T if self.method == "zca" else w[:, : self.n_components]
        return {"mean": mean.astype(np.float32), "W": np.ascontiguousarray(w, dtype=np.float32)}

    def apply(self, learned: Mapping[str, Array], x: Array) -> Array:
        self._check(learned["mean"].shape, (int(np.prod(x.shape[1:])),), x)
        return computed(self.operations(learned, x.shape[1:]), x).astype(np.float32, copy=False)

    def operations(self, learned: Mapping[str, Array], shape: tuple[int, ...]) -> list[Operation]:
        n_values, n_components = learned["W"].shape
        of_rows: list[Operation] = [("subtract", learned["mean"]), ("matmul", learned["W"])]
        after = shape if self.method == "zca" else (n_components,)
        return [("reshape", (-1, n_values)), *of_rows, ("reshape", (-1, *after))]
