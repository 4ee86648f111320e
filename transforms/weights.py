"""The MobileNetV2 that featurizes: find its weights, name it, put it into the lake.

imagenet | bundled | FILE ──▶ weights file ──▶ model_id (from the numbers, not from the file's bytes)
                                  └─keras_export.py, once─▶ ONNX in the cache ──▶ <lake>/model/<model_id>/
FILE.onnx, exported like that before ──▶ the same model_id, without TensorFlow ────────────▲
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import h5py

from catalog.errors import WeightsError
from catalog.storage import exists, normalize, read_bytes, write_object
from transforms.onnx_session import onnx_session

SIDE = 224  # px, what MobileNetV2 takes
OTHERS = "--weights bundled takes the project's own, --weights FILE a .keras or .h5 file of MobileNetV2"
FINGERPRINT = "fruitlake.fingerprint"  # an exported network says by this which weights it has
_RECIPE = "rgb-bicubic224-div127.5"  # what is done to a photo before the network; part of the model's name
_IMAGENET = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"  # Keras' own name


@dataclass(frozen=True)
class Featurizer:
    """What an executor needs to featurize: the engine, and where its model lies in the lake."""

    model_id: str
    engine: str
    uri: str


def prepare(weights: str, engine: str, cache: Path, lake: str) -> Featurizer:
    """Make the model ready in the lake. weights: imagenet, bundled or a path. Raises WeightsError."""
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


def _exported(weights: str, engine: str, lake: str) -> Featurizer:
    """The model of an exported network, in a folder or a bucket, named as the machine that exported it named it."""
    if engine != "onnx":
        raise WeightsError(f"--engine {engine} cannot run the exported network '{weights}': {OTHERS}")
    try:
        network = read_bytes(normalize(weights))
        fingerprint = onnx_session(network).get_modelmeta().custom_metadata_map[FINGERPRINT]
    except OSError as error:
        raise WeightsError(f"'{weights}' cannot be read ({error}): {OTHERS}") from error
    except Exception as error:  # ONNX Runtime's own errors share no base but this
        raise WeightsError(f"'{weights}' was not exported by Fruitlake ({type(error).__name__}): {OTHERS}") from error
    model_id = f"mobilenetv2-{engine}-{fingerprint[:12]}"
    uri = f"{lake}/model/{model_id}/model.onnx"
    if not exists(uri):
        write_object(uri, network)
    return Featurizer(model_id, engine, uri)


def find(weights: str, cache: Path) -> Path:
    """The weights' file; `imagenet` is downloaded if it is not in the cache. Raises WeightsError."""
    if weights == "bundled":
        return Path(str(files("transforms") / "weights" / "fruitlake.keras"))
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
    """A hash of the weights' names, shapes and numbers: the same however the file was zipped and dated."""
    digest = hashlib.sha256(_RECIPE.encode())

    def add(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            digest.update(f"{name}{item.shape}{item.dtype}".encode())
            digest.update(item[()].tobytes())

    try:
        with h5py.File(_h5(path), "r") as file:
            file.visititems(add)
    except (OSError, KeyError, zipfile.BadZipFile, TypeError, AttributeError) as error:
        raise WeightsError(f"{path} cannot be read as Keras weights ({error}): {OTHERS}") from error
    return digest.hexdigest()


def _h5(path: Path) -> Path | io.BytesIO:
    if path.suffix != ".keras":
        return path
    with zipfile.ZipFile(path) as archive:
        return io.BytesIO(archive.read("model.weights.h5"))


def _with_tensorflow(*arguments: str) -> None:
    command = [sys.executable, "-m", "transforms.keras_export", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or ["it said nothing"]
        raise WeightsError(said[-1])
