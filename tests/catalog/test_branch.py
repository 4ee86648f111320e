"""Audit branches: their age, names and SQL literals, and retries after a lost race for a commit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from catalog import branch
from catalog.branch import branch_name, is_young, sql_literal
from catalog.snapshots import new_run_id


def test_a_branch_is_young_for_a_day() -> None:
    assert is_young(branch_name(new_run_id()))
    for hours, young in ((23, True), (25, False)):
        begun = datetime.now(UTC) - timedelta(hours=hours)
        assert is_young(branch_name(f"{begun:%Y%m%dT%H%M%S}-1a2b")) is young


@settings(max_examples=300, deadline=None, database=None)
@given(st.text(max_size=40))
def test_a_literal_ends_where_it_should(text: str) -> None:
    written = sql_literal(text)
    assert written[0] == written[-1] == "'"
    inner = written[1:-1].replace("\\\\", "").replace("\\'", "").replace("\\u0024{", "")
    assert "'" not in inner and "\\" not in inner and "${" not in inner


@pytest.mark.parametrize("text", ["d'été", 'q"uote\\slash', "${spark.master}", "\\u0024{x}", "''", "a\nb", "🍎"])
def test_spark_reads_a_literal_as_what_it_was(text: str, spark: SparkSession) -> None:
    row = spark.sql(f"SELECT {sql_literal(text)} AS text").first()
    assert row is not None and row.text == text


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between retries, in seconds, recorded instead of waiting."""
    waited: list[float] = []
    monkeypatch.setattr("catalog.branch.time.sleep", waited.append)
    return waited


def failing(times: int, says: str) -> Callable[[], str]:
    """A function that raises this many times, then returns."""
    left = [None] * times

    def operation() -> str:
        if left:
            left.pop()
            raise AnalysisException(says)
        return "done"

    return operation


def test_what_lost_a_race_for_a_commit_is_repeated(pauses: list[float]) -> None:
    assert branch._retried(failing(3, "CommitFailedException: metadata refresh is required")) == "done"
    assert len(pauses) == 3 and pauses == sorted(pauses)


def test_a_race_that_is_always_lost_ends(pauses: list[float]) -> None:
    with pytest.raises(AnalysisException, match="CommitFailedException"):
        branch._retried(failing(99, "CommitFailedException"))
    assert len(pauses) == branch._TRIES - 1


def test_what_is_wrong_for_another_reason_is_not_repeated(pauses: list[float]) -> None:
    with pytest.raises(AnalysisException, match="no such table"):
        branch._retried(failing(1, "no such table"))
    assert pauses == []
