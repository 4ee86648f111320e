"""The tables of the lake: the single definition from which DDL, writers, audits, queries and tests derive.

Types are Spark DDL. Comments contain the unit, because they are shown in the catalog and so in Athena.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa

FEATURES = 1280  # length of MobileNetV2's average-pooling output


@dataclass(frozen=True)
class Column:
    """One column: its name, its Spark DDL type, and a comment with its unit."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True)
class Table:
    """One table of the lake.

    Attributes:
        name: layer and table, `gold.fruit_vectors`.
        grain: what one row stands for.
        key: the columns that identify a row; unique and never null.
        columns: in their order in the table.
        partition: the column to partition by, if any.
        properties: Iceberg table properties in addition to those of every table.
    """

    name: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    partition: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)

    @property
    def layer(self) -> str:
        """bronze, silver or gold."""
        return self.name.split(".")[0]

    @property
    def ddl(self) -> str:
        """The columns as a Spark schema: `image_id string, label string`."""
        return ", ".join(f"{c.name} {c.type}" for c in self.columns)

    @property
    def arrow_schema(self) -> pa.Schema:
        """The columns as Arrow fields, with their comments in PyIceberg's form."""
        return pa.schema([pa.field(c.name, arrow_type(c.type), metadata={"doc": c.comment}) for c in self.columns])


