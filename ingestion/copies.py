"""Find files in a source that hold photos to be erased; left there, the next run would store them again.

    source ──walk──▶ files ──read, strip, hash──▶ image_id ──▶ found, if its image_id or its label is to be erased

The lake stores one path per photo, and copies may differ in their metadata, so every file has to be read.
"""

from collections.abc import Callable, Collection, Iterable, Iterator

from ingestion.admission import identify
from ingestion.photo import Rejected
from ingestion.reading import with_content
from ingestion.walk import Source, SourceFile


def find_copies(
    source: Source,
    image_ids: Collection[str],
    labels: Collection[str],
    progress: Callable[[list[SourceFile]], Iterable[SourceFile]] = iter,
) -> Iterator[tuple[str, str]]:
    """Path and image_id of the files that hold one of the photos, or any photo in a folder of these labels."""
    files = [file for file in source.walk(source.root, deep=True) if file.ignored is None]
    for file, content in with_content(file._asdict() for file in progress(files)):
        image_id = None if isinstance(content, Rejected) else identify(content)
        if image_id and (image_id in image_ids or file["label"] in labels):
            yield file["source_path"], image_id
