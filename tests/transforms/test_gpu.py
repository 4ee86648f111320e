"""The network on a GPU. Its features are compared only where there is one; CI has none."""

from pathlib import Path

import numpy as np
import pytest

from catalog.errors import RunError
from transforms.network import load_network
from transforms.onnx_session import load_onnxruntime, onnx_session
from transforms.weights import Featurizer, prepare

_HAS_CUDA = "CUDAExecutionProvider" in load_onnxruntime().get_available_providers()


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Featurizer:
    folder = tmp_path_factory.mktemp("models")
    return prepare("bundled", "onnx", folder, str(folder))


@pytest.mark.skipif(_HAS_CUDA, reason="ONNX Runtime for CUDA is installed")
def test_without_cuda_the_error_says_what_is_missing(bundled: Featurizer) -> None:
    with pytest.raises(RunError, match="--device cuda needs ONNX Runtime for CUDA"):
        load_network(bundled, "cuda")


@pytest.mark.parametrize("photos", [1, 63, 64])
def test_every_call_on_a_gpu_has_the_same_size(
    bundled: Featurizer, monkeypatch: pytest.MonkeyPatch, photos: int
) -> None:
    session, sizes = onnx_session(Path(bundled.uri).read_bytes()), []

    class OnCpu:
        get_outputs = session.get_outputs

        def run(self, outputs: list[str], given: dict[str, np.ndarray]) -> list[np.ndarray]:
            sizes.append(len(given["pixels"]))
            return [np.asarray(feature) for feature in session.run(outputs, given)]

    monkeypatch.setattr("transforms.network.onnx_session", lambda model, device: OnCpu())
    network = load_network.__wrapped__(bundled, "cuda")
    pixels = np.random.default_rng(0).integers(0, 256, (photos, 224, 224, 3), np.uint8)
    features = network.run(pixels)
    assert sizes == [network.call] == [64]
    np.testing.assert_allclose(features, load_network(bundled).run(pixels), atol=1e-5)


@pytest.mark.skipif(not _HAS_CUDA, reason="needs a GPU and onnxruntime-gpu")
def test_a_gpu_computes_the_cpus_features(bundled: Featurizer) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 224, 224, 3), np.uint8)
    ours, theirs = load_network(bundled, "cuda").run(pixels), load_network(bundled).run(pixels)
    cosine = (ours * theirs).sum(axis=1) / (np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1))
    assert cosine.min() >= 0.9999
    assert np.abs(ours - theirs).max() <= 1e-3
