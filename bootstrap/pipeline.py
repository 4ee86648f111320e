"""Run the pipeline: check the settings, start Spark on the lake, and let dbt build the layers."""

import gc
import importlib
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from threading import Thread

from rich.console import Console

from bootstrap.progress import SparkProgress
from bootstrap.reporting import report_run
from bootstrap.session import start, starting, submitted
from bootstrap.settings import Settings
from bootstrap.source import source_of
from catalog.branch import begun, drop_branches
from catalog.erasures import pending
from catalog.errors import CatalogError, FruitlakeError
from catalog.lake import Lake
from catalog.snapshots import new_run_id
from expectations import suites, validation
from ingestion.source import check_source
from transforms.dbt import build_models
from transforms.onnx_session import check_cuda
from transforms.run import Run
from transforms.weights import Featurizer, prepare


@contextmanager
def open_run(settings: Settings, console: Console, exported: Featurizer | None = None) -> Iterator[Run]:
    """Open a run with its Spark session and the lake's shared lock. The network is exported on demand if not given.

    Raises BusyError while another process vacuums or erases, CatalogError if an erasure was interrupted.
    """
    lake = settings.open_lake()
    lake.check_writable()
    entered = datetime.now(UTC).replace(microsecond=0)
    with lake.in_use() as alone:
        check_no_erasure(lake)
        with opened(settings, lake, console, exported) as run:
            check_no_erasure(lake)  # S3 has no lock: an erasure may have begun before the run got its id
            if alone:  # older branches were left by killed runs; younger ones belong to runs that started since
                drop_branches(run.spark, lake, keep=lambda name: begun(name) >= entered)
            yield run


@contextmanager
def opened(
    settings: Settings, lake: Lake, console: Console, exported: Featurizer | None = None, erasure: str | None = None
) -> Iterator[Run]:
    """Open a run with its Spark session; the caller must hold one of the lake's locks.

    exported: the network in fp32; exported on demand if not given. erasure: id of the erasure that it carries out.
    """
    with console.status(starting(settings)):
        spark = start(settings, lake)
    progress, snapshots = SparkProgress(spark, console), lake.current_snapshots()
    run = Run(spark, lake, settings, progress, snapshots, exported, erasing=bool(erasure), id=erasure or new_run_id())
    with closing(run):
        yield run


def build(settings: Settings, layer: str, console: Console) -> Run:
    """Build one layer or all. Photos and weights are checked before the lake is touched."""
    if layer in ("bronze", "all"):
        check_source(source_of(settings))
    exported = None
    if settings.device == "cuda" and not submitted():  # on a cluster, only executors have a GPU
        check_cuda()
    if layer != "bronze":
        settings.open_lake().check_writable()
        with console.status("preparing MobileNetV2"):
            exported = prepare(settings.weights, settings.engine, settings.cache, settings.lake)
    ahead = Thread(target=_import_slow_packages, daemon=True)
    ahead.start()
    with _busy_threads(), open_run(settings, console, exported) as run:
        try:
            if layer in ("bronze", "all"):
                run.read_ahead()  # while dbt is imported and starts
            ahead.join()
            build_models(run, *([] if layer == "all" else [f"tag:{layer}"]))
        except FruitlakeError as error:
            report_run(run, console, error)  # the report says why the run stopped
            raise
    return run


@contextmanager
def _busy_threads() -> Iterator[None]:
    """Switch threads more often, and collect garbage more rarely, while packages are imported beside calls to Java.

    By default, each call waits up to 5 ms for the thread that imports, and the collector runs 1,000 times, for 0.7 s.
    """
    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(0.0005)
    gc.set_threshold(100_000)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        gc.set_threshold(*threshold)


def _import_slow_packages() -> None:
    """Import what audits need, and dbt, which takes seconds. The main thread must not import the same meanwhile."""
    suites.load()
    validation.load()
    importlib.import_module("transforms.session_job")
    importlib.import_module("dbt.cli.main")


def check_no_erasure(lake: Lake) -> None:
    """Raise CatalogError if an erasure was interrupted: a run could bring back photos that it must remove."""
    if begun := pending(lake):
        raise CatalogError(
            f"an erasure of {begun[0].requested_at} in '{lake.uri}' was interrupted: finish it with "
            f"`fruitlake erase --resume --lake {lake.uri}`, then run again"
        )
