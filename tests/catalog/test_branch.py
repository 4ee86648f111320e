"""Audit branches: when their runs began, and retries after a lost race for a commit."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from pyspark.errors import AnalysisException

from catalog import branch
from catalog.branch import begun, branch_name
from catalog.snapshots import new_run_id


def test_a_branchs_name_tells_when_its_run_began() -> None:
    assert begun(branch_name("20261122T184501-9f3c")) == datetime(2026, 11, 22, 18, 45, 1, tzinfo=UTC)
    assert datetime.now(UTC) - begun(branch_name(new_run_id())) < timedelta(seconds=5)


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
