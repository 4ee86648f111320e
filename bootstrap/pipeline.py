"""One run, from settings to a summary: check what can be checked first, then let dbt build the layers."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from threading import Thread

from rich.console import Console

from bootstrap.lakes import open_catalog
from bootstrap.progress import SparkProgress
from bootstrap.reporting import report_run
from bootstrap.session import start, starting
from bootstrap.settings import Settings
from catalog.attach import attach
from catalog.erasures import pending
from catalog.errors import CatalogError, FruitlakeError, SettingsError
from catalog.location import check_bucket
from catalog.lock import working
from catalog.storage import is_remote
from expectations.suites import load
from ingestion.source import check_source
from transforms.dbt import invoke
from transforms.run import Run
from transforms.weights import Featurizer, prepare

LAYERS = ("bronze", "silver", "gold")


@contextmanager
def open_run(settings: Settings, console: Console, featurizer: Featurizer | None = None) -> Iterator[Run]:
    """A run over a Spark session in which every published table is attached; it finds its featurizer if not given."""
    check_bucket(settings.lake, settings.regions)
    if settings.images is not None:
        check_bucket(settings.images, settings.regions)
    check_writable(settings.lake)
    with working(settings.lake):
        check_no_erasure(settings.lake)
        with opened(settings, console, featurizer) as run:
            check_no_erasure(settings.lake)  # S3 has no lock: one may have begun before the run had its id
            yield run


@contextmanager
def opened(settings: Settings, console: Console, featurizer: Featurizer | None = None) -> Iterator[Run]:
    """A run for who holds the lake already."""
    catalog = open_catalog(settings)
    catalog.repair()
    with console.status(starting(settings)):
        spark = start(settings)
        snapshots = attach(spark, catalog)
    run = Run(
        spark=spark,
        catalog=catalog,
        images=settings.images,
        weights=settings.weights,
        variance=settings.variance,
        refit=settings.refit,
        engine=settings.engine,
        max_quarantine_share=settings.max_quarantine_share,
        purpose=settings.purpose,
        legal_basis=settings.legal_basis,
        cache=settings.cache,
        progress=SparkProgress(spark, console),
        snapshots=snapshots,
    )
    if featurizer is not None:
        run.featurizer = featurizer
    try:
        yield run
    finally:
        run.close()


def build(settings: Settings, layer: str, console: Console) -> Run:
    """Build one layer, or all. What is wrong with photos or weights is said before the lake is touched."""
    if layer in ("bronze", "all"):
        if settings.images is None:
            raise SettingsError("bronze needs photos: give --images FOLDER, or set FRUITLAKE_IMAGES")
        check_bucket(settings.images, settings.regions)
        check_source(settings.images)
        check_apart(settings.images, settings.lake)
    check_bucket(settings.lake, settings.regions)
    check_writable(settings.lake)
    featurizer = None
    if layer != "bronze":
        with console.status("preparing MobileNetV2"):
            featurizer = prepare(settings.weights, settings.engine, settings.cache, settings.lake)
    ahead = Thread(target=load, daemon=True)
    ahead.start()
    with open_run(settings, console, featurizer) as run:
        ahead.join()  # Spark has started meanwhile; nothing is imported in two threads from here on
        try:
            invoke(run, ["build", *([] if layer == "all" else ["--select", f"tag:{layer}"])], quiet=True)
        except FruitlakeError as error:
            report_run(run, console, error)  # why a run stopped is what people look for in its report
            raise
    return run


def check_no_erasure(lake: str) -> None:
    """Raise CatalogError if an erasure was interrupted: until it is finished, a run could bring back what has to go."""
    begun = pending(lake)
    if begun:
        raise CatalogError(
            f"an erasure of {begun[0].requested_at} in '{lake}' was interrupted: finish it with "
            f"`fruitlake erase --resume --lake {lake}`, then run again"
        )


def check_apart(images: str, lake: str) -> None:
    """Raise SettingsError if one lies in the other: the lake's own files would be taken for photos."""
    if is_remote(images) != is_remote(lake):
        return
    photos, tables = (PurePosixPath(p) if is_remote(p) else Path(p).resolve() for p in (images, lake))
    if photos == tables or photos in tables.parents or tables in photos.parents:
        raise SettingsError(
            f"the lake '{lake}' and the photos '{images}' lie in one another: give --lake a folder beside the photos"
        )


def check_writable(lake: str) -> None:
    """Raise CatalogError if the lake's folder, or the one it would be made in, cannot be written; AwsError in S3."""
    if is_remote(lake):
        from catalog import bucket

        return bucket.check_writable(lake)
    folder = Path(lake)
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise CatalogError(
            f"the lake '{lake}' cannot be written ({os.fspath(folder)}: {reason}): give --lake a folder you own"
        ) from error
