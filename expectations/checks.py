"""Custom pandera checks for the contracts.

A check is stated as a Polars expression of its column, one boolean per row, and runs on Arrow buffers;
only the two that read photos call Python for each row. Nulls are left to pandera's `not_nullable`.
"""

from collections.abc import Callable
from hashlib import sha256

import polars as pl
from pandera.polars import Check

from ingestion.metadata import has_metadata
from ingestion.photo import MAX_SCALED_PIXELS

_TOLERANCE = 1e-3  # relative; norms are stored as 32-bit floats


def _check(holds: Callable[[pl.Expr], pl.Expr], name: str | None = None) -> Check:
    """Make a check of the expression that holds; its name is shown in messages."""
    return Check(lambda data: data.lazyframe.select(holds(pl.col(data.key))), name=name or holds.__name__)


def _all_finite(numbers: pl.Expr) -> pl.Expr:
    return numbers.list.eval(pl.element().is_finite().fill_null(False)).list.all()


@_check
def finite(numbers: pl.Expr) -> pl.Expr:
    """Every number in the list is finite: no null, NaN or infinity."""
    return _all_finite(numbers)


@_check
def finite_rows(matrix: pl.Expr) -> pl.Expr:
    """Every number in the matrix is finite."""
    return matrix.list.eval(_all_finite(pl.element())).list.all()


def length(numbers: int) -> Check:
    """Make a check that a list has this many numbers."""
    return _check(lambda column: column.list.len() == numbers, f"holds_{numbers}_numbers")


def k_rows_of(numbers: int) -> Check:
    """Make a check that a matrix has k rows (k is a column of the table), each with this many numbers."""

    def holds(matrix: pl.Expr) -> pl.Expr:
        each = matrix.list.eval(pl.element().list.len() == numbers).list.all()
        return (matrix.list.len() == pl.col("k")) & each

    return _check(holds, f"k_rows_of_{numbers}")


@_check
def unit_rows(matrix: pl.Expr) -> pl.Expr:
    """Each row of the matrix has length 1."""
    lengths = pl.element().list.eval(pl.element() ** 2).list.sum().sqrt()
    return matrix.list.eval((lengths - 1).abs() < _TOLERANCE).list.all()


@_check
def falling(numbers: pl.Expr) -> pl.Expr:
    """The numbers are non-increasing and none is negative."""
    falls = (pl.element().diff() <= 0).fill_null(True) & (pl.element() >= 0)
    return numbers.list.eval(falls).list.all()


@_check
def reach_variance_target(eigenvalues: pl.Expr) -> pl.Expr:
    """The first k eigenvalues hold at least the requested share of the variance."""
    kept, total = eigenvalues.list.head(pl.col("k")).list.sum(), eigenvalues.list.sum()
    return kept >= (pl.col("variance_target") - 1e-9) * total  # room for rounding


@_check
def agrees_with_features(stored: pl.Expr) -> pl.Expr:
    """The stored norm is the norm of the stored features."""
    norm = pl.col("features").list.eval(pl.element() ** 2).list.sum().sqrt()
    return (stored - norm).abs() <= _TOLERANCE * norm


@_check
def at_most_max_pixels(height: pl.Expr) -> pl.Expr:
    """The photo has at most MAX_SCALED_PIXELS pixels; more do not fit in a worker's memory."""
    return pl.col("width").cast(pl.Int64) * height <= MAX_SCALED_PIXELS


@_check
def differs_from_label(other: pl.Expr) -> pl.Expr:
    """The value differs from the row's label."""
    return other != pl.col("label")


@_check
def sha256_of_content(image_id: pl.Expr) -> pl.Expr:
    """The key is the SHA-256 of the photo, so no byte was lost in transit."""
    return image_id == pl.col("content").map_elements(lambda photo: sha256(photo).hexdigest(), pl.String)


@_check
def without_metadata(content: pl.Expr) -> pl.Expr:
    """The photo has no EXIF, GPS, XMP, IPTC, comment, thumbnail or device, which could identify the photographer."""
    return content.map_elements(lambda photo: not has_metadata(photo), pl.Boolean)
