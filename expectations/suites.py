"""Great Expectations suites over a table's numbers, and the Data Docs that show them.

    statistics.py {name: number} ──one-row Spark frame──▶ suite of thresholds.yml ──checkpoint──▶ outcomes
                                                             └──▶ <lake>/reports/data_docs/

A suite never sees the wide table: its numbers come from two jobs at most, and GX would start one a metric.
"""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pyspark.sql import SparkSession

from catalog.storage import is_remote, write_object
from expectations.facts import Facts
from expectations.outcome import Outcome
from expectations.statistics import Numbers
from expectations.thresholds import Threshold, thresholds

if TYPE_CHECKING:
    from great_expectations.data_context.data_context.ephemeral_data_context import EphemeralDataContext

_SITE = "lake"


def load() -> None:
    """Import Great Expectations, which takes seconds: only where something is judged, or while there is time."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # older releases of 1 send events, the locked one none
    importlib.import_module("great_expectations")


class Suites:
    """A run's GX context. It lives in memory; only the Data Docs are written."""

    def __init__(self, spark: SparkSession, lake: str) -> None:
        self._spark = spark
        self._docs = f"{lake}/reports/data_docs"
        # GX writes to disks; what it makes for a bucket goes on from here
        self._upload = TemporaryDirectory(prefix="fruitlake-docs-") if is_remote(lake) else None
        self._unwritten = False

    def judge(self, table: str, numbers: Numbers, facts: Facts) -> list[Outcome]:
        """Outcomes in the order of thresholds.yml, for the numbers that have a meaning."""
        judged = [t for t in thresholds().get(table, ()) if numbers[t.name] is not None]
        if not judged:
            return []
        known = {t.name: float(numbers[t.name] or 0) for t in judged}
        success = self._run(table, judged, known, facts.limits())
        self._unwritten = True
        limits = facts.limits()
        return [Outcome(t.name, t.severity, success[t.name], known[t.name], t.expected(limits)) for t in judged]

    def write_docs(self) -> None:
        """Build the Data Docs of what was judged since the last time, if anything was."""
        if not self._unwritten:
            return
        self._context.build_data_docs(site_names=[_SITE])
        if self._upload:
            folder = Path(self._upload.name)
            for page in (p for p in folder.rglob("*") if p.is_file()):
                write_object(f"{self._docs}/{page.relative_to(folder).as_posix()}", page.read_bytes())
        self._unwritten = False

    def _run(
        self, table: str, judged: list[Threshold], known: Mapping[str, float], limits: Mapping[str, float]
    ) -> Mapping[str, bool]:
        context = self._context
        import great_expectations as gx
        from great_expectations.expectations.core.expect_column_max_to_be_between import ExpectColumnMaxToBeBetween
        from great_expectations.expectations.metadata_types import FailureSeverity

        suite = gx.ExpectationSuite(name=table)
        for t in judged:
            severity = FailureSeverity.CRITICAL if t.severity == "error" else FailureSeverity.WARNING
            suite.add_expectation(
                ExpectColumnMaxToBeBetween(
                    column=t.name, min_value=t.min, max_value=t.max, severity=severity, notes=t.says
                )
            )
        context.suites.add_or_update(suite)
        source = context.data_sources.add_or_update_spark(table, persist=False)
        batch = source.add_dataframe_asset(table).add_batch_definition_whole_dataframe("numbers")
        validation = gx.ValidationDefinition(name=table, data=batch, suite=suite)
        context.validation_definitions.add_or_update(validation)
        checkpoint = gx.Checkpoint(name=table, validation_definitions=[validation], result_format="BASIC")
        context.checkpoints.add_or_update(checkpoint)
        row = self._spark.sql("SELECT " + ", ".join(f"{number!r}D AS `{name}`" for name, number in known.items()))
        result = checkpoint.run(batch_parameters={"dataframe": row}, expectation_parameters=dict(limits))
        results = [r for run in result.run_results.values() for r in run.results]
        return {r.expectation_config.kwargs["column"]: bool(r.success) for r in results if r.expectation_config}

    @cached_property
    def _context(self) -> EphemeralDataContext:
        load()
        import great_expectations as gx
        from great_expectations.data_context.types.base import (
            DataContextConfig,
            InMemoryStoreBackendDefaults,
            ProgressBarsConfig,
        )

        logging.getLogger("great_expectations").setLevel(logging.WARNING)
        in_memory = InMemoryStoreBackendDefaults(init_temp_docs_sites=False)
        config = DataContextConfig(store_backend_defaults=in_memory, progress_bars=ProgressBarsConfig(globally=False))
        context = gx.get_context(mode="ephemeral", project_config=config)
        folder = self._upload.name if self._upload else self._docs
        site = {
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": folder},
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        }
        context.add_data_docs_site(_SITE, site)  # type: ignore[arg-type]
        return context
