"""Count every broken rule of a table in one Spark job, and name a few of the rows if there are any.

pandera on Spark runs a job a check; here its checks look their count up instead (contracts.py).

    model's fields ──▶ expressions ──one aggregate──▶ Tally(rows, broken={(column, rule): rows}, repeated)
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from expectations.rules import RULES

_EXAMPLES = 5
_SHOWN = 80  # characters of a key; a source path may be long


class Check(NamedTuple):
    """One rule of one column; value is the rule's argument."""

    column: str
    rule: str
    value: Any

    def breaks(self) -> Column:
        return RULES[self.rule](F.col(self.column), self.value)


@dataclass(frozen=True)
class Tally:
    """rows were looked at; broken counts the rows that break a rule, repeated those whose key was there before."""

    rows: int
    broken: Mapping[tuple[str, str], int]
    repeated: int


def count(written: DataFrame, checks: Iterable[Check], key: tuple[str, ...], others: DataFrame | None) -> Tally:
    """others holds the rows that stay beside the written ones, in which no key may stand again either."""
    checks = list(checks)
    # a row that breaks nothing is the rule: one yes or no is much less code to compile than a count a check
    any_broken = functools.reduce(Column.__or__, (F.coalesce(c.breaks(), F.lit(False)) for c in checks))
    keys_of = F.struct(*[F.col(c) for c in key])
    row = written.agg(F.count("*"), F.count_distinct(keys_of), F.count_if(any_broken)).first()
    assert row is not None  # an aggregate without groups has one row
    rows, keys, bad = row
    broken = [0] * len(checks)
    if bad:
        broken = [*(written.agg(*[F.count_if(check.breaks()) for check in checks]).first() or ())]
    again = 0
    if others is not None and rows:
        again = written.select(*key).join(others.select(*key), [*key], "left_semi").count()
    return Tally(rows, {(c.column, c.rule): n for c, n in zip(checks, broken, strict=True)}, rows - keys + again)


def examples(written: DataFrame, check: Check, key: tuple[str, ...]) -> list[str]:
    """Keys of a few rows that break the rule."""
    return _keys(written.where(check.breaks()), key)


def repeated_examples(written: DataFrame, key: tuple[str, ...], others: DataFrame | None) -> list[str]:
    """A few keys that stand more than once."""
    all_keys = written.select(*key)
    if others is not None:
        all_keys = all_keys.unionByName(others.select(*key))
    return _keys(all_keys.groupBy(*key).count().where("count > 1"), key)


def _keys(rows: DataFrame, key: tuple[str, ...]) -> list[str]:
    found = rows.select(*key).limit(_EXAMPLES).collect()
    return [", ".join(f"{name}={_short(row[name])}" for name in key) for row in found]


def _short(value: object) -> str:
    text = "null" if value is None else str(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
