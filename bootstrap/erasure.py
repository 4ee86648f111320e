"""Erase photos from every place of the lake that holds them, or what was made of them.

    selection ──find──▶ image ids, paths ──begin: <lake>/_erasures/<id>.pending.json──▶ from here on it will be finished
      bronze, silver, gold       files that hold the rows are written anew (catalog/rewrite.py); no Spark
      --refit                    or gold is built again from silver, with a new PCA
      history                    every older snapshot of every table is forgotten, its folders removed
      reports, dbt's artifacts   removed; `fruitlake report` writes the page of what is left
    ──finish: <lake>/_erasures/<id>.json, the record, without a trace of what was erased

Every step can be done twice, and looks at the lake as it is: killed at any instant, the next `fruitlake erase` does
what is left. Upstream goes first, so that nothing brings back what is gone.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

from rich.console import Console

from bootstrap.pipeline import open_catalog, opened
from bootstrap.settings import Settings
from bootstrap.to_erase import APPENDED, Found, unwanted
from catalog.erasures import Erasure, Record, begin, finish, pending
from catalog.protocol import Catalog
from catalog.rewrite import without_rows
from catalog.snapshot import new_id
from catalog.storage import delete_folder
from catalog.tables import TABLES
from catalog.vacuum import carry_out, plan
from transforms.dbt import artifacts_folder, invoke
from transforms.erased_gold import without_photos
from transforms.weights import Featurizer


def erase(settings: Settings, found: Found, console: Console) -> str:
    """Carry it out; the caller is alone with the lake. Returns the URI of the record."""
    begin(settings.lake, found.erasure)
    return _complete(settings, found.erasure, console)


def resume(settings: Settings, console: Console) -> list[str]:
    """Finish what was interrupted; the caller is alone with the lake. Returns the URIs of the records."""
    return [_complete(settings, erasure, console) for erasure in pending(settings.lake)]


def _complete(settings: Settings, erasure: Erasure, console: Console) -> str:
    catalog = open_catalog(settings)
    catalog.repair()
    attempt = new_id()
    with console.status("rewriting bronze, silver and gold"):
        silver = catalog.current("silver.image_features")
        for table in APPENDED:
            without_rows(catalog, table, unwanted(erasure, table), attempt)
        without_photos(catalog, frozenset(erasure.image_ids), attempt, silver.id if silver else None)
    _remove_artifacts(settings)
    delete_folder(f"{settings.lake}/reports")  # pages show thumbnails and paths; why a run stopped may name a photo
    if erasure.refit:
        _refit(settings, catalog, erasure, console)
    with console.status("removing what is left of them"):
        forgotten = _forget_history(catalog)
        carry_out(catalog, plan(catalog, timedelta.max))
    record = Record(
        id=erasure.id,
        selector=erasure.selector,
        reason=erasure.reason,
        requested_at=erasure.requested_at,
        completed_at=datetime.now(UTC).isoformat(timespec="seconds"),
        rows=erasure.rows,
        snapshots_forgotten=forgotten,
        pca_refitted=erasure.refit,
        producer=f"fruitlake {version('fruitlake')}",
    )
    return finish(settings.lake, record)


def _refit(settings: Settings, catalog: Catalog, erasure: Erasure, console: Console) -> None:
    """Fit the PCA on what is left of silver, and build gold with it, by the models that always build it."""
    pca = catalog.current("gold.pca")
    if pca is None:
        return
    with opened(settings, console) as run:
        run.erasing = True
        run.refit = pca.created_at <= erasure.requested_at  # not again, if it was done before a kill
        stored = run.spark.table("gold.pca").first()
        assert stored is not None  # gold.pca always holds one row
        run.variance = stored.variance_target
        run.featurizer = Featurizer(stored.model_id, "", "")  # gold asks for its name, and never runs it
        with console.status("fitting the PCA, and building gold with it"):
            invoke(run, ["build", "--select", "tag:gold"], quiet=True)
    delete_folder(f"{settings.lake}/reports")


def _forget_history(catalog: Catalog) -> int:
    """Older snapshots hold what was erased, or were made of it."""
    forgotten = 0
    for table in TABLES:
        current = catalog.current(table)
        for snapshot in catalog.history(table):
            if current is not None and snapshot.id != current.id:
                catalog.forget(table, snapshot.id)
                forgotten += 1
    return forgotten


def _remove_artifacts(settings: Settings) -> None:
    """What dbt says of a run that failed may name photos; what it made of the models names none."""
    folder = artifacts_folder(settings.cache, settings.lake)
    shutil.rmtree(folder / "logs", ignore_errors=True)
    (folder / "target" / "run_results.json").unlink(missing_ok=True)
