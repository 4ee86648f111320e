"""Featurize photos in one Arrow function: decode, resize, MobileNetV2.

    content (binary) ──decode, resize──▶ uint8 (224, 224, 3) ──ONNX Runtime──▶ 1280 float32 + their norm

Pixels never become a Spark column: 150,528 numbers per photo would cost more to move than to compute.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from transforms.arrow import from_matrix
from transforms.network import load_network, to_pixels
from transforms.weights import SIDE, Featurizer

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_SCHEMA = "image_id string, label string, features array<float>, feature_norm float"


def featurize(photos: DataFrame, featurizer: Featurizer, device: str = "cpu") -> DataFrame:
    """image_id, label, features, feature_norm of photos with image_id, label, content; any partitioning."""
    run = partial(features_of, featurizer=featurizer, device=device)
    return photos.select("image_id", "label", "content").mapInArrow(run, _SCHEMA)


def features_of(batches: Iterable[pa.RecordBatch], featurizer: Featurizer, device: str) -> Iterator[pa.RecordBatch]:
    """The same for Arrow batches, in this process. Raises RunError if the device is `cuda` and has no usable GPU."""
    network = load_network(featurizer, device)
    pixels = np.empty((network.call, SIDE, SIDE, 3), np.uint8)
    for batch in batches:
        features = np.empty((batch.num_rows, network.width), np.float32)
        content = batch["content"]
        for start in range(0, batch.num_rows, network.call):
            part = content.slice(start, network.call)
            for i, photo in enumerate(part):
                pixels[i] = to_pixels(photo.as_buffer())
            features[start : start + len(part)] = network.run(pixels[: len(part)])
        norms = np.linalg.norm(features, axis=1).astype(np.float32)
        columns = [batch["image_id"], batch["label"], from_matrix(features), pa.array(norms)]
        yield pa.RecordBatch.from_arrays(columns, ["image_id", "label", "features", "feature_norm"])
