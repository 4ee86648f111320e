"""The rules a column can have, each as the Spark expression that is true for a row that breaks it.

contracts.py names them in its fields; tally.py counts all of a table in one Spark job. A null breaks
`not_null` and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from pyspark.sql import Column
from pyspark.sql import functions as F

Rule = Callable[[Column, Any], Column]

_LARGEST_DOUBLE: Final = 1.7976931348623157e308  # beyond it there is only infinity


def _is_not_finite(number: Column) -> Column:
    return F.isnan(number) | (F.abs(number) > _LARGEST_DOUBLE)


def _holds_a_hole(numbers: Column) -> Column:
    """Whether an array has a null, NaN or infinity, by three passes of compiled code: a lambda costs ten times that.

    `array_contains` answers null, not false, where the value is not there but a null is.
    """
    null_or_nan = F.coalesce(F.array_contains(numbers, F.lit(math.nan).cast("float")), F.lit(True))
    infinite = _is_not_finite(F.array_max(numbers)) | _is_not_finite(F.array_min(numbers))
    return numbers.isNotNull() & (null_or_nan | F.coalesce(infinite, F.lit(False)))


RULES: Final[dict[str, Rule]] = {
    "not_null": lambda column, _: column.isNull(),
    "not_blank": lambda column, _: F.trim(column) == "",
    "finite": lambda column, _: _is_not_finite(column),
    "all_finite": lambda column, _: _holds_a_hole(column),
    "length": lambda column, size: F.size(column) != size,
    "at_least": lambda column, least: column < least,
    "at_most": lambda column, most: column > most,
}

MEANING: Final[dict[str, str]] = {
    "not_null": "has a value",
    "not_blank": "is not blank",
    "finite": "is a finite number",
    "all_finite": "holds finite numbers only",
    "length": "holds {value} numbers",
    "at_least": "is at least {value}",
    "at_most": "is at most {value}",
}
