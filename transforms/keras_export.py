"""Everything that needs TensorFlow, run in a separate process: it starts slowly, needs gigabytes and logs a lot.

    python -m transforms.keras_export check FILE            is it MobileNetV2's weights?
    python -m transforms.keras_export onnx FILE OUT         the network as ONNX
    python -m transforms.keras_export imagenet CACHE        Keras' own download

Exits with 0, or with 1 and the reason in one line on standard output.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalog.errors import FruitlakeError, WeightsError
from catalog.storage import write_atomically
from catalog.tables import FEATURES
from transforms.weights import FINGERPRINT, OTHERS, SIDE, fingerprint_of

if TYPE_CHECKING:
    import keras


def load_keras(path: Path) -> keras.Model:
    """MobileNetV2 (no top, average pooling: 1280 numbers) with a file's weights. Raises WeightsError."""
    model = _mobilenet(weights=None)
    try:
        model.load_weights(path)
    except Exception as error:  # Keras passes on any error of its readers
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise WeightsError(
            f"{path} does not hold the weights of MobileNetV2 without top, width 1.0, {FEATURES} features "
            f"({reason.strip()[:160]}): {OTHERS}"
        ) from error
    return model


def to_onnx(model: keras.Model, fingerprint: str) -> bytes:
    """The network from uint8 pixels (n, 224, 224, 3) to features (n, 1280); scaling is inside the graph."""
    import tensorflow as tf
    import tf2onnx

    def features(pixels: tf.Tensor) -> tf.Tensor:
        return model(tf.cast(pixels, tf.float32) / 127.5 - 1.0, training=False)

    signature = [tf.TensorSpec((None, SIDE, SIDE, 3), tf.uint8, name="pixels")]
    proto, _ = tf2onnx.convert.from_function(tf.function(features), input_signature=signature, opset=17)
    proto.metadata_props.add(key=FINGERPRINT, value=fingerprint)
    return bytes(proto.SerializeToString())


def download_imagenet(cache: Path) -> None:
    """Let Keras put its ImageNet weights into the cache. Raises WeightsError without a network."""
    os.environ["KERAS_HOME"] = str(cache / "keras")  # nothing is written outside our cache
    try:
        _mobilenet(weights="imagenet")
    except Exception as error:  # Keras wraps every network failure in a bare Exception
        reason = str(error).strip().splitlines()[0][:200]
        raise WeightsError(f"the ImageNet weights could not be downloaded ({reason}): {OTHERS}") from error


def _mobilenet(weights: str | None) -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")  # the engine is chosen by --engine, not by the machine
    import keras

    return keras.applications.MobileNetV2(
        include_top=False, pooling="avg", weights=weights, input_shape=(SIDE, SIDE, 3)
    )


def _main(command: str, first: str, *rest: str) -> None:
    if command == "imagenet":
        download_imagenet(Path(first))
        return
    model = load_keras(Path(first))
    if command == "onnx":
        write_atomically(rest[0], to_onnx(model, fingerprint_of(Path(first))))


if __name__ == "__main__":
    try:
        _main(*sys.argv[1:])
    except FruitlakeError as error:
        print(error)
        sys.exit(1)
