"""Find MobileNetV2's weights, derive the model's id from them, and put the model into the lake.

imagenet | FILE ──▶ weights file ──▶ model_id (from the numbers, not from the file's bytes)
                         └─keras_export.py, once─▶ ONNX in the cache ──▶ <lake>/model/<model_id>/
bundled | FILE.onnx, exported before ─────────────▶ the same model_id, without TensorFlow ─▲
"""

import hashlib
import io
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from catalog.errors import WeightsError
from catalog.storage import exists, normalize, read_bytes, write_object
from catalog.storage import files as files_below
from transforms.onnx_session import onnx_session

SIDE = 224  # px, the network's input size
OTHERS = "--weights bundled takes the project's own, --weights FILE a .keras or .h5 file of MobileNetV2"
FINGERPRINT = "fruitlake.fingerprint"  # metadata key of an exported network: the fingerprint of its weights
MODEL_ID = "fruitlake.model_id"  # metadata key of a quantized network
# Preprocessing of photos, part of the model's name: colours are converted to sRGB by the ICC profile, a JPEG above 52
# million pixels is scaled down while it is decoded, and the result is stretched to the network's size.
_RECIPE = "srgb-jpegscaled52mp-catmullrom224-div127.5"
_IMAGENET = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"  # Keras' own name
_BUNDLED = Path(str(files("transforms") / "weights" / "fruitlake.keras"))  # beside it, exported: fruitlake.onnx


@dataclass(frozen=True)
class Featurizer:
    """What an executor needs to compute features: the engine, and the URI of its model in the lake."""

    model_id: str
    engine: str
    uri: str


def prepare(weights: str, engine: str, cache: Path, lake: str) -> Featurizer:
    """Store the model in the lake, if necessary. weights: imagenet, bundled or a path. Raises WeightsError."""
    if weights == "bundled" and engine == "onnx":
        weights = str(_BUNDLED.with_suffix(".onnx"))
    if weights.endswith(".onnx"):
        return _exported(weights, engine, lake)
    source = find(weights, cache)
    fingerprint = fingerprint_of(source)
    model_id = f"mobilenetv2-{engine}-{fingerprint[:12]}"
    if engine == "onnx":
        local = cache / "onnx" / f"{fingerprint}.onnx"
        if not local.exists():
            _with_tensorflow("onnx", str(source), str(local))
        uri = f"{lake}/model/{model_id}/model.onnx"
    else:
        local = source
        uri = f"{lake}/model/{model_id}/weights{source.suffix}"
        if not exists(uri):
            _with_tensorflow("check", str(source))  # a wrong file must fail here, not in an executor
    if not exists(uri):
        write_object(uri, local.read_bytes())
    return Featurizer(model_id, engine, uri)


def of_lake(lake: str, model_id: str) -> Featurizer:
    """The model of a lake's features, which the run that computed them stored in the lake.

    Raises WeightsError if it is missing, or a different model.
    """
    folder = f"{lake}/model/{model_id}"
    there = list(files_below(folder))
    if not there:
        raise WeightsError(
            f"the network {model_id}, which the lake's vectors were made with, is not in '{folder}': "
            "`fruitlake run --weights …` with the same weights puts it there again"
        )
    engine, uri = model_id.split("-")[1], there[0]
    if engine == "onnx" and _exported_as(read_bytes(uri)) != model_id:
        raise WeightsError(f"'{uri}' is not the network {model_id}: delete it, and run again with its weights")
    return Featurizer(model_id, engine, uri)


def _exported_as(network: bytes) -> str | None:
    """The model_id of an exported network; None if Fruitlake has not exported it."""
    try:
        metadata = onnx_session(network).get_modelmeta().custom_metadata_map
        return metadata.get(MODEL_ID) or f"mobilenetv2-onnx-{metadata[FINGERPRINT][:12]}"
    except Exception:  # noqa: BLE001  # ONNX Runtime's errors have no other common base
        return None


def _exported(weights: str, engine: str, lake: str) -> Featurizer:
    """The model of an exported network, in a folder or a bucket, with the model_id it was exported with."""
    if engine != "onnx":
        raise WeightsError(f"--engine {engine} cannot run the exported network '{weights}': {OTHERS}")
    try:
        network = read_bytes(normalize(weights))
    except OSError as error:
        raise WeightsError(f"'{weights}' cannot be read ({error}): {OTHERS}") from error
    model_id = _exported_as(network)
    if model_id is None:
        raise WeightsError(f"'{weights}' was not exported by Fruitlake: {OTHERS}")
    uri = f"{lake}/model/{model_id}/model.onnx"
    if not exists(uri):
        write_object(uri, network)
    return Featurizer(model_id, engine, uri)


def find(weights: str, cache: Path) -> Path:
    """The weights' file; `imagenet` is downloaded if it is not in the cache. Raises WeightsError."""
    if weights == "bundled":
        return _BUNDLED
    if weights == "imagenet":
        path = cache / "keras" / "models" / _IMAGENET
        if not path.exists():
            _with_tensorflow("imagenet", str(cache))
        return path
    path = Path(weights).expanduser().absolute()
    if not path.is_file():
        raise WeightsError(f"there is no weights file '{weights}': --weights imagenet is Keras' download, {OTHERS}")
    if path.suffix not in (".keras", ".h5"):
        raise WeightsError(f"'{weights}' is not a weights file by its name: {OTHERS}")
    return path


def fingerprint_of(path: Path) -> str:
    """A hash of the weights' names, shapes and numbers, independent of the file's compression and dates."""
    import h5py  # imported here, because exported networks do not need it

    digest = hashlib.sha256(_RECIPE.encode())

    def add(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            digest.update(f"{name}{item.shape}{item.dtype}".encode())
            digest.update(item[()].tobytes())

    try:
        source: Path | io.BytesIO = path
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                source = io.BytesIO(archive.read("model.weights.h5"))
        with h5py.File(source, "r") as file:
            file.visititems(add)
    except (OSError, KeyError, zipfile.BadZipFile, TypeError, AttributeError) as error:
        raise WeightsError(f"{path} cannot be read as Keras weights ({error}): {OTHERS}") from error
    return digest.hexdigest()


def _with_tensorflow(*arguments: str) -> None:
    command = [sys.executable, "-m", "transforms.keras_export", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or ["it said nothing"]
        raise WeightsError(said[-1])
