"""Reader of sparse matrices of SciPy, of which only the rows of a batch are ever dense."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from arignote.data.readers.base import IN_MEMORY, Array, Reader, RowIndex
from arignote.errors import DataError

__all__ = ["SparseReader", "is_sparse"]


class SparseReader(Reader):
    """Rows of a sparse matrix, which are dense only when they are read.

    Parameters
    ----------
    matrix : sparse matrix or array of SciPy (rows, features)
        In any format; it is converted to CSR once, and left as it is.
    what : str
        Name of the data in errors.

    Raises
    ------
    DataError
        If it does not have two axes.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> reader = SparseReader(csr_array([[0.0, 2.0], [0.0, 0.0], [3.0, 0.0]]))
    >>> reader.read(np.array([2, 0])).tolist()
    [[3.0, 0.0], [0.0, 2.0]]
    """

    def __init__(self, matrix: Any, what: str = "X"):
        if len(matrix.shape) != 2:
            raise DataError(f"{what} must have the shape (rows, features) as a sparse matrix; got {matrix.shape}")
        # tocsr returns a CSR matrix itself, which is the user's: it is copied below before it is changed.
        rows = matrix.tocsr()
        if not rows.has_canonical_format:
            # The same values may be stored in several orders, or in pieces: in one way they have one fingerprint.
            rows = rows.copy() if rows is matrix else rows
            rows.sum_duplicates()
        if not rows.data.all():
            rows = rows.copy() if rows is matrix else rows
            rows.eliminate_zeros()
        self.matrix = rows
        # `in_memory` stays False: rows in memory may be kept on a GPU, where all of them would be dense.
        self.shape, self.dtype = tuple(rows.shape), rows.dtype

    def read(self, rows: RowIndex) -> Array:
        dense: Array = self.matrix[rows].toarray()
        return dense

    def row_of(self, place: int) -> int:
        """Return the number of the row of a value, by its place among those that are stored."""
        return int(np.searchsorted(self.matrix.indptr, place, side="right")) - 1

    def digest(self) -> str:
        """Return the SHA-256 of the matrix as it is stored: of 64 pieces of each array that exceeds 256 MB."""
        digest = hashlib.sha256()
        matrix = self.matrix
        # Indices may be of 32 or 64 bits: that depends on how the matrix was made.
        for array, dtype in ((matrix.indptr, np.int64), (matrix.indices, np.int64), (matrix.data, matrix.dtype)):
            for piece in _pieces(array):
                digest.update(np.ascontiguousarray(piece, dtype=dtype).data)
        return digest.hexdigest()


def is_sparse(x: Any) -> bool:
    """Return whether `x` is a sparse matrix or array of SciPy."""
    return hasattr(x, "tocsr")


def _pieces(array: Array, step: int = 1 << 17) -> Iterator[Array]:
    """Yield all of a flat array, of more than 256 MB its length and 64 pieces of it, evenly spread."""
    starts = np.arange(0, len(array), step)
    # 8 bytes whatever the dtype, so that indices of 32 bits are cut as those of 64.
    if 8 * len(array) > IN_MEMORY:
        yield np.array([len(array)])
        starts = starts[np.linspace(0, len(starts) - 1, 64).astype(np.int64)]
    for start in starts.tolist():
        yield array[start : start + step]
