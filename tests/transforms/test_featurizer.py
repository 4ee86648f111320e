"""Features, and that both engines compute the same ones."""

import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import pytest
from cykooz_resizer import CpuExtensions, Resizer
from PIL import Image
from pyspark.sql import SparkSession

from catalog.errors import WeightsError
from catalog.tables import FEATURES
from ingestion.photo import decode
from ingestion.samples import SAMPLE_LABELS, sample_photos
from tests.photos import display_p3, encode, in_display_p3, picture, sample_photo
from transforms.featurizer import featurize
from transforms.network import load_network, resize, to_pixels
from transforms.onnx_session import onnx_session
from transforms.weights import FINGERPRINT, Featurizer, find, fingerprint_of, prepare


@pytest.fixture(scope="module")
def contents() -> list[bytes]:
    """One demo photo of each of twelve labels."""
    return [sample_photos(label)[0].read_bytes() for label in SAMPLE_LABELS[:12]]


@pytest.fixture(scope="module")
def bundled(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Featurizer]:
    lake = str(tmp_path_factory.mktemp("models"))
    return {engine: prepare("bundled", engine, cache, lake) for engine in ("onnx", "tensorflow")}


def test_the_onnx_engine_gives_the_features_of_tensorflow(
    contents: list[bytes], bundled: dict[str, Featurizer]
) -> None:
    pixels = np.stack([to_pixels(content) for content in contents])
    assert pixels.shape == (12, 224, 224, 3)
    theirs = load_network(bundled["tensorflow"]).run(pixels)
    ours = load_network(bundled["onnx"]).run(pixels)
    assert ours.shape == (12, FEATURES)
    assert np.ptp(ours, axis=0).max() > 0.01, "the photos must differ for the comparison to mean anything"
    assert np.abs(ours - theirs).max() <= 1e-3


def test_the_resizer_gives_the_features_of_pillows_bicubic_pixels(
    contents: list[bytes], bundled: dict[str, Featurizer]
) -> None:
    images = [*map(decode, contents), picture(0, (32, 3000)), picture(1, (640, 480))]
    theirs = np.stack([np.asarray(image.resize((224, 224), Image.Resampling.BICUBIC)) for image in images])
    network = load_network(bundled["onnx"])
    expected, features = network.run(theirs), network.run(np.stack([resize(image) for image in images]))
    norms = np.linalg.norm(expected, axis=1) * np.linalg.norm(features, axis=1)
    assert ((expected * features).sum(axis=1) / norms).min() >= 0.999


def test_the_resizer_gives_the_same_bytes_on_every_cpu(contents: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    def plain() -> Resizer:
        resizer = Resizer()
        resizer.cpu_extensions = CpuExtensions.none
        return resizer

    with_simd = [to_pixels(content) for content in contents]
    monkeypatch.setattr("transforms.network.Resizer", plain)
    np.testing.assert_array_equal([to_pixels(content) for content in contents], with_simd)


# The steps of a first run up to the features; importing h5py would only cost time, too.
_FRESH = """
import sys
from pathlib import Path
from ingestion.samples import sample_photos
from transforms.network import load_network, to_pixels
from transforms.weights import prepare
folder = Path(sys.argv[1])
featurizer = prepare("bundled", "onnx", folder / "cache", str(folder / "lake"))
features = load_network(featurizer).run(to_pixels(sample_photos("Plum")[0].read_bytes())[None])
assert features.shape == (1, 1280)
assert not (folder / "cache").exists(), "nothing is exported"
print(*{"tensorflow", "keras", "tf2onnx", "h5py"} & sys.modules.keys())
"""


def test_the_bundled_weights_need_no_tensorflow(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _FRESH, tmp_path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def shipped() -> Path:
    """The network that comes with the package, next to the weights."""
    return find("bundled", Path()).with_suffix(".onnx")


def test_the_shipped_network_names_the_bundled_weights(cache: Path) -> None:
    named = onnx_session(shipped().read_bytes()).get_modelmeta().custom_metadata_map[FINGERPRINT]
    assert named == fingerprint_of(find("bundled", cache))


@pytest.mark.exhaustive
def test_the_bundled_weights_exported_again_are_the_shipped_network(cache: Path, tmp_path: Path) -> None:
    again = prepare(str(find("bundled", cache)), "onnx", tmp_path / "cache", str(tmp_path / "lake"))  # by TensorFlow
    assert again.model_id == prepare("bundled", "onnx", cache, str(tmp_path / "shipped")).model_id
    pixels = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)
    ours = load_network(Featurizer("", "onnx", str(shipped()))).run(pixels)
    theirs = load_network(again).run(pixels)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("engine", ["onnx", "tensorflow"])  # one photo per call, and several
def test_spark_gives_each_photo_its_own_features(
    spark: SparkSession, contents: list[bytes], bundled: dict[str, Featurizer], engine: str
) -> None:
    rows = [(f"id{i:02}", SAMPLE_LABELS[i], content) for i, content in enumerate(contents)]
    photos = spark.createDataFrame(rows, "image_id string, label string, content binary").repartition(2)
    got = {r.image_id: r for r in featurize(photos, bundled[engine]).collect()}
    network = load_network(bundled[engine])
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
    # nothing listens on port 9 of this machine, so the download fails at once, wherever the tests run
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


def test_a_photo_in_display_p3_has_the_features_of_the_same_photo_in_srgb(bundled: dict[str, Featurizer]) -> None:
    network = load_network(bundled["onnx"])
    fruit = sample_photo("Apple Braeburn", 1, 600)
    wide = in_display_p3(fruit)
    # as PNG, so that only the colours differ
    photos = [encode(fruit, "PNG"), encode(wide, "PNG", icc_profile=display_p3()), encode(wide, "PNG")]
    srgb, tagged, untagged = network.run(np.stack([to_pixels(photo) for photo in photos]))
    assert _cosine(srgb, tagged) > 0.999
    assert _cosine(srgb, untagged) < 0.995, "without its profile, the photo would differ"


def _cosine(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))
