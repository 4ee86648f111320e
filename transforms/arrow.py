"""Vectors as Arrow arrays and as NumPy matrices over the same buffers."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def to_matrix(vectors: pa.Array) -> npt.NDArray[np.float32]:
    """A list<float> array as a matrix (rows, d), without a copy. Raises ValueError if the rows are ragged."""
    values = vectors.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(values.reshape(len(vectors), -1))


def from_matrix(matrix: np.ndarray[Any, Any]) -> pa.ListArray:
    """A matrix (rows, d) as a list<float> array over the same buffer."""
    rows, d = matrix.shape
    offsets = pa.array(np.arange(0, rows * d + 1, max(d, 1), dtype=np.int32)[: rows + 1])
    return pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(matrix, dtype=np.float32).ravel()))
