"""The source of the photos that the settings name, checked."""

from bootstrap.settings import Settings
from catalog.errors import SettingsError
from catalog.storage import is_remote, overlap
from ingestion.source import check_folder
from ingestion.walk import Source


def source_of(settings: Settings, may_be_empty: bool = False) -> Source:
    """The source of the photos, which must exist; may_be_empty: an s3:// prefix without objects does not."""
    source = settings.source()
    if not (may_be_empty and is_remote(source.root)):
        check_folder(source.root)
    if overlap(source.root, settings.lake):  # the lake's own files would be listed as photos
        raise SettingsError(
            f"the lake '{settings.lake}' and the photos '{source.root}' overlap: give --lake a folder beside the photos"
        )
    return source
