"""Make an int8 copy of an exported network, calibrated on photos of the lake, and store it there as a separate model.

    network ──fold──▶ ranges of 64 photos' activations ──▶ unsigned 8-bit activations, signed 8-bit weights per channel
    ──▶ biases corrected on 8 of these photos

The first three convolutions, of few weights and many pixels, stay in fp32: they would hardly be faster in int8.

Sums in int8 are exact on every CPU. Without VNNI, x86 adds pairs of 8-bit products in 16 bits, with saturation, so the
weights are scaled until no two neighbours can exceed 16 bits.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from catalog.errors import WeightsError
from catalog.storage import files, read_bytes, write_object
from transforms.bias_correction import correct_biases
from transforms.network import Pixels, to_pixels
from transforms.onnx_session import load_onnxruntime
from transforms.weights import MODEL_ID, SIDE, Featurizer

if TYPE_CHECKING:
    import onnx

CALIBRATION_PHOTOS = 64
_CANDIDATES = 1.5  # times as many photos are decoded; then 2 of 10,000 samples are a few photos smaller
_CORRECTION_PHOTOS = 8
_FP32_CONVOLUTIONS = 3
_LARGEST = 127  # of a signed 8-bit weight
_LARGEST_PAIR = 127.5  # of two neighbours, before rounding: 255 × 128 is the most that 16 bits hold


class Calibrated(NamedTuple):
    """An int8 network that is not stored yet."""

    model_id: str
    network: bytes


def quantized(exported: Featurizer, lake: str, images: DataFrame | None, count: int) -> Featurizer:
    """The lake's int8 model of an exported network; it is made and stored if there is none yet.

    Arguments and errors are those of `calibrated`; also raises as `find_quantized` does.
    """
    return find_quantized(exported, lake) or store(calibrated(exported, images, count), lake)


def calibrated(exported: Featurizer, images: DataFrame | None, count: int) -> Calibrated:
    """Quantize an exported network, calibrated on some of the photos of `images`, such as bronze.images.

    count: the number of rows of images. Raises WeightsError if there are none.
    """
    pixels = _sample(images, count) if images is not None and count else None
    if pixels is None:
        raise WeightsError("int8 is calibrated on photos of the lake, which has none: `fruitlake run bronze` first")
    network = quantize(read_bytes(exported.uri), pixels)
    model_id = _stem(exported) + hashlib.sha256(network.SerializeToString()).hexdigest()[:8]
    network.metadata_props.add(key=MODEL_ID, value=model_id)
    return Calibrated(model_id, network.SerializeToString())


def store(model: Calibrated, lake: str) -> Featurizer:
    """Store an int8 model in the lake."""
    uri = f"{lake}/model/{model.model_id}/model.onnx"
    write_object(uri, model.network)
    return Featurizer(model.model_id, "onnx", uri)


def find_quantized(exported: Featurizer, lake: str) -> Featurizer | None:
    """The int8 model of an exported network that the lake holds. Raises WeightsError for another engine's network."""
    if exported.engine != "onnx":
        raise WeightsError(f"--precision int8 runs on ONNX Runtime, not on {exported.engine}: leave --engine out")
    if "-int8-" in exported.model_id:
        return exported
    folders = sorted(Path(uri).parent.name for uri in files(f"{lake}/model"))
    found = next((folder for folder in folders if folder.startswith(_stem(exported))), None)
    return Featurizer(found, "onnx", f"{lake}/model/{found}/model.onnx") if found else None


def _stem(exported: Featurizer) -> str:
    return exported.model_id.replace("onnx-", "onnx-int8-") + "-"


def calibration_ids(images: DataFrame) -> DataFrame:
    """The image_id of CALIBRATION_PHOTOS photos, the first by id: ids are hashes, so this is a stable random sample."""
    return images.select("image_id").orderBy("image_id").limit(CALIBRATION_PHOTOS)


def quantize(network: bytes, pixels: Pixels) -> onnx.ModelProto:
    """Quantize the network's convolutions to int8, calibrated on pixels (n, 224, 224, 3)."""
    load_onnxruntime()
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    calls = ({"pixels": pixels[i : i + 1]} for i in range(len(pixels)))

    class Photos(CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, Pixels] | None:
            return next(calls, None)

    with tempfile.TemporaryDirectory() as folder:
        exported, folded, target = (str(Path(folder) / f"{name}.onnx") for name in ("exported", "folded", "int8"))
        Path(exported).write_bytes(network)
        quant_pre_process(exported, folded, skip_symbolic_shape=True)  # batch normalization becomes part of weights
        graph = onnx.load(folded).graph
        convolutions = [node for node in graph.node if node.op_type == "Conv"]
        weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
        quantize_static(
            folded,
            target,
            Photos(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Add", "Clip"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[node.name for node in convolutions[:_FP32_CONVOLUTIONS]],
            extra_options={
                "TensorQuantOverrides": {
                    node.input[1]: _ranges(weights[node.input[1]], QuantType.QInt8)
                    for node in convolutions[_FP32_CONVOLUTIONS:]
                }
            },
        )
        return correct_biases(onnx.load(target), onnx.load(folded), pixels[:_CORRECTION_PHOTOS])


def _ranges(weights: npt.NDArray[np.float32], kind: Any) -> list[dict[str, Any]]:
    """The symmetric range of each output channel's weights (channels, inputs, height, width)."""
    flat = weights.reshape(len(weights), -1)
    scale = np.abs(flat).max(axis=1) / _LARGEST
    if weights.shape[1] > 1:  # depthwise convolutions add in 32 bits
        for part in (np.clip(flat, 0, None), np.clip(-flat, 0, None)):  # products of opposite signs partly cancel
            scale = np.maximum(scale, (part[:, 0::2] + part[:, 1::2]).max(axis=1) / _LARGEST_PAIR)
    largest = (scale * _LARGEST).astype(np.float32)
    return [{"axis": 0, "quant_type": kind, "symmetric": True, "rmin": -r, "rmax": r} for r in largest]


def _sample(images: DataFrame, count: int) -> Pixels | None:
    """The pixels of the photos of `calibration_ids`, (n, 224, 224, 3); None if there are none.

    Ids are hashes, evenly distributed, so a bound on them leaves about 96 photos to decode, and almost always the 64
    with the smallest ids among them.
    """
    share = _CANDIDATES * CALIBRATION_PHOTOS / count
    few = images.where(F.col("image_id") < f"{int(share * 16**8):08x}") if share < 1 else images
    decoded = few.select("image_id", "content").mapInArrow(_decode, "image_id string, pixels binary")
    found = decoded.orderBy("image_id").limit(CALIBRATION_PHOTOS).toArrow()["pixels"].to_pylist()
    return np.stack([np.frombuffer(photo, np.uint8).reshape(SIDE, SIDE, 3) for photo in found]) if found else None


def _decode(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        pixels = [to_pixels(photo.as_buffer()).tobytes() for photo in batch["content"]]
        yield pa.RecordBatch.from_pydict({"image_id": batch["image_id"], "pixels": pa.array(pixels, pa.binary())})
