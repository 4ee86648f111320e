"""The report's files: a page and its facts for every run, and index.html, which is the latest page.

<lake>/reports/index.html
<lake>/reports/runs/<run id>.html, <run id>.json
<lake>/reports/data_docs/index.html    Great Expectations' own pages, linked if they are there
"""

from __future__ import annotations

from os.path import basename

from pyspark.sql import SparkSession

from catalog.errors import CatalogError
from catalog.protocol import Catalog
from catalog.storage import exists, files, read_bytes, write_object
from expectations.report.collect import collect
from expectations.report.facts import RunFacts, facts_of
from expectations.report.page import render
from expectations.report.thumbnails import Decode

_EARLIER = 30  # links to pages of earlier runs


def write_report(spark: SparkSession, catalog: Catalog, decode: Decode, facts: RunFacts | None = None) -> str:
    """Write the run's page and the index; returns the URI of the index. Without facts: of the last run again.

    decode turns a stored photo into an upright RGB image. Raises CatalogError if nothing was ever published.
    """
    if not catalog.tables():
        raise CatalogError(f"there is nothing to report of '{catalog.lake}': no table was published yet")
    reports = f"{catalog.lake}/reports"
    known = _known_runs(reports)
    run = facts or _last(catalog, reports, known)
    contents = collect(spark, catalog, run, decode)
    earlier = tuple(id_ for id_ in known if id_ < run.id)[:_EARLIER]
    data_docs = exists(f"{reports}/data_docs/index.html")
    write_object(f"{reports}/runs/{run.id}.json", run.to_json().encode())
    write_object(f"{reports}/runs/{run.id}.html", render(contents, "../", earlier, data_docs).encode())
    write_object(f"{reports}/index.html", render(contents, "", earlier, data_docs).encode())
    return f"{reports}/index.html"


def _known_runs(reports: str) -> list[str]:
    """Ids of the runs whose facts are kept, newest first."""
    names = [basename(f.path) for f in files(f"{reports}/runs")]
    return sorted((n.removesuffix(".json") for n in names if n.endswith(".json")), reverse=True)


def _last(catalog: Catalog, reports: str, known: list[str]) -> RunFacts:
    """The newest run: what it kept of itself or, if another tool published since, what the catalog says."""
    published = facts_of(catalog)
    if known and known[0] >= published.id:
        return RunFacts.from_json(read_bytes(f"{reports}/runs/{known[0]}.json").decode())
    return published
