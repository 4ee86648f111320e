"""A lake: its location, its Iceberg catalog, and how Spark and PyIceberg access both.

    open_lake("lake/")              FolderLake:  SQLite file <lake>/catalog.db, files on this disk
    open_lake("s3://bucket/lake")   BucketLake:  AWS Glue, objects in the bucket

Only this module, and storage.py for other URIs, distinguish between folders and buckets.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pyiceberg.exceptions import CommitFailedException, NoSuchNamespaceError, NoSuchTableError, TableAlreadyExistsError

from catalog import snapshots
from catalog.errors import CatalogError
from catalog.snapshots import Snapshot
from catalog.storage import check_allowed, delete_file, exists, holds_anything, is_remote
from catalog.tables import TABLES, Table

if TYPE_CHECKING:  # the rest of PyIceberg takes 0.2 s to import: `--help` and the start of Java need not wait for it
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table as IcebergTable

CATALOG = "lake"  # name of the catalog in Spark and in the SQLite file
_TABLE_PROPERTIES = {
    "format-version": "2",
    # no column statistics: manifests must not contain paths, ids or labels of photos that are erased later
    "write.metadata.metrics.default": "none",
    # numbers of vectors hardly repeat: a dictionary of them, which Parquet drops when it is full, took most of the
    # time of writing; this one is large enough for labels and ids of batches and models
    "write.parquet.dict-size-bytes": "4096",
    # Iceberg's default for tables created by Java; for others it is gzip, which was a third of Java's work in silver
    "write.parquet.compression-codec": "zstd",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",  # a reader may be some commits behind
    "write.delete.mode": "copy-on-write",
    "write.update.mode": "copy-on-write",
    "write.merge.mode": "copy-on-write",
}


class Lake(ABC):
    """A lake and its catalog.

    Attributes:
        locks: whether `exclusive` blocks runs.
        default_engine: default query engine: `athena` if it can see the tables, else `duckdb`.

    Args:
        uri: absolute folder, or s3://bucket/prefix, without a trailing slash.
        prefix: prefix of its namespaces: `fruits` in `fruits_bronze`.
        catalog: properties of another Iceberg catalog (`{"type": "rest", "uri": …}`), with names that PyIceberg and
            Spark share; empty for the lake's own catalog.
    """

    locks = False
    default_engine = "duckdb"

    def __init__(self, uri: str, prefix: str, catalog: Mapping[str, str]) -> None:
        self.uri = uri
        self.prefix = prefix
        self._other_catalog = dict(catalog)

    def namespace(self, layer: str) -> str:
        """The namespace of a layer, such as `fruits_gold`."""
        return f"{self.prefix}_{layer}"

    def identifier(self, table: str) -> str:
        """The table's name in the catalog: `fruits_gold.fruit_vectors` for `gold.fruit_vectors`."""
        layer, name = table.split(".")
        return f"{self.namespace(layer)}.{name}"

    def location(self, table: str) -> str:
        """URI of the table's data and metadata."""
        return f"{self.uri}/{table.replace('.', '/')}"

    @property
    def checkpoints(self) -> str:
        """The folder of the streams' checkpoints. They contain the paths of files, so an erasure deletes them."""
        return f"{self.uri}/_stream"

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog, opened by PyIceberg; reading a lake needs no JVM."""
        from pyiceberg.catalog import load_catalog

        return load_catalog(CATALOG, **(self._other_catalog or self._pyiceberg_properties()))

    def spark_properties(self) -> dict[str, str]:
        """Spark configuration of the catalog."""
        own = {} if self._other_catalog else self._spark_catalog()
        properties = {
            "warehouse": self.uri,
            "cache-enabled": "false",  # other processes may publish, too
            **own,
            **self._spark_io(),
            **self._other_catalog,
        }
        named = {f"spark.sql.catalog.{CATALOG}.{name}": value for name, value in properties.items()}
        return {f"spark.sql.catalog.{CATALOG}": "org.apache.iceberg.spark.SparkCatalog"} | named

    def create(self, table: Table) -> None:
        """Create an empty table, unless it exists. Raises CatalogError if its location holds files of another table."""
        if self.load(table.name) is not None:
            return
        if holds_anything(f"{self.location(table.name)}/data") and self.load(table.name) is None:
            raise CatalogError(
                f"'{self.location(table.name)}' holds files of a table that is not {self.identifier(table.name)}: give "
                "the --database-prefix that the lake was made with; if it is this one, `fruitlake vacuum` removes them"
            )
        self.catalog.create_namespace_if_not_exists(self.namespace(table.layer))
        try:
            with self.catalog.create_table_transaction(
                self.identifier(table.name),
                table.arrow_schema,
                location=self.location(table.name),
                properties={**_TABLE_PROPERTIES, **table.properties, "comment": table.grain},
            ) as transaction:
                if table.partition:
                    with transaction.update_spec() as partitions:
                        partitions.add_identity(table.partition)
        except (TableAlreadyExistsError, CommitFailedException):
            if self.load(table.name) is None:  # else another run was faster
                raise

    def load(self, table: str) -> IcebergTable | None:
        """Load the table's current state from the catalog; None if it was never created."""
        try:
            return self.catalog.load_table(self.identifier(table))
        except (NoSuchTableError, NoSuchNamespaceError):
            return None

    def existing_tables(self) -> list[str]:
        """Names of the tables that exist, whether or not anything has been published in them."""
        return [table for table in TABLES if self.load(table) is not None]

    def tables(self) -> list[str]:
        """Names of the published tables, upstream first."""
        return list(self.current_snapshots())

    def current_snapshots(self) -> dict[str, Snapshot]:
        """Current snapshot of every published table, upstream first."""
        return {table: found for table in TABLES if (found := self.current(table))}

    def current(self, table: str) -> Snapshot | None:
        """Current snapshot of the table; None if it was never published."""
        return snapshots.current_of(table, self.load(table))

    def history(self, table: str) -> list[Snapshot]:
        """Published snapshots of the table that still exist, latest first."""
        return snapshots.history_of(table, self.load(table))

    def as_of(self, table: str, moment: datetime) -> Snapshot | None:
        """The snapshot of the table that readers saw at a given time."""
        return snapshots.as_of(table, self.load(table), moment)

    def check_published(self) -> None:
        """Raise CatalogError if there is no lake, or nothing was ever published in it."""
        self.check_edition()
        if not self.has_catalog() or not self.tables():
            raise CatalogError(
                f"there is no lake at '{self.uri}' (namespaces {self.prefix}_…): make one with `fruitlake run --lake …`"
            )

    def check_edition(self) -> None:
        """Raise CatalogError for a lake written by a version of Fruitlake before Iceberg."""
        if exists(f"{self.uri}/_catalog"):
            raise CatalogError(
                f"'{self.uri}' was written by Fruitlake 0.1, before its tables were Iceberg's, and cannot be read: "
                "give --lake another place and run again"
            )

    def has_catalog(self) -> bool:
        """Whether the catalog exists; does not create it. A service always does: AWS has one Glue per region."""
        return True

    def check_place(self, allowed_regions: Collection[str]) -> None:
        """Raise RegionError if the lake or its catalog is in a region that is not allowed."""
        check_allowed(self.uri, allowed_regions)

    @abstractmethod
    def check_writable(self) -> None:
        """Raise CatalogError or AwsError if the lake cannot be written."""

    def in_use(self) -> AbstractContextManager[bool]:
        """Shared lock, held by every run on a lake in a folder; buckets have no locks.

        Yields whether it is known that no other process uses the lake.

        Raises BusyError while a process holds `exclusive`.
        """
        return nullcontext(False)

    def exclusive(self) -> AbstractContextManager[None]:
        """Exclusive lock of a folder, held by erase and vacuum. Raises BusyError while a run uses the lake.

        A bucket has no locks: there, runs check the erasures' records, and vacuum keeps files younger than a day.
        """
        return nullcontext()

    def describe(self) -> str:
        """The URI and, for a bucket, its region, which matters to the owners of the photos."""
        return self.uri

    def check_versions_deletable(self) -> None:  # noqa: B027  # a disk keeps no versions
        """Raise AwsError if older versions of objects cannot be listed, and so could not be deleted."""

    def delete_versions(self) -> int:
        """Permanently delete object versions that a versioned bucket only hides. Returns their number."""
        return 0

    def delete_permanently(self, uri: str) -> None:
        """Delete a file with all its older versions."""
        delete_file(uri)

    @abstractmethod
    def _pyiceberg_properties(self) -> dict[str, Any]: ...

    @abstractmethod
    def _spark_catalog(self) -> dict[str, str]: ...

    def _spark_io(self) -> dict[str, str]:
        return {}


def open_lake(uri: str, prefix: str = "fruits", catalog: Mapping[str, str] | None = None) -> Lake:
    """The lake at a normalized URI, whether or not it exists yet."""
    if is_remote(uri):
        from catalog.bucket_lake import BucketLake  # imports boto3, which local lakes do not need

        return BucketLake(uri, prefix, catalog or {})
    from catalog.folder_lake import FolderLake

    return FolderLake(uri, prefix, catalog or {})
