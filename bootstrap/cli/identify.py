"""`fruitlake identify`: identify the fruit on a photo with the lake's gold layer, without Spark."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from bootstrap.cli.options import console, say, takes
from bootstrap.settings import Settings
from catalog.errors import AwsError, SourceError
from catalog.storage import check_allowed, normalize
from ingestion.photo import Rejected
from ingestion.reading import read_photo

if TYPE_CHECKING:
    from transforms.identify import Identification  # other commands need not wait for this import

_NAMED = 5  # unidentified photos that the error message lists
_DIGITS = 12  # digits of an image_id to show


@takes("lake database_prefix")
def identify(
    settings: Settings,
    photos: Annotated[list[str], typer.Argument(metavar="PHOTO…", help="photos to identify: files, or s3:// objects")],
    neighbours: Annotated[
        int, typer.Option(metavar="N", min=1, max=100, help="how many of the nearest photos to show")
    ] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="one line of JSON per photo")] = False,
) -> None:
    """Identify the fruit on a photo that is not in the lake. Starts no Spark, stores nothing.

    The photo is processed like the lake's photos, with the same checks, network and PCA; the nearest photos in gold's
    current snapshot decide. It is reported as unlike anything in the lake if it is farther from the nearest photo than
    98 % of that variety's photos are from their nearest one.

    Example: fruitlake identify photo.jpg --lake lake/
    """
    from transforms.identify import open_identifier

    identifier = open_identifier(settings.open_lake())
    failed: list[str] = []
    for photo in photos:
        try:
            place = normalize(photo)
            check_allowed(place, settings.regions)
            found = identifier.identify(read_photo(place), neighbours)
        except (Rejected, AwsError, OSError) as error:
            failed.append(f"'{photo}' ({getattr(error, 'strerror', None) or error})")
            continue
        if as_json:
            console.file.write(json.dumps({"photo": photo, **asdict(found)}, ensure_ascii=False) + "\n")
        else:
            describe(photo, found)
    if not as_json:
        console.print(f"[dim]{identifier.basis}[/]", soft_wrap=True, highlight=False)
    if failed:
        more = f" and {len(failed) - _NAMED:,} more" if len(failed) > _NAMED else ""
        raise SourceError(
            f"{len(failed):,} of {len(photos):,} photos cannot be identified: {', '.join(failed[:_NAMED])}{more}: "
            "give whole photos that can be read"
        )


def describe(photo: str, found: Identification) -> None:
    """Describe the result in a line."""
    near = found.nearest[0]
    said = (
        f"unlike anything in the lake; the nearest is {near.label}, at {near.distance:.2f} (limit {found.limit:.2f})"
        if found.unlike
        else f"{found.label}, {found.confidence:.0%}"
    )
    say(f"{photo}: {said}")
    for one in found.nearest:
        say(f"  {one.distance:7.2f}  {one.label}  {one.image_id[:_DIGITS]}…")
