"""The features, and that both engines give the same ones."""

from __future__ import annotations

import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from pyspark.sql import SparkSession

from catalog.errors import WeightsError
from catalog.tables import FEATURES
from ingestion.samples import SAMPLE_LABELS, draw_photo
from tests.photos import encode
from transforms.featurizer import featurize, load_network, to_pixels
from transforms.weights import Featurizer, fingerprint_of, prepare


@pytest.fixture(scope="module")
def contents() -> list[bytes]:
    """Twelve sample photos as JPEG bytes."""
    return [encode(draw_photo(label, 0), "JPEG", quality=90) for label in SAMPLE_LABELS[:12]]


@pytest.fixture(scope="module")
def bundled(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Featurizer]:
    lake = str(tmp_path_factory.mktemp("models"))
    return {engine: prepare("bundled", engine, cache, lake) for engine in ("onnx", "tensorflow")}


def test_the_onnx_engine_gives_the_features_of_tensorflow(
    contents: list[bytes], bundled: dict[str, Featurizer]
) -> None:
    pixels = np.stack([to_pixels(content) for content in contents])
    assert pixels.shape == (12, 224, 224, 3)
    theirs = load_network("tensorflow", bundled["tensorflow"].uri).run(pixels)
    ours = load_network("onnx", bundled["onnx"].uri).run(pixels)
    assert ours.shape == (12, FEATURES)
    assert np.ptp(ours, axis=0).max() > 0.01, "the photos must differ for the comparison to mean anything"
    assert np.abs(ours - theirs).max() <= 1e-3


def test_spark_gives_each_photo_its_own_features(
    spark: SparkSession, contents: list[bytes], bundled: dict[str, Featurizer]
) -> None:
    rows = [(f"id{i:02}", SAMPLE_LABELS[i], content) for i, content in enumerate(contents)]
    photos = spark.createDataFrame(rows, "image_id string, label string, content binary").repartition(2)
    got = {r.image_id: r for r in featurize(photos, bundled["onnx"]).collect()}
    network = load_network("onnx", bundled["onnx"].uri)
    for i, content in enumerate(contents):
        alone = network.run(to_pixels(content)[None])[0]
        row = got[f"id{i:02}"]
        assert row.label == SAMPLE_LABELS[i]
        np.testing.assert_allclose(row.features, alone, atol=1e-4)
        assert row.feature_norm == pytest.approx(float(np.linalg.norm(alone)), rel=1e-4)


def test_the_model_is_named_by_its_numbers_not_by_its_zip(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "model.weights.h5", "w") as file:
        file["layers/a"] = np.arange(5)
    for name, kind in (("one.keras", zipfile.ZIP_STORED), ("two.keras", zipfile.ZIP_DEFLATED)):
        with zipfile.ZipFile(tmp_path / name, "w", kind) as archive:
            archive.write(tmp_path / "model.weights.h5", "model.weights.h5")
    one, two = fingerprint_of(tmp_path / "one.keras"), fingerprint_of(tmp_path / "two.keras")
    assert one == two == fingerprint_of(tmp_path / "model.weights.h5")
    with h5py.File(tmp_path / "model.weights.h5", "a") as file:
        file["layers/a"][0] = 9
    assert fingerprint_of(tmp_path / "model.weights.h5") != one


def test_the_engine_is_part_of_the_models_name(bundled: dict[str, Featurizer]) -> None:
    assert bundled["onnx"].model_id != bundled["tensorflow"].model_id


def test_weights_of_another_network_are_refused(cache: Path, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.weights.h5", "w") as file:
        file["layers/dense/vars/0"] = np.zeros((10, 10), np.float32)
    with pytest.raises(
        WeightsError, match=r"other.weights.h5 does not hold the weights of MobileNetV2.*--weights bund"
    ):
        prepare(str(tmp_path / "other.weights.h5"), "onnx", cache, str(tmp_path / "lake"))
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("absent.keras", None, "there is no weights file"),
        ("photo.jpg", b"\xff\xd8", "not a weights file by its name"),
        ("broken.keras", b"no zip", "cannot be read as Keras weights"),
        ("broken.h5", b"no hdf5", "cannot be read as Keras weights"),
    ],
)
def test_a_file_that_is_no_weights_says_so(
    name: str, content: bytes | None, says: str, cache: Path, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=says):
        prepare(str(tmp_path / name), "onnx", cache, str(tmp_path / "lake"))
    assert not (tmp_path / "lake").exists()


def test_imagenet_without_a_network_names_the_alternatives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # port 9 (discard) of this machine: nothing listens, so the download fails at once, wherever the tests run
    for variable in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(WeightsError, match=r"could not be downloaded.*--weights bundled.*--weights FILE"):
        prepare("imagenet", "onnx", tmp_path / "cache", str(tmp_path / "lake"))


def test_an_exported_network_is_the_same_model_and_needs_no_tensorflow(
    bundled: dict[str, Featurizer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transforms.weights._with_tensorflow", lambda *_: pytest.fail("TensorFlow was started"))
    again = prepare(bundled["onnx"].uri, "onnx", tmp_path / "cache", str(tmp_path / "lake"))
    assert again.model_id == bundled["onnx"].model_id
    assert Path(again.uri).read_bytes() == Path(bundled["onnx"].uri).read_bytes()


def test_an_exported_network_that_is_not_ours_is_refused(bundled: dict[str, Featurizer], tmp_path: Path) -> None:
    (tmp_path / "other.onnx").write_bytes(b"no network")
    for weights, engine, says in (
        (str(tmp_path / "other.onnx"), "onnx", "was not exported by Fruitlake"),
        (str(tmp_path / "gone.onnx"), "onnx", "cannot be read"),
        (bundled["onnx"].uri, "tensorflow", "--engine tensorflow cannot run"),
    ):
        with pytest.raises(WeightsError, match=says):
            prepare(weights, engine, tmp_path / "cache", str(tmp_path / "lake"))
