"""Run a table's Great Expectations suite, and build the Data Docs that show it.

    suites.yml ─▶ suite ┐
    narrow columns      ├──checkpoint──▶ CheckResults
    $PARAMETER values   ┘       └──▶ <lake>/reports/data_docs/

Up to two million rows, the columns are collected and Great Expectations runs in pandas on Arrow's buffers: five
expectations on a million rows take 3 s, and start no Spark job. Larger tables are validated in Spark, on the same
columns, persisted.
"""

from __future__ import annotations

import importlib
import logging
import os
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame

from catalog.errors import SettingsError
from catalog.storage import write_object
from catalog.tables import Table
from expectations.audited import Audited
from expectations.check_result import CheckResult
from expectations.derived import with_derived
from expectations.gx_results import check_result
from expectations.lazy_import import lazily
from expectations.parameters import values
from expectations.suite_file import Expectation, suites

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite
    from great_expectations.data_context.data_context.ephemeral_data_context import EphemeralDataContext

COLLECTED_ROWS = 2_000_000  # of some 100 bytes each
_KEYED_ROWS = 200_000  # up to which failures are shown with their keys, most of what would be collected
_SITE = "lake"


def load() -> None:
    """Import Great Expectations. This takes seconds, so call it only to validate, or while waiting anyway."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # older 1.x releases send usage events; the locked one does not
    with lazily("scipy.stats", "altair"):  # it needs them for few expectations, and they take a third of the time
        importlib.import_module("great_expectations")


class Suites:
    """The Great Expectations context of a run. It lives in memory; only the Data Docs are written to the lake."""

    def __init__(self, lake: str, run_id: str) -> None:
        self._docs = f"{lake}/reports/data_docs"
        self._run_id = run_id
        self._unwritten = False
        self._lock = Lock()  # two models may be validated at the same time; the context is one

    def validate(self, audited: Audited, written: int, whole: int) -> list[CheckResult]:
        """Run the table's suite; returns one result per expectation, none if the table has no suite.

        written, whole: upper bounds on the row counts of audited.written and audited.whole.
        """
        table = audited.table
        suite = suites().get(table.name)
        if suite is None:
            return []
        rows, count = (audited.written, written) if suite.rows == "written" else (audited.whole, whole)
        rows = with_derived(rows, suite.columns, audited)
        known = values(suite.parameters, audited)
        run = [e for e in suite.expectations if e.parameters <= known.keys() and e.columns <= {*rows.columns}]
        keys = table.key if count <= _KEYED_ROWS else ()
        narrow = rows.select([c for c in rows.columns if c in suite.columns.union(keys)])
        if count <= COLLECTED_ROWS:
            import pandas as pd

            stored = keys and {*narrow.columns} <= {*table.arrow_schema.names}
            files = audited.files.get(suite.rows) if stored else None  # reading a few takes less than a Spark job
            found = files.to_table(narrow.columns) if files else narrow.toArrow()
            collected = found.to_pandas(types_mapper=pd.ArrowDtype)
            return self._run(table, run, collected, collected.empty, known)
        narrow.persist()
        try:
            return self._run(table, run, narrow, narrow.isEmpty(), known)
        finally:
            narrow.unpersist()

    def write_docs(self) -> None:
        """Build the Data Docs of the validations since the last call, if there were any."""
        with self._lock:
            if not self._unwritten:
                return
            self._context.build_data_docs(site_names=[_SITE])
            folder = Path(self._made.name)
            for page in (p for p in folder.rglob("*") if p.is_file()):
                write_object(f"{self._docs}/{page.relative_to(folder).as_posix()}", page.read_bytes())
            self._unwritten = False

    def _run(
        self, table: Table, run: list[Expectation], rows: Any, empty: bool, known: dict[str, Any]
    ) -> list[CheckResult]:
        import great_expectations as gx

        with self._lock:
            context = self._context  # first, because suites can only be made while a context is active
            stated = context.suites.add_or_update(_stated(table, run, empty))
            source: Any = (
                context.data_sources.add_or_update_spark(f"{table.name}-spark", persist=False)
                if isinstance(rows, DataFrame)
                else context.data_sources.add_or_update_pandas(f"{table.name}-pandas")
            )
            batch = source.add_dataframe_asset(table.name).add_batch_definition_whole_dataframe("rows")
            validation = gx.ValidationDefinition(name=table.name, data=batch, suite=stated)
            validation = context.validation_definitions.add_or_update(validation)
            shown: Any = {"result_format": "SUMMARY"}
            if {*table.key} <= {*rows.columns}:
                shown["unexpected_index_column_names"] = [*table.key]
            checkpoint = gx.Checkpoint(name=table.name, validation_definitions=[validation], result_format=shown)
            checkpoint = context.checkpoints.add_or_update(checkpoint)
            run_id = gx.RunIdentifier(f"run-{self._run_id}", datetime.now(UTC))  # GX would parse a bare id as a time
            result = checkpoint.run(batch_parameters={"dataframe": rows}, expectation_parameters=known, run_id=run_id)
            self._unwritten = True
        return [check_result(r) for found in result.run_results.values() for r in found.results]

    @cached_property
    def _context(self) -> EphemeralDataContext:
        load()
        import great_expectations as gx
        from great_expectations.data_context.types.base import (
            DataContextConfig,
            InMemoryStoreBackendDefaults,
            ProgressBarsConfig,
        )

        self._made = TemporaryDirectory(prefix="fruitlake-docs-")  # GX writes to disk only; a lake may be a bucket
        logging.getLogger("great_expectations").setLevel(logging.WARNING)
        in_memory = InMemoryStoreBackendDefaults(init_temp_docs_sites=False)
        config = DataContextConfig(store_backend_defaults=in_memory, progress_bars=ProgressBarsConfig(globally=False))
        context = gx.get_context(mode="ephemeral", project_config=config)
        site = {
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": self._made.name},
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        }
        context.add_data_docs_site(_SITE, site)  # type: ignore[arg-type]
        return context


def _stated(table: Table, run: list[Expectation], empty: bool) -> ExpectationSuite:
    """Convert the expectations to a Great Expectations suite; if there are no rows, only those about the row count.

    Raises SettingsError for an unknown expectation type, or arguments that it does not accept.
    """
    import great_expectations as gx
    from great_expectations.exceptions.exceptions import GreatExpectationsError
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.expectations.metadata_types import FailureSeverity

    stated = gx.ExpectationSuite(name=table.name)
    for e in (e for e in run if not (empty and e.columns)):
        severity = FailureSeverity(e.severity)
        try:
            configuration = ExpectationConfiguration(e.type, {**e.kwargs}, notes=e.notes, severity=severity)
            stated.add_expectation(configuration.to_domain_obj())
        except (GreatExpectationsError, ValueError) as error:  # pydantic's is a ValueError
            raise SettingsError(f"suites.yml, {table.name}, {e.type}: {' '.join(str(error).split())}") from error
    return stated
