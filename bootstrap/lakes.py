"""Open a lake by its URI: a folder's catalog, or AWS Glue for a bucket. Imports neither Spark nor dbt."""

from __future__ import annotations

from bootstrap.settings import Settings
from catalog.errors import CatalogError
from catalog.local import LocalCatalog
from catalog.location import check_bucket, check_catalog
from catalog.protocol import Catalog
from catalog.storage import is_remote


def open_catalog(settings: Settings) -> Catalog:
    """The catalog of the lake, whether or not anything is in it.

    Raises RegionError for a bucket where the lake may not lie, AwsError for one that is closed to us.
    """
    check_catalog(settings.lake, settings.regions)
    check_bucket(settings.lake, settings.regions)
    if is_remote(settings.lake):
        from catalog.glue import GlueCatalog  # imports boto3: only where there is a bucket

        return GlueCatalog(settings.lake, settings.database_prefix)
    return LocalCatalog(settings.lake)


def open_published(settings: Settings) -> Catalog:
    """The catalog of a lake that is there. Raises CatalogError if nothing was ever published in it."""
    catalog = open_catalog(settings)
    if not catalog.tables():
        where = f" in the Glue databases {settings.database_prefix}_…" if is_remote(settings.lake) else ""
        raise CatalogError(f"there is no lake at '{settings.lake}'{where}: make one with `fruitlake run --lake …`")
    return catalog
