"""int8: as accurate as documented, equal on every CPU, a separate model in the lake, and a card that compares it."""

import json
import shutil
from pathlib import Path
from threading import Event

import numpy as np
import onnx
import onnxruntime
import pytest
from onnxruntime.quantization.shape_inference import quant_pre_process
from pyspark import SparkContext
from pyspark.sql import functions as F
from typer.testing import CliRunner

from bootstrap.cli.app import app
from bootstrap.standing import find_standing
from catalog.errors import AuditError, RunError, WeightsError
from ingestion.bronze import Ingestion
from ingestion.samples import SAMPLE_LABELS, sample_photos
from tests.lakes import AWKWARD_LABELS, Lake
from transforms import quantization
from transforms.bias_correction import correct_biases
from transforms.network import Features, Pixels, to_pixels
from transforms.onnx_session import onnx_session
from transforms.quantization import Calibrated, _sample, calibration_ids, quantize, quantized
from transforms.weights import Featurizer, find, of_lake


@pytest.fixture(scope="module")
def network() -> bytes:
    return find("bundled", Path()).with_suffix(".onnx").read_bytes()


@pytest.fixture(scope="module")
def folded(network: bytes, tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    """The network with its batch normalization folded into the convolutions."""
    exported, target = (str(tmp_path_factory.mktemp("network") / name) for name in ("exported.onnx", "folded.onnx"))
    Path(exported).write_bytes(network)
    quant_pre_process(exported, target, skip_symbolic_shape=True)
    return onnx.load(target)


@pytest.fixture(scope="module")
def photos() -> Pixels:
    return np.stack([to_pixels(photo.read_bytes()) for label in SAMPLE_LABELS for photo in sample_photos(label)[:2]])


@pytest.fixture(scope="module")
def int8(network: bytes, photos: Pixels) -> onnx.ModelProto:
    return quantize(network, photos[::2])


def cosines(one: Features, other: Features) -> Features:
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.asarray((one * other).sum(axis=1) / lengths)


def run(session: onnxruntime.InferenceSession, pixels: Pixels) -> Features:
    return np.asarray(session.run(None, {"pixels": pixels})[0])


def test_int8_features_are_close_to_those_of_fp32(network: bytes, int8: onnx.ModelProto, photos: Pixels) -> None:
    unseen = photos[1::2]
    ours, theirs = run(onnx_session(int8.SerializeToString()), unseen), run(onnx_session(network), unseen)
    assert cosines(ours, theirs).mean() >= 0.99
    assert np.abs(ours - theirs).max() > 1e-3, "the networks must differ"


def test_wrong_biases_are_corrected(
    network: bytes, folded: onnx.ModelProto, int8: onnx.ModelProto, photos: Pixels
) -> None:
    """Ranges and rounding shift what a convolution returns; so does a changed bias, which is what can be tested."""
    wrong = onnx.ModelProto()
    wrong.CopyFrom(int8)
    for tensor in wrong.graph.initializer:
        value = onnx.numpy_helper.to_array(tensor)
        if value.dtype == np.int32 and value.any():  # biases; their zero points are zeros
            tensor.CopyFrom(onnx.numpy_helper.from_array(value + 300, tensor.name))
    corrected = correct_biases(wrong, folded, photos[::8])
    unseen = photos[1::2]
    expected = run(onnx_session(network), unseen)
    assert cosines(run(onnx_session(wrong.SerializeToString()), unseen), expected).mean() < 0.95
    assert cosines(run(onnx_session(corrected.SerializeToString()), unseen), expected).mean() >= 0.99


def test_channels_with_hardly_any_weights_do_not_overflow(folded: onnx.ModelProto, photos: Pixels) -> None:
    """ONNX Runtime gives them scales so small that their biases fill 32 bits."""
    dying = onnx.ModelProto()
    dying.CopyFrom(folded)
    stored = {tensor.name: tensor for tensor in dying.graph.initializer}
    for node in [node for node in dying.graph.node if node.op_type == "Conv"][3:]:
        weights, biases = (onnx.numpy_helper.to_array(stored[name]).copy() for name in node.input[1:3])
        weights[:3] *= 1e-9
        biases[:3] = 0.3, 1, 3
        stored[node.input[1]].CopyFrom(onnx.numpy_helper.from_array(weights, node.input[1]))
        stored[node.input[2]].CopyFrom(onnx.numpy_helper.from_array(biases, node.input[2]))
    network, unseen = dying.SerializeToString(), photos[1::2]
    int8 = quantize(network, photos[::2]).SerializeToString()
    assert cosines(run(onnx_session(int8), unseen), run(onnx_session(network), unseen)).mean() >= 0.99


def test_int8_is_the_same_without_the_cpus_own_instructions(int8: onnx.ModelProto, photos: Pixels) -> None:
    """Without optimization, ONNX Runtime computes the same in fp32; only a rounding differs from int8 instructions."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    exact = onnxruntime.InferenceSession(int8.SerializeToString(), options, providers=["CPUExecutionProvider"])
    assert cosines(run(onnx_session(int8.SerializeToString()), photos[:8]), run(exact, photos[:8])).min() > 0.998


def test_no_two_products_exceed_sixteen_bits(int8: onnx.ModelProto) -> None:
    weights = [onnx.numpy_helper.to_array(tensor) for tensor in int8.graph.initializer]
    pointwise = [w for w in weights if w.dtype == np.int8 and w.ndim == 4 and w.shape[1] > 1]
    assert len(pointwise) == 33
    for kernel in pointwise:
        flat = kernel.reshape(len(kernel), -1).astype(int)
        for sign in (1, -1):
            part = np.clip(sign * flat, 0, None)
            assert 255 * (part[:, 0::2] + part[:, 1::2]).max() < 2**15


def test_int8_is_a_model_of_its_own_that_the_lake_keeps(
    built: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = built.copy(tmp_path / "lake")
    int8 = lake.settings(precision="int8")
    assert find_standing(lake.settings(), "silver") and not find_standing(int8, "silver")
    first = lake.run("silver", precision="int8")
    assert first.model_id.startswith("mobilenetv2-onnx-int8-")
    assert {row["model_id"] for row in lake.rows("silver.image_features", "model_id")} > {first.model_id}
    assert of_lake(str(lake.path), first.model_id) == first.featurizer
    assert find_standing(int8, "silver")
    monkeypatch.setattr(quantization, "quantize", lambda *_: pytest.fail("it was quantized again"))
    second = lake.run("silver", precision="int8")
    assert second.model_id == first.model_id
    assert not second.outcomes["silver.image_features"].new
    with pytest.raises(WeightsError, match=r"--precision int8 runs on ONNX Runtime, not on tensorflow"):
        quantized(Featurizer("mobilenetv2-tensorflow-1", "tensorflow", "nowhere"), str(lake.path), None, 0)


def test_a_first_run_quantizes_while_bronze_is_published(
    built: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    after_bronze = built.copy(tmp_path / "lake").run("silver", precision="int8")
    fresh = Lake(built.photos, tmp_path / "fresh", built.cache)
    monkeypatch.setattr("transforms.run.quantized", lambda *_: pytest.fail("the network was not quantized ahead"))
    assert fresh.run(precision="int8").model_id == after_bronze.model_id, "the same photos are its sample"


def test_many_photos_are_not_read_twice(built: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transforms.run._READ_TWICE", 1000)
    monkeypatch.setattr("transforms.run.calibrated", lambda *_: pytest.fail("it was quantized ahead"))
    fresh = Lake(built.photos, tmp_path / "fresh", built.cache)
    assert fresh.run(precision="int8").model_id.startswith("mobilenetv2-onnx-int8-")


def test_a_run_whose_photos_are_refused_waits_for_quantizing_and_keeps_no_model(
    built: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos, begun, closing, ended = tmp_path / "photos", Event(), Event(), Event()
    shutil.copytree(built.photos, photos)
    for number in range(9):
        (photos / f"broken {number}.jpg").write_bytes(b"not a photo")
    check = Ingestion.check_quarantined

    def check_meanwhile(ingestion: Ingestion, most: float) -> None:
        assert begun.wait(60)
        check(ingestion, most)

    def slowly(*_: object) -> Calibrated:
        begun.set()
        assert closing.wait(60)
        ended.set()
        return Calibrated("mobilenetv2-onnx-int8-1", b"")

    monkeypatch.setattr(Ingestion, "check_quarantined", check_meanwhile)
    monkeypatch.setattr("transforms.run.calibrated", slowly)
    monkeypatch.setattr(SparkContext, "cancelAllJobs", lambda _: closing.set())  # as `close` does while it waits
    with pytest.raises(AuditError, match="cannot be used"):
        Lake(photos, tmp_path / "lake", built.cache).run(precision="int8")
    assert ended.is_set()
    assert not [*tmp_path.glob("lake/model/*int8*")]


@pytest.mark.parametrize(("count", "found"), [(5, 5), (34, 5), (400, 2), (4_000_000, 0)])
def test_the_sample_is_the_photos_with_the_smallest_ids(
    built: Lake, monkeypatch: pytest.MonkeyPatch, count: int, found: int
) -> None:
    """Of as many photos as there are said to be: if they are fewer, the sample is smaller."""
    monkeypatch.setattr(quantization, "CALIBRATION_PHOTOS", 5)
    in_order = sorted(built.rows("bronze.images", "image_id", "content"), key=lambda row: str(row["image_id"]))
    assert len(in_order) == 34
    with built.open() as opened:
        images = opened.table("bronze.images")
        assert images is not None
        assert [row.image_id for row in calibration_ids(images).collect()] == [row["image_id"] for row in in_order[:5]]
        sample = _sample(images, count)
    assert (0 if sample is None else len(sample)) == found
    for i in range(found):
        assert sample is not None and (sample[i] == to_pixels(in_order[i]["content"])).all()


def test_the_card_compares_both_on_photos_that_int8_has_not_seen(
    built: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = built.copy(tmp_path / "lake")
    asked = ["model", "compare", "--lake", str(lake.path), "--weights", "bundled"]
    with monkeypatch.context() as environment:
        environment.setenv("FRUITLAKE_CACHE", str(lake.cache))
        few = CliRunner().invoke(app, asked)
        assert isinstance(few.exception, RunError) and "are too few: 20 or more" in str(few.exception)
        environment.setattr(quantization, "CALIBRATION_PHOTOS", 4)
        done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    assert f"{20 + len(AWKWARD_LABELS)} photos that int8 was not calibrated on" in done.output
    (card,) = (json.loads(path.read_text()) for path in (lake.path / "model").rglob("*.json"))
    assert card["fp32"]["model_id"] != card["int8"]["model_id"]
    assert 0.9 < card["cosine_min"] <= card["cosine_mean"] < 1
    assert card["fp32"]["five_shot"] > 0.5
    assert of_lake(str(lake.path), card["int8"]["model_id"]).model_id == card["int8"]["model_id"]
    with lake.open() as opened:
        assert opened.spark.table("fruits_silver.image_features").where(F.col("model_id").contains("int8")).count() == 0
