"""Random histories of a lake: photos come, move and are erased, tables are rolled back, the lake is vacuumed.

After every step the audit stored with each snapshot that can still be read must be of that snapshot's rows. The rows
are made up and few, and go through the real publish, erasure, rollback and vacuum.
"""

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from statistics import fmean
from tempfile import mkdtemp
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from rich.console import Console

from bootstrap.erasing import erase_photos
from catalog.erasure_scope import Selection, find
from catalog.errors import AuditError
from catalog.maintenance import carry_out, plan
from catalog.rollback import rollback_table
from catalog.scan import dataset
from catalog.tables import FEATURES
from expectations.check_result import CheckResult, from_json
from expectations.suite_file import suites
from tests.expectations.rows import frame, row, sha
from tests.lakes import Lake
from transforms.publish import publish
from transforms.run import BuildResult, Run

SILVER, VECTORS = "silver.image_features", "gold.fruit_vectors"
LABELS = ("Fig", "Kiwi", "Plum")
Rows = list[dict[str, Any]]


class History(RuleBasedStateMachine):
    """One lake. `written`: by table and run, the ids of the rows that the run has written."""

    def __init__(self, cache: Path) -> None:
        super().__init__()
        folder = Path(mkdtemp(prefix="fruitlake-history-"))
        self.lake = Lake(folder / "photos", folder / "lake", cache)
        self.photos = 0
        self.written: dict[tuple[str, str], set[str]] = {}

    def teardown(self) -> None:
        shutil.rmtree(self.lake.path.parent)

    @initialize()
    def begin(self) -> None:
        self.add(LABELS[:2], again=False)

    @rule(labels=st.lists(st.sampled_from(LABELS), min_size=1, max_size=3), again=st.booleans())
    def add(self, labels: tuple[str, ...] | list[str], again: bool) -> None:
        """New photos; again: all vectors are written anew, as with another PCA."""
        norms = range(self.photos + 10, self.photos + 10 + len(labels))
        self.photos += len(labels)
        with self.lake.open() as run:
            rows = [photo(norm, label, run) for norm, label in zip(norms, labels, strict=True)]
            self.publish(run, SILVER, BuildResult(frame(run.spark, SILVER, *rows), expected=len(rows)), rows)
            if again:
                rows = self.lake.rows(SILVER, "image_id", "label")
            vectors = frame(run.spark, VECTORS, *[row(VECTORS, image_id=r["image_id"], label=r["label"]) for r in rows])
            self.publish(run, VECTORS, BuildResult(vectors, replace=again), rows)

    @rule(old=st.sampled_from(LABELS), new=st.sampled_from(LABELS))
    def relabel(self, old: str, new: str) -> None:
        """Photos have moved to another folder."""
        with self.lake.open() as run:
            for table in (SILVER, VECTORS):
                rows = [r for r in self.lake.rows(table, "image_id", "label") if r["label"] == old != new]
                if rows:
                    moved = [(r["image_id"], new) for r in rows]
                    corrections = run.spark.createDataFrame(moved, "image_id string, label string")
                    none = frame(run.spark, table)
                    self.publish(run, table, BuildResult(none, corrections, expected=len(rows)), rows)

    @rule(label=st.sampled_from(LABELS))
    def erase(self, label: str) -> None:
        tables = self.lake.tables
        if any(label == r["label"] for table in tables.tables() for r in self.lake.rows(table, "label")):
            found = find(tables, Selection(labels=frozenset([label])), "asked to")
            with tables.exclusive():
                erase_photos(self.lake.settings(), tables, found, Console(quiet=True))

    @rule(table=st.sampled_from((SILVER, VECTORS)), back=st.integers(0, 3))
    def roll_back(self, table: str, back: int) -> None:
        for older in self.lake.tables.history(table)[back : back + 1]:
            rollback_table(self.lake.tables, table, older.id)

    @rule(hours=st.sampled_from((0, 1)))
    def vacuum(self, hours: int) -> None:
        with self.lake.open() as run:
            carry_out(run.spark, run.lake, plan(run.spark, run.lake, timedelta(hours=hours)))

    @invariant()
    def every_audit_is_of_its_snapshots_rows(self) -> None:
        for table in self.lake.tables.tables():
            for snapshot in self.lake.tables.history(table):
                rows = dataset(self.lake.tables, table, snapshot.id).to_table().to_pylist()
                written = [r for r in rows if r["image_id"] in self.written.get((table, snapshot.run), ())]
                checks = from_json(snapshot.properties["audit"])
                assert checks[0].check == "contract"
                for check in checks:
                    whole = check.check != "contract" and suites()[table].rows == "whole"
                    found = observed(check, rows if whole else written)
                    same = pytest.approx(found) if isinstance(found, float) else found
                    assert check.observed == same, f"{snapshot} has {check}, and its rows {found}"

    def publish(self, run: Run, table: str, change: BuildResult, rows: Rows) -> None:
        """Publish; what the audit refuses changes nothing."""
        before = self.lake.tables.current(table)
        try:
            publish(run, table, change)
        except AuditError:
            assert self.lake.tables.current(table) == before
        else:
            self.written[table, run.id] = {r["image_id"] for r in rows}


def photo(norm: int, label: str, run: Run) -> dict[str, Any]:
    """A row of silver; its id and its features are those of no other."""
    numbers = {"feature_norm": float(norm), "features": [norm / FEATURES**0.5] * FEATURES}
    return row(SILVER, image_id=sha(norm), label=label, batch=run.id, **numbers)


def observed(check: CheckResult, rows: Rows) -> float | str:
    """What a check must have found in these rows."""
    values = [r[check.column] for r in rows] if check.column else rows
    if check.check == "expect_column_distinct_values_to_contain_set":
        asked = set(check.expected.removeprefix("value set ").split(", "))
        return f"{len(asked.difference(values))} missing"
    found = OBSERVED.get(check.check.removeprefix("expect_").removesuffix("_to_be_between"))
    return found(values) if found else f"{len(rows):,} rows"


OBSERVED: dict[str, Callable[[list[Any]], float]] = {
    "table_row_count": len,
    "column_min": min,
    "column_max": max,
    "column_mean": fmean,
    "column_unique_value_count": lambda values: len({*values}),
    "column_proportion_of_unique_values": lambda values: len({*values}) / len(values),
}


def try_histories(cache: Path, examples: int, steps: int) -> None:
    """Raises, with the shortest history found, if an audit stands with rows that it was not made of."""
    settled = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(lambda: History(cache), settings=settled)  # type: ignore[arg-type]  # a factory will do
