"""Photos to features, in one Arrow function: decode, resize, MobileNetV2.

    content (binary) ──Pillow──▶ uint8 (224, 224, 3) ──ONNX Runtime──▶ 1280 float32 + their norm

Pixels never become a Spark column: 150,528 numbers a photo would cost more to move than to compute.
The network is loaded once per Python worker and runs on one thread, since every task slot has a worker.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image
from pyspark.sql import DataFrame

from catalog.storage import read_bytes
from ingestion.photo import decode
from transforms.onnx_session import onnx_session
from transforms.pca import from_matrix
from transforms.weights import SIDE, Featurizer

Pixels = npt.NDArray[np.uint8]  # (n, 224, 224, 3)
Features = npt.NDArray[np.float32]  # (n, 1280)

_PHOTOS_A_CALL = 4  # what one call of the network takes: with more, its activations leave the caches
_SCHEMA = "image_id string, label string, features array<float>, feature_norm float"


def featurize(photos: DataFrame, featurizer: Featurizer) -> DataFrame:
    """image_id, label, features, feature_norm of photos with image_id, label, content; any partitioning."""

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        network = load_network(featurizer.engine, featurizer.uri)
        pixels = np.empty((_PHOTOS_A_CALL, SIDE, SIDE, 3), np.uint8)
        for batch in batches:
            features = np.empty((batch.num_rows, network.width), np.float32)
            content = batch["content"]
            for start in range(0, batch.num_rows, _PHOTOS_A_CALL):
                part = content.slice(start, _PHOTOS_A_CALL)
                for i, photo in enumerate(part):
                    pixels[i] = to_pixels(photo.as_buffer())
                features[start : start + len(part)] = network.run(pixels[: len(part)])
            norms = np.linalg.norm(features, axis=1).astype(np.float32)
            columns = [batch["image_id"], batch["label"], from_matrix(features), pa.array(norms)]
            yield pa.RecordBatch.from_arrays(columns, ["image_id", "label", "features", "feature_norm"])

    return photos.select("image_id", "label", "content").mapInArrow(run, _SCHEMA)


def to_pixels(content: Any) -> Pixels:
    """A photo's bytes as upright RGB, stretched to (224, 224, 3) by bicubic interpolation."""
    image = decode(bytes(content))
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


class Network:
    """Pixels to features: run() maps (n, 224, 224, 3) uint8 to (n, width) float32."""

    def __init__(self, width: int, run: Callable[[Pixels], Features]) -> None:
        self.width = width
        self.run = run


@cache  # per Python worker
def load_network(engine: str, uri: str) -> Network:
    return _load_onnx(uri) if engine == "onnx" else _load_tensorflow(uri)


def _load_onnx(uri: str) -> Network:
    session = onnx_session(read_bytes(uri))
    output = session.get_outputs()[0]
    return Network(output.shape[-1], lambda pixels: session.run([output.name], {"pixels": pixels})[0])


def _load_tensorflow(uri: str) -> Network:
    import tempfile
    from pathlib import Path

    import tensorflow as tf

    from transforms.keras_export import load_keras

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / os.path.basename(uri)
        path.write_bytes(read_bytes(uri))
        model = load_keras(path)

    def run(pixels: Pixels) -> Features:
        return np.asarray(model(pixels.astype(np.float32) / 127.5 - 1, training=False))

    return Network(model.output_shape[-1], run)
