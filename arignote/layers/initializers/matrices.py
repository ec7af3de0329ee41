"""Initialisers of whole matrices: orthogonal and sparse weights."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from arignote.layers.initializers.base import Gain, Initializer
from arignote.registry import Positive, register

__all__ = ["Orthogonal", "Sparse"]


@register(name="orthogonal")
class Orthogonal(Initializer):
    """Orthogonal weights: ``W W^T = gain^2 I`` if W has at most as many rows as columns, else ``W^T W = gain^2 I``.

    Parameters
    ----------
    gain : float > 0 or "relu", default 1.0
        Factor of the weights; "relu" is sqrt(2).

    Notes
    -----
    Saxe, McClelland and Ganguli, ICLR 2014. Filters (maps, channels, height, width) are a matrix with a row for each
    map. All such matrices are equally likely (Mezzadri, Notices of the AMS 2007).

    Examples
    --------
    >>> W = Orthogonal().draw(np.random.default_rng(0), (3, 5), fan_in=3, fan_out=5)
    >>> bool(np.allclose(W @ W.T, np.eye(3)))
    True
    """

    of_matrices: ClassVar[bool] = True
    gain: Gain = 1.0

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> NDArray[Any]:
        n_rows, n_columns = shape[0], int(np.prod(shape[1:]))
        # Tall, as the columns of q are orthonormal; a wide matrix is its transpose.
        normal = rng.standard_normal((max(n_rows, n_columns), min(n_rows, n_columns)))
        q, r = np.linalg.qr(normal)
        # The signs of a QR decomposition follow from the algorithm; those of the diagonal of r make q uniform.
        q = q * np.sign(np.diag(r))
        matrix: NDArray[Any] = self.gain * (q if n_rows >= n_columns else q.T)
        return matrix.reshape(shape)


@register(name="sparse")
class Sparse(Initializer):
    """Sparse weights: each unit has ``round(density * fan_in)`` normal weights, and ``w = 0`` elsewhere.

    Parameters
    ----------
    density : float in (0, 1], default 0.1
        Share of the weights into a unit that are not 0; at least one is not. It is `sparsity` in Lasagne, and 1 -
        `sparsity` in PyTorch.
    std : float > 0, default 0.01
        Standard deviation of these weights.

    Notes
    -----
    Martens, "Deep learning via Hessian-free optimization", ICML 2010.

    Examples
    --------
    >>> W = Sparse(density=0.25).draw(np.random.default_rng(0), (8, 3), fan_in=8, fan_out=3)
    >>> (W != 0).sum(axis=0)
    array([2, 2, 2])
    """

    of_matrices: ClassVar[bool] = True
    density: Annotated[float, Field(gt=0, le=1)] = 0.1
    std: Positive = 0.01

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> NDArray[Any]:
        # Units are the columns of a dense layer (fan_in, n_units), and the rows of all other weights.
        of_columns = len(shape) == 2 and shape[0] == fan_in
        n_units, n_weights = (shape[1], shape[0]) if of_columns else (shape[0], int(np.prod(shape[1:])))
        n_drawn = max(round(self.density * n_weights), 1)
        rows = np.zeros((n_units, n_weights))
        # The places of the smallest random numbers: all choices are equally likely.
        places = rng.random((n_units, n_weights)).argsort(axis=1)[:, :n_drawn]
        np.put_along_axis(rows, places, self.std * rng.standard_normal((n_units, n_drawn)), axis=1)
        return (rows.T if of_columns else rows).reshape(shape)
