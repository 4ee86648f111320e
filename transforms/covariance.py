"""Compute mean and covariance of a vector column, in one pass over Arrow buffers.

    rows ──NumPy per partition──▶ (n, mean, scatter) ──merged in a tree──▶ driver: mean, covariance

A partition sends one row of d(d+1)/2 numbers (6.5 MB for d = 1280), regardless of its size; a small scan is one part,
made in this process. Parts are merged around their own means (Chan, Golub & LeVeque 1979), so large means do not cancel
small variances.
"""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import DataFrame

from catalog.parquet import FileScan
from transforms.arrow import to_matrix

Floats = npt.NDArray[np.float64]

_FAN_IN = 8  # parts that one task, and finally the driver, merges
ROWS_PER_PRODUCT = 2048  # enough for BLAS to be efficient; 21 MB of float64 at d = 1280
_SCHEMA = "n bigint, mean binary, scatter binary"


class Part(NamedTuple):
    """Moments of n rows. mean: (d,); scatter: the upper triangle of Σ(x - mean)(x - mean)ᵀ, packed row by row."""

    n: int
    mean: Floats
    scatter: Floats


class Moments(NamedTuple):
    """Moments of n rows. mean: (d,); covariance: (d, d), divided by n - 1 (by 1 for a single row)."""

    n: int
    mean: Floats
    covariance: Floats


def moments(data: DataFrame | FileScan, column: str) -> Moments | None:
    """Count, mean and covariance of an array column; None if there are no rows."""
    chosen = data.select(column)
    if isinstance(chosen, FileScan) and chosen.small:
        merged = merge(_parts_of(_reduce_rows(chosen.batches())))
    else:
        merged = merge(_parts_of(_in_spark(chosen)))
    if merged is None:
        return None
    d = len(merged.mean)
    covariance = np.zeros((d, d))
    covariance[np.triu_indices(d)] = merged.scatter / max(merged.n - 1, 1)
    return Moments(merged.n, merged.mean, covariance + np.triu(covariance, 1).T)


def _in_spark(data: DataFrame | FileScan) -> list[pa.RecordBatch]:
    parts = data.mapInArrow(_reduce_rows, _SCHEMA)
    count = parts.rdd.getNumPartitions()
    while count > _FAN_IN:
        count = math.ceil(count / _FAN_IN)
        parts = parts.repartition(count).mapInArrow(_merge_batches, _SCHEMA)
    batches: list[pa.RecordBatch] = parts.toArrow().to_batches()  # collecting rows took twice as long
    return batches


def merge(parts: Iterable[Part]) -> Part | None:
    """Merge parts into the moments of all their rows; None if there are no parts."""
    total: Part | None = None
    for part in parts:
        total = part if total is None else _merge(total, part)
    return total


def _merge(a: Part, b: Part) -> Part:
    n = a.n + b.n
    between = b.mean - a.mean
    rows, columns = np.triu_indices(len(between))
    scatter = a.scatter + b.scatter + between[rows] * between[columns] * (a.n * b.n / n)
    return Part(n, a.mean + between * (b.n / n), scatter)


def _reduce_rows(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Sum rows and products relative to the partition's first row; yield one part at the end."""
    n, origin, total, products = 0, np.zeros(()), np.zeros(()), np.zeros(())
    for x in _matrices(batches):
        if not n:
            origin, products = x[0].copy(), np.zeros((x.shape[1], x.shape[1]))
        x -= origin  # in place: a copy would take 21 MB, and one of the products 13 MB
        n, total = n + len(x), total + x.sum(axis=0)
        products += x.T @ x
    if n:
        scatter = products - np.outer(total, total) / n
        yield _to_batch(Part(n, origin + total / n, scatter[np.triu_indices(len(origin))]))


def _matrices(batches: Iterable[pa.RecordBatch]) -> Iterator[Floats]:
    """The vectors as matrices of at least ROWS_PER_PRODUCT rows; the last one may have fewer."""
    held = list[npt.NDArray[np.float32]]()
    for batch in batches:
        if batch.num_rows:
            held.append(to_matrix(batch.column(0)))
        if sum(map(len, held)) >= ROWS_PER_PRODUCT:
            matrix = np.concatenate(held, dtype=np.float64)
            held.clear()  # not kept while the matrix is used
            yield matrix
    if held:
        yield np.concatenate(held, dtype=np.float64)


def _merge_batches(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    merged = merge(_parts_of(batches))
    if merged is not None:
        yield _to_batch(merged)


def _parts_of(batches: Iterable[pa.RecordBatch]) -> Iterator[Part]:
    for batch in batches:
        for i in range(batch.num_rows):
            mean, scatter = (np.frombuffer(batch[column][i].as_buffer()) for column in ("mean", "scatter"))
            yield Part(batch["n"][i].as_py(), mean, scatter)


def _to_batch(part: Part) -> pa.RecordBatch:
    columns = {"n": [part.n], "mean": [part.mean.tobytes()], "scatter": [part.scatter.tobytes()]}
    return pa.RecordBatch.from_pydict(columns)
