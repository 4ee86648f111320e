"""Compute MobileNetV2's features of a photo in this process, shared by Spark tasks and `identify`.

    content ──decode, resize──▶ uint8 (224, 224, 3) ──ONNX Runtime or TensorFlow──▶ 1280 float32

The network is loaded once per process and runs on one thread, because every task slot has its own process.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from cykooz_resizer import FilterType, ResizeAlg, ResizeOptions, Resizer
from PIL import Image

from catalog.storage import read_bytes
from ingestion.photo import decode
from transforms.onnx_session import onnx_session
from transforms.weights import SIDE, Featurizer

Pixels = npt.NDArray[np.uint8]  # (n, 224, 224, 3)
Features = npt.NDArray[np.float32]  # (n, 1280)


# Catmull-Rom is the bicubic filter that Pillow uses, too, but Pillow takes 4 to 5 times as long (docs/scaling.md).
_BICUBIC = ResizeOptions(resize_alg=ResizeAlg.convolution(FilterType.catmull_rom), use_alpha=False)


def to_pixels(content: Any) -> Pixels:
    """Decode a photo into upright sRGB, stretched to (224, 224, 3)."""
    return resize(decode(bytes(content)))


def resize(image: Image.Image) -> Pixels:
    """Stretch an image to (224, 224, 3) by bicubic interpolation."""
    pixels = Image.new("RGB", (SIDE, SIDE))
    Resizer().resize_pil(image, pixels, _BICUBIC)
    return np.asarray(pixels)


class Network:
    """A loaded network: run() maps pixels (n, 224, 224, 3) uint8 to features (n, width) float32."""

    def __init__(self, width: int, run: Callable[[Pixels], Features]) -> None:
        self.width = width
        self.run = run


@cache  # per process
def load_network(featurizer: Featurizer) -> Network:
    """Load a model into its engine."""
    if featurizer.engine == "tensorflow":
        return _load_tensorflow(featurizer.uri)
    session = onnx_session(read_bytes(featurizer.uri))
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
