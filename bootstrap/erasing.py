"""Start an erasure, and finish pending ones; shared by `fruitlake erase` and `fruitlake vacuum`."""

from dataclasses import replace
from functools import partial

import pyarrow as pa
from pyspark.errors import PySparkException
from rich.console import Console
from rich.progress import track

from bootstrap.pipeline import opened
from bootstrap.scratch import sweep
from bootstrap.session import log_file
from bootstrap.settings import Settings
from catalog.erasure_scope import Found, labels_of
from catalog.erasures import begin, pending
from catalog.errors import CatalogError, FruitlakeError
from catalog.lake import Lake
from catalog.snapshots import new_run_id
from ingestion.copies import find_copies
from ingestion.source import check_folder
from ingestion.walk import Source
from transforms.erasure import carry_out_erasure, pca_settings
from transforms.spark_error import reason_of


def erase_photos(settings: Settings, lake: Lake, found: Found, console: Console) -> str:
    """Erase the photos that were found; the caller must hold the exclusive lock. Returns the URI of the record."""
    lake.check_versions_deletable()
    begin(lake, replace(found.erasure, id=new_run_id()))  # a new id, later than any run that started before
    return finish_erasures(settings, lake, console)[-1]


def with_copies(lake: Lake, found: Found, source: Source, console: Console) -> Found:
    """Add the source's files that hold the same photos. Reads the whole source."""
    check_folder(source.root)
    wanted = frozenset(found.erasure.image_ids)
    progress = partial(track, description="looking for copies", console=console, transient=True)
    copies = list(find_copies(source, wanted, found.erasure.labels, progress))
    back = {path for path, image_id in copies if image_id in wanted}
    labels = labels_of(lake, {image_id for _, image_id in copies} - wanted)
    others = {path: labels[image_id] for path, image_id in copies if image_id in labels}
    return replace(found, still_there=tuple(sorted({*found.still_there, *back})), others=others)


def finish_erasures(settings: Settings, lake: Lake, console: Console) -> list[str]:
    """Finish every pending erasure. Returns the URIs of their records. Raises CatalogError if one fails."""
    records = []
    try:
        for erasure in pending(lake):
            chosen = settings.model_copy(update=pca_settings(lake, erasure))
            with (
                opened(chosen, lake, console, erasure=erasure.id) as run,
                console.status("erasing from bronze, silver and gold"),
            ):
                records.append(carry_out_erasure(run, erasure))
    except (FruitlakeError, OSError, pa.ArrowException, PySparkException) as error:
        raise CatalogError(
            f"the erasure is not complete ({reason_of(error)}): fix the cause, then finish it with "
            f"`fruitlake erase --resume --lake {settings.lake}`; until then no run starts"
        ) from error
    log_file(settings).unlink(missing_ok=True)
    sweep()  # photos that killed runs left in their work folders
    return records
