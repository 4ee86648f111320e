"""Write the report's files: a page and its facts per run, and index.html, a copy of the latest page.

<lake>/reports/index.html
<lake>/reports/runs/<run id>.html, <run id>.json
<lake>/reports/data_docs/index.html    Great Expectations' Data Docs, linked if they exist
"""

from os.path import basename

from catalog.errors import CatalogError
from catalog.lake import Lake
from catalog.storage import exists, files, read_bytes, write_object
from expectations.report.collect import collect
from expectations.report.facts import RunFacts, facts_of
from expectations.report.page import render

_EARLIER = 30  # links to pages of earlier runs


def write_report(lake: Lake, facts: RunFacts | None = None) -> str:
    """Write the run's page and the index; returns the URI of the index. Without facts, rewrite the last run's page.

    Raises CatalogError if nothing was ever published.
    """
    if not lake.tables():
        raise CatalogError(f"there is nothing to report for '{lake.uri}': no table has been published yet")
    reports = f"{lake.uri}/reports"
    names = (basename(uri) for uri in files(f"{reports}/runs"))
    known = sorted((name.removesuffix(".json") for name in names if name.endswith(".json")), reverse=True)
    run = facts or facts_of(lake)
    if facts is None and known and known[0] >= run.id:  # else another tool has published since the newest run
        run = RunFacts.from_json(read_bytes(f"{reports}/runs/{known[0]}.json").decode())
    contents = collect(lake, run)
    earlier = tuple(id_ for id_ in known if id_ < run.id)[:_EARLIER]
    data_docs = exists(f"{reports}/data_docs/index.html")
    write_object(f"{reports}/runs/{run.id}.json", run.to_json().encode())
    write_object(f"{reports}/runs/{run.id}.html", render(contents, "../", earlier, data_docs).encode())
    write_object(f"{reports}/index.html", render(contents, "", earlier, data_docs).encode())
    return f"{reports}/index.html"