_ARROW: Final = {
    "string": pa.string(),
    "binary": pa.binary(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}


def arrow_type(ddl: str) -> pa.DataType:
    """The Arrow type of a column's Spark DDL type. Raises KeyError for a type no table has."""
    if ddl.startswith("array<"):
        return pa.list_(arrow_type(ddl.removeprefix("array<").removesuffix(">")))
    return _ARROW[ddl]


def arrow_schema(ddl: str) -> pa.Schema:
    """The Arrow schema of Spark DDL, `image_id string, label string`. Raises KeyError for a type no table has."""
    return pa.schema([(name, arrow_type(kind)) for name, kind in (column.split() for column in ddl.split(", "))])


# Bounds of the batch column let readers skip whole files, because all rows of a file belong to one run.
_BY_BATCH: Final = {"write.metadata.metrics.column.batch": "full"}
# To limit memory, row groups hold only a few photos, and readers take them row by row. Photos are already compressed.
_PHOTOS: Final = {
    **_BY_BATCH,
    "write.parquet.row-group-size-bytes": str(16 * 1024 * 1024),
    "write.parquet.row-group-check-min-record-count": "1",
    "write.parquet.row-group-check-max-record-count": "16",
    "write.parquet.page-row-limit": "16",
    "write.parquet.compression-codec": "uncompressed",
    "write.parquet.stats-enabled.column.content": "false",  # they would hold two more photos in memory
    "read.parquet.vectorization.enabled": "false",
}

_IMAGE_ID = Column("image_id", "string", "sha256 of the stored photo bytes, hex")
_LABEL = Column("label", "string", "variety, from the photo's parent folder")
_MODEL_ID = Column("model_id", "string", "featurizer: architecture, engine and weights fingerprint")
_PCA_ID = Column("pca_id", "string", "the fitted PCA that made the vector")
_BATCH = Column("batch", "string", "id of the run that added the row")

IMAGES = Table(
    "bronze.images",
    "one row per distinct photo",
    ("image_id",),
    (
        _IMAGE_ID,
        _LABEL,
        Column("source_path", "string", "where the photo was read"),
        Column("content", "binary", "the photo file, as stored"),
        Column("width", "int", "upright width, px"),
        Column("height", "int", "upright height, px"),
        Column("size", "bigint", "length of the source file, bytes"),
        Column("source_modified_at", "timestamp", "last change of the source file, UTC"),
        Column("ingested_at", "timestamp", "when the photo entered the lake, UTC"),
        _BATCH,
    ),
    properties=_PHOTOS,
)

QUARANTINE = Table(
    "bronze.quarantine",
    "one row per rejected source file and version of it",
    ("source_path", "batch"),  # a file that changes and is still bad is rejected again
    (
        Column("source_path", "string", "where the file was found"),
        Column("label", "string", "variety, from the parent folder, where there is one"),
        Column("reason", "string", "why it was rejected, one of the reasons of ingestion.photo"),
        Column("detail", "string", "what exactly was met"),
        Column("size", "bigint", "length of the source file, bytes"),
        Column("source_modified_at", "timestamp", "last change of the source file, UTC"),
        Column("quarantined_at", "timestamp", "when the file was rejected, UTC"),
        _BATCH,
    ),
    properties=_BY_BATCH,
)

IMAGE_FEATURES = Table(
    "silver.image_features",
    "one row per photo per model",
    ("image_id", "model_id"),
    (
        _IMAGE_ID,
        _LABEL,
        Column("features", "array<float>", f"MobileNetV2 average-pooled features, {FEATURES} numbers"),
        Column("feature_norm", "float", "Euclidean norm of features"),
        _MODEL_ID,
        _BATCH,
    ),
    properties=_BY_BATCH,
)

PCA = Table(
    "gold.pca",
    "one row: the PCA in use",
    ("pca_id",),
    (
        _PCA_ID,
        _MODEL_ID,
        Column("k", "int", "components kept: the fewest that reach variance_target"),
        Column("variance_target", "double", "share of the variance to keep, 0 to 1"),
        Column("fitted_rows", "bigint", "photos the PCA was fitted on"),
        Column("eigenvalues", "array<double>", f"variance along each of the {FEATURES} components, falling"),
        Column("mean", "array<double>", f"mean of the features it was fitted on, {FEATURES} numbers"),
        Column("components", "array<array<double>>", f"the k kept components, unit vectors of {FEATURES} numbers"),
        Column("fitted_at", "timestamp", "when it was fitted, UTC"),
    ),
)

FRUIT_VECTORS = Table(
    "gold.fruit_vectors",
    "one row per photo",
    ("image_id",),
    (
        _IMAGE_ID,
        Column("vector", "array<float>", "features projected on the k kept components, centred"),
        _PCA_ID,
        _LABEL,
    ),
    partition="label",
)

PCA_VARIANCE = Table(
    "gold.pca_variance",
    "one row per principal component",
    ("component",),
    (
        Column("component", "int", "rank of the component, from 1"),
        Column("eigenvalue", "double", "variance along the component"),
        Column("ratio", "double", "share of the total variance, 0 to 1"),
        Column("cumulative", "double", "share of this component and all before it, 0 to 1"),
        Column("kept", "boolean", "whether the component is among the k kept"),
        _PCA_ID,
    ),
)

LABEL_SUMMARY = Table(
    "gold.label_summary",
    "one row per label",
    ("label",),
    (
        _LABEL,
        Column("photos", "bigint", "photos of the label"),
        Column("share", "double", "share of all photos, 0 to 1"),
        Column("spread", "double", "root mean square distance of its vectors from their centroid"),
        Column("centroid", "array<double>", "mean vector of the label, k numbers"),
        _PCA_ID,
    ),
)

LABEL_SIMILARITY = Table(
    "gold.label_similarity",
    "one row per ordered pair of different labels",
    ("label", "other_label"),
    (
        _LABEL,
        Column("other_label", "string", "the variety it is compared with"),
        Column("cosine", "double", "cosine between the two centroids, -1 to 1"),
        Column("rank", "int", "1 for the most similar other label"),
        _PCA_ID,
    ),
)

LABEL_SUSPECTS = Table(
    "gold.label_suspects",
    "one row per photo that lies nearer to another label's centroid than to its own",
    ("image_id",),
    (
        _IMAGE_ID,
        _LABEL,
        Column("distance", "double", "Euclidean distance of its vector from the centroid of its label"),
        Column("nearest_label", "string", "the variety whose centroid is nearest"),
        Column("nearest_distance", "double", "Euclidean distance from that centroid"),
        _PCA_ID,
    ),
)

_GOLD: Final = (PCA, FRUIT_VECTORS, PCA_VARIANCE, LABEL_SUMMARY, LABEL_SIMILARITY, LABEL_SUSPECTS)
TABLES: dict[str, Table] = {t.name: t for t in (IMAGES, QUARANTINE, IMAGE_FEATURES, *_GOLD)}  # upstream first
