"""The report: one self-contained page a run, for people.

    RunFacts + catalog + attached tables ──collect.py──▶ Contents ──page.py──▶ HTML ──site.py──▶ <lake>/reports/

facts.py      what only the run itself knows; kept as JSON beside its page
collect.py    reads tables through Spark, bounded: gold.py, quarantine.py, thumbnails.py, audits.py, drift.py
contents.py   what a page shows, as plain data
page.py       geometry (curve.py, fruit_map.py, palette.py) and templates; all text is escaped there
site.py       index.html (the latest run) and runs/<run id>.html; only relative links, so disk and bucket both do
"""

from expectations.report.facts import PhotoCounts, RunFacts, TableOutcome
from expectations.report.site import write_report

__all__ = ["PhotoCounts", "RunFacts", "TableOutcome", "write_report"]
