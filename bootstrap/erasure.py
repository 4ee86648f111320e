"""Erase photos from every place of the lake that holds them, or what was made of them.

    selection ──find──▶ image ids, paths ──begin: <lake>/_erasures/<id>.pending.json──▶ from here on it will be finished
      bronze, silver, gold       files that hold the rows are written anew (catalog/rewrite.py); no Spark
      --refit                    or gold is built again from silver, with a new PCA
      history                    every older snapshot of every table is forgotten, its folders removed
      reports, logs              removed; `fruitlake report` writes the page of what is left
      a bucket's old versions    deleted, with everything else that it only hides (catalog/remains.py)
    ──finish: <lake>/_erasures/<id>.json, the record, without a trace of what was erased

Every step can be done twice, and looks at the lake as it is: killed at any instant, the next `fruitlake erase` does
what is left. Upstream goes first, so that nothing brings back what is gone.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

import pyarrow as pa
from rich.console import Console

from bootstrap.lakes import open_catalog
from bootstrap.pipeline import opened
from bootstrap.scratch import sweep
from bootstrap.session import log_file
from bootstrap.settings import Settings
from bootstrap.to_erase import APPENDED, Found, unwanted
from catalog.erasures import Erasure, Record, begin, finish, pending
from catalog.errors import CatalogError, FruitlakeError
from catalog.protocol import Catalog
from catalog.rewrite import without_rows
from catalog.snapshot import new_id
from catalog.storage import delete_folder, is_remote
from catalog.tables import TABLES
from catalog.vacuum import carry_out, plan
from transforms.dbt import artifacts_folder, invoke
from transforms.erased_gold import without_photos
from transforms.weights import Featurizer


def erase(settings: Settings, found: Found, console: Console) -> str:
    """Carry it out; the caller is alone with the lake. Returns the URI of the record.

    Raises AwsError, before anything is begun, if a bucket's old versions of what goes could not be found.
    """
    if is_remote(settings.lake):
        from catalog import remains  # imports boto3: only where there is a bucket

        remains.keeps_versions(settings.lake)
    erasure = replace(found.erasure, id=new_id())  # later than any run that has not seen it
    begin(settings.lake, erasure)
    return _complete(settings, erasure, console)


def resume(settings: Settings, console: Console) -> list[str]:
    """Finish what was interrupted; the caller is alone with the lake. Returns the URIs of the records."""
    return [_complete(settings, erasure, console) for erasure in pending(settings.lake)]


def _complete(settings: Settings, erasure: Erasure, console: Console) -> str:
    try:
        return _carried_out(settings, erasure, console)
    except (FruitlakeError, OSError, pa.ArrowException) as error:
        raise CatalogError(
            f"the erasure is not complete ({error}): mend that, then finish it with "
            f"`fruitlake erase --resume --lake {settings.lake}`; until then no run starts"
        ) from error


def _carried_out(settings: Settings, erasure: Erasure, console: Console) -> str:
    catalog = open_catalog(settings)
    catalog.repair()
    attempt = new_id()
    with console.status("rewriting bronze, silver and gold"):
        if erasure.everything:
            without_rows(catalog, "bronze.quarantine", unwanted(erasure, "bronze.quarantine"), attempt)
            for table in TABLES:
                if table != "bronze.quarantine":
                    catalog.drop(table)
        else:
            silver = catalog.current("silver.image_features")
            for table in APPENDED:
                without_rows(catalog, table, unwanted(erasure, table), attempt)
            without_photos(catalog, frozenset(erasure.image_ids), attempt, silver.id if silver else None)
    _remove_traces(settings)
    if erasure.refit and not erasure.everything:
        _refit(settings, catalog, erasure, console)
    with console.status("removing what is left of them"):
        forgotten = _forget_history(catalog)
        carry_out(catalog, plan(catalog, timedelta.max, no_run_is_under_way=True))
        versions = _remove_remains(settings.lake)
    record = Record(
        id=erasure.id,
        selector=erasure.selector,
        reason=erasure.reason,
        requested_at=erasure.requested_at,
        completed_at=datetime.now(UTC).isoformat(timespec="seconds"),
        rows=erasure.rows,
        snapshots_forgotten=forgotten,
        versions_removed=versions,
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
        for snapshot in catalog.history(table, whole=True):
            if current is not None and snapshot.id != current.id:
                catalog.forget(table, snapshot.id)
                forgotten += 1
    return forgotten


def _remove_remains(lake: str) -> int:
    """What a bucket keeps of deleted objects. Returns how many versions went."""
    if not is_remote(lake):
        return 0
    from catalog import remains  # imports boto3: only where there is a bucket

    return remains.remove_remains(lake)


def _remove_traces(settings: Settings) -> None:
    """Reports show thumbnails and paths; what Spark and dbt say of a run that failed may name photos.

    What dbt makes of the models names none, and stays.
    """
    delete_folder(f"{settings.lake}/reports")
    folder = artifacts_folder(settings.cache, settings.lake)
    shutil.rmtree(folder / "logs", ignore_errors=True)
    (folder / "target" / "run_results.json").unlink(missing_ok=True)
    log_file(settings).unlink(missing_ok=True)
    sweep()  # killed runs' photos
