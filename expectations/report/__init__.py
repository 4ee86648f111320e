"""The report: one self-contained HTML page per run.

    RunFacts + catalog + tables ──collect.py──▶ Contents ──page.py──▶ HTML ──site.py──▶ <lake>/reports/

facts.py      facts that only the run itself knows; stored as JSON next to its page
collect.py    reads the tables with limits: queries.py, near_duplicates.py, thumbnails.py, drift.py
contents.py   the content of a page, as plain data
page.py       geometry (curve.py, fruit_map.py), colours and templates; all text is escaped there
site.py       index.html (the latest run) and runs/<run id>.html; links are relative, so they work on disk and in S3
"""

from expectations.report.facts import RunFacts, TableOutcome
from expectations.report.site import write_report

__all__ = ["RunFacts", "TableOutcome", "write_report"]
