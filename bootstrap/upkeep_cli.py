"""`fruitlake vacuum` and `fruitlake erase`: what is not needed any more, and what must not be kept."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from bootstrap import query_cli
from bootstrap import settings as settings_module
from bootstrap.settings import Settings
from catalog.errors import CatalogError, SettingsError
from catalog.protocol import Catalog

if TYPE_CHECKING:
    from bootstrap.to_erase import Found

console = Console()
PrefixOption = query_cli.PrefixOption

LakeOption = Annotated[
    str | None, typer.Option("--lake", metavar="URI", help=Settings.model_fields["lake"].description or "")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="say what would go, and leave everything as it is")]


def vacuum(
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="30d", help="age of a snapshot; else the setting history_days")
    ] = None,
    dry_run: DryRunOption = False,
    lake: LakeOption = None,
    database_prefix: PrefixOption = None,
) -> None:
    """Remove old snapshots, what killed runs left behind, and photos that have been kept long enough.

    A table's current snapshot always stays. What is older than FRUITLAKE_PHOTOS_DAYS, FRUITLAKE_FEATURES_DAYS or
    FRUITLAKE_QUARANTINE_DAYS is erased, as `fruitlake erase` does it: photos from bronze, and from every layer if
    FRUITLAKE_FEATURES_DAYS does not keep their features longer.

    Example: fruitlake vacuum --lake lake/ --older-than 7d --dry-run
    """
    from bootstrap.erasure import erase as erase_now
    from bootstrap.to_erase import find, outdated, retention
    from catalog.lock import alone
    from catalog.vacuum import carry_out, plan

    settings = settings_module.load(lake=lake, database_prefix=database_prefix)
    age = timedelta(days=settings.history_days) if older_than is None else _age(older_than)
    catalog = _catalog_of(settings, "_catalog")  # also if the only run there was has been killed
    with alone(settings.lake):
        old = outdated(catalog, settings)
        planned = plan(catalog, age)
        if not dry_run:
            carry_out(catalog, planned)
        verb = "would be" if dry_run else "were"
        for table, snapshot in planned.snapshots:
            console.print(f"snapshot {snapshot} of {table}", highlight=False, soft_wrap=True)
        for place in (*planned.folders, *planned.leftovers):
            console.print(place, markup=False, highlight=False, soft_wrap=True)
        console.print(
            f"{len(planned.snapshots):,} snapshots and {len(planned.folders) + len(planned.leftovers):,} folders or "
            f"files ({planned.size / 1e6:,.1f} MB) {verb} removed"
        )
        if old.kind:
            found = find(catalog, old, retention(settings, old))
            _show(found)
            if found.still_there:
                _warn(_comes_back(found.still_there))
            if not dry_run:
                _say(f"erased; record: {erase_now(settings, found, console)}")


def erase(
    image_id: Annotated[
        list[str] | None, typer.Option("--image-id", metavar="ID", help="a photo, by the whole id it has in the lake")
    ] = None,
    source_path: Annotated[
        list[str] | None, typer.Option("--source-path", metavar="PATH", help="a photo, by where it was read")
    ] = None,
    label: Annotated[list[str] | None, typer.Option("--label", metavar="LABEL", help="all photos of a variety")] = None,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="stays in the record: name no person in it")
    ] = None,
    dry_run: DryRunOption = False,
    refit: Annotated[
        bool, typer.Option("--refit", help="fit the PCA anew on the photos that stay, instead of keeping it")
    ] = False,
    source_stays: Annotated[
        bool, typer.Option("--source-stays", help="go on although the source still has the file: a run brings it back")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--everything", help="go on although no photo would be left, and so no table nor PCA")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="only finish an erasure that was interrupted")] = False,
    lake: LakeOption = None,
    database_prefix: PrefixOption = None,
) -> None:
    """Erase photos from all layers, all snapshots and all reports; --image-id and the like may be given repeatedly.

    Delete the file at its source first: the lake keeps no list of erased photos, which would be a trace of them, so a
    run would take it in again. The PCA is an average over all photos it was fitted on and stays unless --refit: then
    every vector changes. In a bucket with versioning, old versions are deleted, too. A record without personal data is
    left in the lake's _erasures.

    Example: fruitlake erase --lake lake/ --source-path photos/Kiwi/1.jpg --reason "request of 3 May" --dry-run
    """
    from bootstrap.erasure import erase as erase_now
    from bootstrap.erasure import resume as finish_begun
    from bootstrap.to_erase import Selection, find
    from catalog.erasures import pending
    from catalog.lock import alone
    from catalog.storage import normalize

    settings = settings_module.load(lake=lake, database_prefix=database_prefix)
    paths = frozenset(normalize(path) for path in source_path or ())
    selection = Selection(frozenset(image_id or ()), paths, frozenset(label or ()))
    if selection.kind and resume:
        raise SettingsError("--resume only finishes what was begun: leave it out, or --image-id and the like")
    if not selection.kind and not resume:
        raise SettingsError("say what to erase: --image-id, --source-path or --label")
    if selection.kind and not reason:
        raise SettingsError("say why: --reason stays in the record of the erasure (name no person in it)")
    catalog = _catalog_of(settings)
    with alone(settings.lake):
        begun = pending(settings.lake)
        if resume and not begun:
            _say("no erasure was interrupted")
        if begun and dry_run:
            _warn(f"an erasure of {begun[0].requested_at} was interrupted; without --dry-run it is finished first")
        for record in finish_begun(settings, console) if begun and not dry_run else ():
            _say(f"an interrupted erasure is finished; record: {record}")
        if not selection.kind or reason is None:
            return
        found = find(catalog, selection, reason, refit)
        _show(found)
        if found.erasure.everything and not (everything or dry_run):
            raise CatalogError(
                f"this would erase every photo of '{settings.lake}', and with them all tables and the PCA: "
                "give --everything if that is meant"
            )
        if found.still_there and not (source_stays or dry_run):
            raise CatalogError(f"{_comes_back(found.still_there)}, or give --source-stays")
        if found.still_there:
            _warn(_comes_back(found.still_there))
        if not dry_run:
            _say(f"erased; record: {erase_now(settings, found, console)}")
            _say("the reports are gone, too: `fruitlake report` writes one of what is left")


def _say(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _warn(text: str) -> None:
    console.print("[yellow]warning:[/]", end=" ")
    _say(text)


def _show(found: Found) -> None:
    table = Table("table", "rows to erase", title="erasure", title_justify="left")
    for name, count in found.erasure.rows.items():
        table.add_row(name, f"{count:,}")
    console.print(table)
    console.print(f"and {found.snapshots:,} older snapshots, and all reports")
    if found.erasure.everything:
        console.print("no photo would be left, and so no table but the list of rejected files, and no PCA")


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


def _catalog_of(settings: Settings, sign: str = "_catalog/bronze.images") -> Catalog:
    """The catalog of a lake that is there, which this folder in it shows. Raises CatalogError if it is not."""
    from bootstrap.lakes import open_catalog
    from catalog.storage import exists

    catalog = open_catalog(settings)
    if not exists(f"{settings.lake}/{sign}"):
        raise CatalogError(f"there is no lake at '{settings.lake}': make one with `fruitlake run --lake …`")
    return catalog
