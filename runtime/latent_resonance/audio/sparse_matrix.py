"""Matrices that are zero almost everywhere: SciPy's kernel for compressed sparse rows.

Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_resonance.audio.scipy_kernel import KERNEL_ERRORS, load_kernel

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class SparseMatrix:
    """A matrix in compressed sparse rows.

    Attributes
    ----------
    values : (n,) that are not zero, row by row
    columns : (n,) int32, of each value
    starts : (n_rows + 1,) int32, where each row begins in `values`, and the end
    """

    values: Array
    columns: NDArray[np.int32]
    starts: NDArray[np.int32]
    shape: tuple[int, int]

    @classmethod
    def from_entries(
        cls, rows: Array, columns: Array, values: Array, shape: tuple[int, int]
    ) -> SparseMatrix:
        """Of values at different places, each (n,)."""
        order = np.lexsort((columns, rows))
        starts = np.searchsorted(rows[order], np.arange(shape[0] + 1))
        as_index = columns[order].astype(np.int32), starts.astype(np.int32)
        return cls(np.ascontiguousarray(values[order]), *as_index, shape)

    @classmethod
    def from_dense(cls, dense: Array) -> SparseMatrix:
        """Of a whole matrix (n_rows, n_columns)."""
        rows, columns = np.nonzero(dense)
        return cls.from_entries(rows, columns, dense[rows, columns], dense.shape)

    def __matmul__(self, other: Array) -> Array:
        """(n_columns,) -> (n_rows,), or (n_columns, k) -> (n_rows, k)."""
        if other.shape[0] != self.shape[1]:
            raise ValueError(f"{self.shape} @ {other.shape}: the inner sizes should be equal")
        result = np.zeros((self.shape[0], *other.shape[1:]), self._dtype(other))
        _multiply(self, np.ascontiguousarray(other, result.dtype), result)
        return result

    @property
    def rows(self) -> NDArray[np.intp]:
        """(n,) row of each value."""
        return np.repeat(np.arange(self.shape[0]), np.diff(self.starts))

    def row_slice(self, rows: slice) -> SparseMatrix:
        """Some rows next to each other."""
        starts = self.starts[rows.start : rows.stop + 1]
        values = slice(int(starts[0]), int(starts[-1]))
        shape = (rows.stop - rows.start, self.shape[1])
        return SparseMatrix(self.values[values], self.columns[values], starts - starts[0], shape)

    def toarray(self) -> Array:
        """The whole matrix."""
        dense = np.zeros(self.shape, self.values.dtype)
        dense[self.rows, self.columns] = self.values
        return dense

    def _dtype(self, other: Array) -> np.dtype[Any]:
        own = self.values.dtype
        return own if own == other.dtype else np.result_type(own, other.dtype)


Multiply = Callable[[SparseMatrix, Array, Array], None]  # matrix, factor, result (zeros)


def _of_kernel() -> Multiply:
    """The kernel's product, after one call for each number of dimensions.

    Raises
    ------
    KERNEL_ERRORS
        This SciPy's kernel is elsewhere, or is called in another way.
    """
    kernel = load_kernel("sparse", "_sparsetools")

    def multiply(matrix: SparseMatrix, other: Array, result: Array) -> None:
        (n_rows, n_columns), data = matrix.shape, matrix.values.astype(result.dtype, copy=False)
        index = matrix.starts, matrix.columns, data
        if other.ndim == 1:
            kernel.csr_matvec(n_rows, n_columns, *index, other, result)
        else:
            n = other.shape[1]
            kernel.csr_matvecs(n_rows, n_columns, n, *index, other.ravel(), result.ravel())

    probe = SparseMatrix.from_dense(np.eye(2, dtype=np.float32))
    for shape in ((2,), (2, 1)):
        multiply(probe, np.zeros(shape, np.float32), np.zeros(shape, np.float32))
    return multiply


def _of_scipy() -> Multiply:
    import scipy.sparse

    def multiply(matrix: SparseMatrix, other: Array, result: Array) -> None:
        parts = (matrix.values, matrix.columns, matrix.starts)
        result[:] = scipy.sparse.csr_array(parts, shape=matrix.shape) @ other

    return multiply


def _function() -> Multiply:
    try:
        return _of_kernel()
    except KERNEL_ERRORS:
        return _of_scipy()


_multiply = _function()
