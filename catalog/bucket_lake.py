"""A lake in S3: AWS Glue is its catalog, and the region of both is checked before anything is read."""

from collections.abc import Collection, Mapping
from typing import Any

from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.table import Table as IcebergTable
from pyiceberg.typedef import EMPTY_DICT, Properties

from catalog import aws, bucket, object_versions
from catalog.errors import CatalogError, SettingsError
from catalog.lake import Lake


class BucketLake(Lake):
    """A lake below an s3:// prefix, with its tables in AWS Glue."""

    def __init__(self, uri: str, prefix: str, catalog: Mapping[str, str]) -> None:
        super().__init__(uri, prefix, catalog)
        if found := next((character for character in "#?" if character in uri), None):
            raise SettingsError(
                f"the lake '{uri}' cannot be there: Iceberg mistakes '{found}' for the end of an S3 address; "
                "give --lake a prefix without it"
            )
        if not catalog:  # Athena sees no other catalog than Glue
            self.default_engine = "athena"

    def check_place(self, allowed_regions: Collection[str]) -> None:
        """Raise RegionError if the bucket, or Glue, is in a region that is not allowed."""
        super().check_place(allowed_regions)
        bucket.check_catalog_region(allowed_regions)

    def check_writable(self) -> None:
        """Raise AwsError if objects cannot be written and deleted below the lake's prefix."""
        name, _, prefix = self.uri.removeprefix("s3://").partition("/")
        bucket.filesystem(name)  # raises AwsError if there is no such bucket
        key = f"{prefix}/.write-check".lstrip("/")
        with aws.explained(f"'{self.uri}' cannot be written"):
            aws.s3().put_object(Bucket=name, Key=key, Body=b"")
            aws.s3().delete_object(Bucket=name, Key=key)

    def describe(self) -> str:
        """The URI and the bucket's region."""
        return f"{self.uri} ({bucket.region(self.uri)})"

    def delete_versions(self) -> int:
        """Delete noncurrent object versions, delete markers and unfinished uploads below the lake."""
        return object_versions.delete_hidden(self.uri)

    def delete_permanently(self, uri: str) -> None:
        """Delete an object with all its versions."""
        object_versions.delete_permanently(uri)

    def check_versions_deletable(self) -> None:
        """Raise AwsError if the bucket's versions cannot be listed."""
        object_versions.keeps_versions(self.uri)

    def load(self, table: str) -> IcebergTable | None:
        """Load the table from Glue; raises CatalogError for another lake's table of the same name."""
        with aws.explained("AWS Glue cannot be used"):
            loaded = super().load(table)
        # Glue is shared by all lakes of the account
        if loaded and not self._other_catalog and loaded.location() != self.location(table):
            raise CatalogError(
                f"{self.identifier(table)} in AWS Glue is in '{loaded.location()}', so it belongs to another lake than "
                f"'{self.uri}': give --lake that one, or --database-prefix another name"
            )
        return loaded

    def _pyiceberg_properties(self) -> dict[str, Any]:
        """Give PyIceberg our Glue client and file access, which renew the credentials of a role."""
        return {"type": "glue", "client": aws.client("glue"), "py-io-impl": "catalog.bucket_lake.BucketFileIO"}

    def _spark_catalog(self) -> dict[str, str]:
        endpoint = aws.endpoint("glue")
        return {"type": "glue"} | ({"glue.endpoint": endpoint} if endpoint else {})

    def _spark_io(self) -> dict[str, str]:
        """Let Spark read and write tables with Iceberg's S3FileIO; Hadoop's S3 client is not needed."""
        options = {
            "io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
            "client.region": aws.region(),
            # if it is named, all clients share one provider; otherwise each loaded table searches for credentials
            "client.credentials-provider": bucket.JAVA_CREDENTIALS,
        }
        if server := aws.endpoint("s3"):  # a test server has no host name for each bucket
            return options | {"s3.endpoint": server, "s3.path-style-access": "true"}
        if bucket.region(self.uri) != aws.region():
            options["s3.cross-region-access-enabled"] = "true"
        return options


class BucketFileIO(PyArrowFileIO):
    """PyIceberg's file access through catalog.bucket, which renews credentials."""

    def __init__(self, properties: Properties = EMPTY_DICT) -> None:
        super().__init__(properties)
        self.fs_by_scheme = lambda scheme, netloc: bucket.filesystem(netloc or "")
