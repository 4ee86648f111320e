"""One run, from settings to a summary: check what can be checked first, then let dbt build the layers."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from bootstrap.progress import SparkProgress
from bootstrap.reporting import report_run
from bootstrap.session import start
from bootstrap.settings import Settings
from catalog.attach import attach
from catalog.errors import CatalogError, FruitlakeError, SettingsError
from catalog.local import LocalCatalog
from catalog.protocol import Catalog
from catalog.storage import is_remote
from ingestion.source import check_source
from transforms.dbt import invoke
from transforms.run import Run
from transforms.weights import Featurizer, prepare

LAYERS = ("bronze", "silver", "gold")


def open_catalog(settings: Settings) -> Catalog:
    """The catalog of the lake, chosen by its URI."""
    return LocalCatalog(settings.lake)


@contextmanager
def open_run(settings: Settings, console: Console, featurizer: Featurizer | None = None) -> Iterator[Run]:
    """A run over a Spark session in which every published table is attached; it finds its featurizer if not given."""
    check_writable(settings.lake)
    with console.status("starting Spark"):
        spark = start(settings)
        catalog = open_catalog(settings)
        attach(spark, catalog)
    run = Run(
        spark=spark,
        catalog=catalog,
        images=settings.images,
        weights=settings.weights,
        variance=settings.variance,
        refit=settings.refit,
        engine=settings.engine,
        max_quarantine_share=settings.max_quarantine_share,
        cache=settings.cache,
        progress=SparkProgress(spark, console),
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
        check_source(settings.images)
        check_apart(settings.images, settings.lake)
    check_writable(settings.lake)
    featurizer = None
    if layer != "bronze":
        with console.status("preparing MobileNetV2"):
            featurizer = prepare(settings.weights, settings.engine, settings.cache, settings.lake)
    with open_run(settings, console, featurizer) as run:
        try:
            invoke(run, ["build", *([] if layer == "all" else ["--select", f"tag:{layer}"])], quiet=True)
        except FruitlakeError as error:
            report_run(run, console, error)  # why a run stopped is what people look for in its report
            raise
    return run


def check_apart(images: str, lake: str) -> None:
    """Raise SettingsError if one lies in the other: the lake's own files would be taken for photos."""
    photos, tables = Path(images).resolve(), Path(lake).resolve()
    if photos == tables or photos in tables.parents or tables in photos.parents:
        raise SettingsError(
            f"the lake '{lake}' and the photos '{images}' lie in one another: give --lake a folder beside the photos"
        )


def check_writable(lake: str) -> None:
    """Raise CatalogError if the lake's folder, or the one it would be made in, cannot be written."""
    if is_remote(lake):
        return
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
