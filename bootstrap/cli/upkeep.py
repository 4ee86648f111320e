"""`fruitlake vacuum` and `fruitlake erase`: remove old snapshots, and photos that must not be kept."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.filesize import decimal
from rich.table import Table

from bootstrap.cli.options import console, say, takes
from bootstrap.settings import Settings
from bootstrap.summary import warn
from catalog.errors import CatalogError, SettingsError
from catalog.lake import Lake

if TYPE_CHECKING:
    from catalog.erasure_scope import Found  # with it come Arrow's datasets and pandas

DryRun = Annotated[bool, typer.Option("--dry-run", help="show what would be done, and change nothing")]
_NAMED = 100  # most source files to list, per kind


@takes("lake database_prefix")
def vacuum(
    older_than: Annotated[
        str | None,
        typer.Option(metavar="30d", help="age of snapshots to remove [dim](default: FRUITLAKE_HISTORY_DAYS)[/]"),
    ] = None,
    dry_run: DryRun = False,
    *,
    settings: Settings,
) -> None:
    """Remove old snapshots, leftovers of killed runs, and photos older than their retention period; merge small files.

    A table's current snapshot is always kept. Rows older than FRUITLAKE_PHOTOS_DAYS, FRUITLAKE_FEATURES_DAYS or
    FRUITLAKE_QUARANTINE_DAYS are erased as `fruitlake erase` does: photos from every layer, or only from bronze if
    FRUITLAKE_FEATURES_DAYS keeps their features longer.

    Example: fruitlake vacuum --lake lake/ --older-than 7d --dry-run
    """
    from bootstrap.erasing import erase_photos
    from bootstrap.session import start, starting
    from catalog.erasure_scope import find
    from catalog.maintenance import carry_out, plan
    from catalog.retention import Retention, outdated, retention_reason

    age = timedelta(days=settings.history_days) if older_than is None else _age(older_than)
    kept = Retention(settings.photos_days, settings.features_days, settings.quarantine_days)
    done = "would be" if dry_run else "were"
    lake = _lake_of(settings)
    with lake.exclusive():
        old = outdated(lake, kept)
        with console.status(starting(settings)):
            spark = start(settings, lake)
        planned = plan(spark, lake, age)
        if not dry_run:
            carry_out(spark, lake, planned)
        for table, branch in planned.branches:
            say(f"branch {branch} of {table}, left by a run that was killed")
        for table, snapshot in planned.snapshots:
            say(f"snapshot {snapshot} of {table}")
        for uri in (*(uri for _, uri in planned.orphans), *planned.leftovers):
            say(uri)
        for table, count in planned.small:
            say(f"{count:,} small files of {table} {done} merged")
        files = len(planned.orphans) + len(planned.leftovers)
        say(f"{len(planned.snapshots):,} snapshots and {files:,} files ({decimal(planned.size)}) {done} removed")
        if old.kind:
            found = find(lake, old, retention_reason(kept, old))
            _show(found)
            if found.still_there:
                warn(_comes_back(found.still_there), console)
            if not dry_run:
                say(f"erased; record: {erase_photos(settings, lake, found, console)}")


@takes("lake database_prefix", images="the source, to look for copies of the photos in it")
def erase(
    image_id: Annotated[list[str] | None, typer.Option(metavar="ID", help="a photo, by its full image_id")] = None,
    source_path: Annotated[
        list[str] | None, typer.Option(metavar="PATH", help="a photo, by the path it was read from")
    ] = None,
    label: Annotated[list[str] | None, typer.Option(metavar="LABEL", help="all photos of a variety")] = None,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="kept in the record of the erasure: name no person")
    ] = None,
    dry_run: DryRun = False,
    refit: Annotated[
        bool, typer.Option("--refit", help="fit a new PCA on the remaining photos instead of keeping the old one")
    ] = False,
    source_stays: Annotated[
        bool,
        typer.Option(
            "--source-stays", help="continue although the source still has the file, which a run would ingest again"
        ),
    ] = False,
    everything: Annotated[
        bool, typer.Option("--everything", help="continue although no photo would be left, and so no table and no PCA")
    ] = False,
    and_block: Annotated[
        bool, typer.Option("--and-block", help="keep the photos out for good: later runs skip them")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="only finish an interrupted erasure")] = False,
    *,
    settings: Settings,
) -> None:
    """Erase photos from all layers, all snapshots and all reports; --image-id and the like may be given repeatedly.

    First delete the source file and its copies (--images finds them); otherwise the next run ingests them again. Or
    give --and-block, which stores a list of salted hashes in <lake>/_erasures; delete that file to lift the block. The
    PCA is an aggregate of all photos it was fitted on and is kept unless --refit is given, which changes every vector.
    All older snapshots expire immediately, so no table can be rolled back to before the erasure. In a bucket with
    versioning, old object versions are deleted, too. A record without personal data is kept in <lake>/_erasures.

    Example: fruitlake erase --lake lake/ --source-path photos/Kiwi/1.jpg --reason "request of 3 May" --dry-run
    """
    from bootstrap.erasing import erase_photos, finish_erasures, with_copies
    from catalog.erasure_scope import Selection, find
    from catalog.erasures import pending
    from catalog.storage import normalize

    paths = frozenset(normalize(path) for path in source_path or ())
    selection = Selection(frozenset(image_id or ()), paths, frozenset(label or ()))
    _check_asked(bool(selection.kind), reason, resume)
    lake = _lake_of(settings)
    with lake.exclusive():
        begun = pending(lake)
        if resume and not begun:
            say("no erasure was interrupted")
        if begun and dry_run:
            interrupted = f"an erasure of {begun[0].requested_at} was interrupted"
            warn(f"{interrupted}; without --dry-run it is finished first", console)
        for record in finish_erasures(settings, lake, console) if begun and not dry_run else ():
            say(f"an interrupted erasure is finished; record: {record}")
        if not selection.kind or reason is None:
            return
        found = find(lake, selection, reason, refit, and_block)
        if settings.images:
            found = with_copies(lake, found, settings.source(), console)
        else:
            say("copies of the photos elsewhere in the source are not looked for without --images")
        _show(found)
        if not dry_run:
            _check_meant(found, settings, everything, source_stays or and_block)
        if found.still_there and not and_block:
            warn(_comes_back(found.still_there), console)
        if not dry_run:
            say(f"erased; record: {erase_photos(settings, lake, found, console)}")
            say("no table can be rolled back behind this: older snapshots held the photos, or were made of them")
            say("the reports are gone, too: `fruitlake report` writes one of what is left")


def _check_asked(selected: bool, reason: str | None, resume: bool) -> None:
    """Raise SettingsError for options that do not go together."""
    if selected and resume:
        raise SettingsError(
            "--resume only finishes an interrupted erasure: leave out either it or --image-id and the like"
        )
    if not selected and not resume:
        raise SettingsError("say what to erase: --image-id, --source-path or --label")
    if selected and not reason:
        raise SettingsError("say why: --reason stays in the record of the erasure (name no person in it)")


def _check_meant(found: "Found", settings: Settings, everything: bool, may_be_there: bool) -> None:
    """Raise CatalogError if the erasure would empty the lake, or the next run would undo it, unless that is allowed."""
    if found.erasure.everything and not everything:
        raise CatalogError(
            f"this would erase every photo of '{settings.lake}', and with them all tables and the PCA: "
            "give --everything if that is meant"
        )
    if found.still_there and not may_be_there:
        raise CatalogError(f"{_comes_back(found.still_there)}, or give --source-stays, or --and-block")


def _show(found: "Found") -> None:
    table = Table("table", "rows to erase", title="erasure", title_justify="left")
    for name, count in found.erasure.rows.items():
        table.add_row(name, f"{count:,}")
    console.print(table)
    console.print(f"and {found.snapshots:,} older snapshots of all tables, so that none can be rolled back behind this")
    console.print("and all reports")
    _name([f"in the source: {path}" for path in found.still_there])
    _name([f"not erased: {path}, a photo that the lake has under '{label}'" for path, label in found.others.items()])
    if found.erasure.everything:
        console.print("no photo would be left, and so no table but the list of rejected files, and no PCA")


def _name(files: list[str]) -> None:
    for file in files[:_NAMED]:
        say(file)
    if len(files) > _NAMED:
        say(f"… and {len(files) - _NAMED:,} more")


def _comes_back(paths: tuple[str, ...]) -> str:
    first = f"'{paths[0]}'" + (f" and {len(paths) - 1:,} more" if len(paths) > 1 else "")
    return (
        f"the source still has {first}, or cannot be asked; the next run would take it in again: delete it there first"
    )


def _age(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,5})d?", text)
    if match is None:
        raise SettingsError(f"--older-than cannot be '{text}': give a number of days, such as 30d")
    return timedelta(days=int(match[1]))


def _lake_of(settings: Settings) -> Lake:
    """Open the lake. Raises CatalogError if it has no table, not even an unpublished one of a killed first run."""
    lake = settings.open_lake()
    if not lake.has_catalog() or not lake.existing_tables():
        raise CatalogError(f"there is no lake at '{settings.lake}': make one with `fruitlake run --lake …`")
    return lake
