"""Custom pandera checks for the contracts.

A check gets the whole frame and the name of its column, and returns one boolean per row. Checks run in the executors
on Arrow buffers, as Polars expressions, except for the two that read photos. Nulls are left to pandera's
`not_nullable`.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import polars as pl
from pandera.polars import PolarsData

from ingestion.metadata import has_metadata
from ingestion.photo import MAX_SCALED_PIXELS

CheckFunction = Callable[[Any, PolarsData], pl.LazyFrame]

_TOLERANCE = 1e-3  # relative; norms are stored as 32-bit floats


def finite(cls: Any, data: PolarsData) -> pl.LazyFrame:
    """Every number in the list is finite: no null, NaN or infinity."""
    return data.lazyframe.select(_all_finite(pl.col(data.key)))


def finite_rows(cls: Any, data: PolarsData) -> pl.LazyFrame:
    """Every number in the matrix is finite."""
    return data.lazyframe.select(pl.col(data.key).list.eval(_all_finite(pl.element())).list.all())


def length(numbers: int) -> CheckFunction:
    """Make a check that a list has this many numbers."""

    def holds(cls: Any, data: PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(pl.col(data.key).list.len() == numbers)

    holds.__name__ = f"holds_{numbers}_numbers"  # the check's name in messages
    return holds


def k_rows_of(numbers: int) -> CheckFunction:
    """Make a check that a matrix has k rows (k is a column of the table), each with this many numbers."""

    def holds(cls: Any, data: PolarsData) -> pl.LazyFrame:
        rows = pl.col(data.key)
        each = rows.list.eval(pl.element().list.len() == numbers).list.all()
        return data.lazyframe.select((rows.list.len() == pl.col("k")) & each)

    holds.__name__ = f"k_rows_of_{numbers}"
    return holds


def unit_rows(cls: Any, data: PolarsData) -> pl.LazyFrame:
    """Each row of the matrix has length 1."""
    lengths = pl.element().list.eval(pl.element() ** 2).list.sum().sqrt()
    return data.lazyframe.select(pl.col(data.key).list.eval((lengths - 1).abs() < _TOLERANCE).list.all())


def falling(cls: Any, data: PolarsData) -> pl.LazyFrame:
    """The numbers are non-increasing and none is negative."""
    falls = (pl.element().diff() <= 0).fill_null(True) & (pl.element() >= 0)
    return data.lazyframe.select(pl.col(data.key).list.eval(falls).list.all())


def reach_variance_target(cls: Any, data: PolarsData) -> pl.LazyFrame:
    """The first k eigenvalues hold at least the requested share of the variance."""
    kept, total = pl.col(data.key).list.head(pl.col("k")).list.sum(), pl.col(data.key).list.sum()
    return data.lazyframe.select(kept >= (pl.col("variance_target") - 1e-9) * total)  # room for rounding


def agrees_with_features(cls: Any, data: PolarsData) -> pl.LazyFrame:
    """The stored norm is the norm of the stored features."""
    norm = pl.col("features").list.eval(pl.element() ** 2).list.sum().sqrt()
    return data.lazyframe.select((pl.col(data.key) - norm).abs() <= _TOLERANCE * norm)


def at_most_max_pixels(cls: Any, data: PolarsData) -> pl.LazyFrame:
    """The photo has at most MAX_SCALED_PIXELS pixels; more do not fit in a worker's memory."""
    pixels = pl.col("width").cast(pl.Int64) * pl.col("height")
    return data.lazyframe.select(pixels <= MAX_SCALED_PIXELS)


def differs_from_label(cls: Any, data: PolarsData) -> pl.LazyFrame:
    """The value differs from the row's label."""
    return data.lazyframe.select(pl.col(data.key) != pl.col("label"))


def sha256_of_content(cls: Any, data: PolarsData) -> pl.LazyFrame:
    """The key is the SHA-256 of the photo, so no byte was lost in transit."""
    rows = data.lazyframe.select(data.key, "content").collect().iter_rows()
    return _answers(None if content is None else sha256(content).hexdigest() == key for key, content in rows)


def without_metadata(cls: Any, data: PolarsData) -> pl.LazyFrame:
    """The photo has no EXIF, GPS, XMP, IPTC, comment, thumbnail or device, which could identify the photographer."""
    photos = data.lazyframe.select(data.key).collect().to_series()
    return _answers(None if photo is None else not has_metadata(photo) for photo in photos)


def _answers(holds: Any) -> pl.LazyFrame:
    return pl.LazyFrame({"holds": pl.Series(list(holds), dtype=pl.Boolean)})


def _all_finite(numbers: pl.Expr) -> pl.Expr:
    return numbers.list.eval(pl.element().is_finite().fill_null(False)).list.all()
