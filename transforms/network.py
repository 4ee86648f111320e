"""Compute MobileNetV2's features of a photo in this process, shared by Spark tasks and `identify`.

    content ──decode, resize──▶ uint8 (224, 224, 3) ──ONNX Runtime or TensorFlow──▶ 1280 float32

The network is loaded once per process and runs on one thread, because every task slot has its own process. On a GPU,
which these processes share, they decode at the same time as it computes.
"""

import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

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

_CPU_CALL = 1  # photos per call; with more, the network's activations no longer fit in the CPU's caches
_TENSORFLOW_CALL = 4  # each call has a large overhead
_GPU_CALL = 64
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


class Network(NamedTuple):
    """A loaded network.

    Attributes:
        width: number of features.
        call: photos per call that suit the device.
        run: maps pixels (n, 224, 224, 3) uint8 to features (n, width) float32; on a GPU, n must not exceed `call`.
    """

    width: int
    call: int
    run: Callable[[Pixels], Features]


@lru_cache(maxsize=1)  # per process; the network of another lake takes its place
def load_network(featurizer: Featurizer, device: str = "cpu") -> Network:
    """Load a model into its engine, on `cpu` or `cuda`. Raises RunError if there is no usable GPU."""
    if featurizer.engine == "tensorflow":
        return _load_tensorflow(featurizer.uri)
    session = onnx_session(read_bytes(featurizer.uri), device)
    output = session.get_outputs()[0]

    def run(pixels: Pixels) -> Features:
        return np.asarray(session.run([output.name], {"pixels": pixels})[0])

    def run_padded(pixels: Pixels) -> Features:  # a call of another size would be planned anew, for seconds
        missing = _GPU_CALL - len(pixels)
        return run(np.pad(pixels, ((0, missing), (0, 0), (0, 0), (0, 0))) if missing else pixels)[: len(pixels)]

    return Network(output.shape[-1], *((_GPU_CALL, run_padded) if device == "cuda" else (_CPU_CALL, run)))


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

    return Network(model.output_shape[-1], _TENSORFLOW_CALL, run)
