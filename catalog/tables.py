"""The tables of the lake: the one definition that writers, audits, catalogs and tests share.

Types are Spark DDL. Comments carry the unit, because they end up in Glue and in Athena.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FEATURES = 1280  # what MobileNetV2's average pooling gives


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    comment: str


@dataclass(frozen=True)
class Table:
    """A table's contract.

    key: the columns that identify a row; never null, never twice.
    mode: `append` adds one partition a batch and keeps the others; `replace` swaps the whole table.
    partition: the column that names the folders; it is not stored in the files.
    """

    name: str
    grain: str
    mode: Literal["append", "replace"]
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    partition: str | None = None

    @property
    def stored(self) -> tuple[Column, ...]:
        """The columns inside the Parquet files."""
        return tuple(c for c in self.columns if c.name != self.partition)


_IMAGE_ID = Column("image_id", "string", "sha256 of the stored photo bytes, hex")
_LABEL = Column("label", "string", "variety, from the photo's parent folder")
_MODEL_ID = Column("model_id", "string", "featurizer: architecture, engine and weights fingerprint")
_PCA_ID = Column("pca_id", "string", "the fitted PCA that made the vector")
_BATCH = Column("batch", "string", "id of the run that added the row")

IMAGES = Table(
    "bronze.images",
    "one row per distinct photo",
    "append",
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
    partition="batch",
)

QUARANTINE = Table(
    "bronze.quarantine",
    "one row per rejected source file and version of it",
    "append",
    ("source_path", "batch"),  # a file that changes and stays bad is rejected again
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
    partition="batch",
)

IMAGE_FEATURES = Table(
    "silver.image_features",
    "one row per photo per model",
    "append",
    ("image_id", "model_id"),
    (
        _IMAGE_ID,
        _LABEL,
        Column("features", "array<float>", f"MobileNetV2 average-pooled features, {FEATURES} numbers"),
        Column("feature_norm", "float", "Euclidean norm of features"),
        _MODEL_ID,
        _BATCH,
    ),
    partition="batch",
)

PCA = Table(
    "gold.pca",
    "one row: the PCA in use",
    "replace",
    ("pca_id",),
    (
        _PCA_ID,
        _MODEL_ID,
        Column("k", "int", "components kept: the fewest that reach variance_target"),
        Column("variance_target", "double", "share of the variance to keep, 0 to 1"),
        Column("fitted_rows", "bigint", "photos the PCA was fitted on"),
        Column("eigenvalues", "array<double>", f"variance along each of the {FEATURES} components, falling"),
        Column("fitted_at", "timestamp", "when it was fitted, UTC"),
    ),
)

FRUIT_VECTORS = Table(
    "gold.fruit_vectors",
    "one row per photo",
    "replace",
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
    "replace",
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
    "replace",
    ("label",),
    (
        _LABEL,
        Column("photos", "bigint", "photos of the label"),
        Column("share", "double", "share of all photos, 0 to 1"),
        Column("spread", "double", "root mean square distance of its vectors from their centroid"),
        Column("centroid", "array<double>", "mean vector of the label, k numbers"),
    ),
)

LABEL_SIMILARITY = Table(
    "gold.label_similarity",
    "one row per ordered pair of different labels",
    "replace",
    ("label", "other_label"),
    (
        _LABEL,
        Column("other_label", "string", "the variety it is compared with"),
        Column("cosine", "double", "cosine between the two centroids, -1 to 1"),
        Column("rank", "int", "1 for the most similar other label"),
    ),
)

TABLES: dict[str, Table] = {
    t.name: t
    for t in (
        IMAGES,
        QUARANTINE,
        IMAGE_FEATURES,
        PCA,
        FRUIT_VECTORS,
        PCA_VARIANCE,
        LABEL_SUMMARY,
        LABEL_SIMILARITY,
    )
}
