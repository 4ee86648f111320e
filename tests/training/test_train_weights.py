"""Training runs from photos to the files shipped with the package, with a few photos and steps."""

import json
import subprocess
import sys
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from ingestion.samples import SAMPLE_LABELS, sample_photos, write_sample_photos
from training.evaluation import split
from transforms.model_card import components, few_shot
from transforms.network import load_network, to_pixels
from transforms.weights import find, fingerprint_of, prepare

ROOT = Path(__file__).parents[2]


@pytest.mark.exhaustive
def test_two_steps_of_training_give_weights_their_export_and_a_card(tmp_path: Path) -> None:
    write_sample_photos(tmp_path / "photos", per_label=6)  # 5 known photos and one to classify
    out, bundled = tmp_path / "own.keras", find("bundled", tmp_path)
    options = ("--photos", tmp_path / "photos", "--out", out, "--compare", bundled, "--steps", "2", "--credit", "ours")
    command = [sys.executable, "-m", "training.train_weights", *map(str, options)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"photos", "own.keras", "own.onnx", "own.json"}

    exported = prepare(str(out.with_suffix(".onnx")), "onnx", tmp_path / "cache", str(tmp_path / "lake"))
    assert exported.model_id == f"mobilenetv2-onnx-{fingerprint_of(out)[:12]}"
    pixels = np.stack([to_pixels(sample_photos(label)[0].read_bytes()) for label in SAMPLE_LABELS])
    features = load_network(exported).run(pixels)
    assert features.shape == (16, 1280)
    assert 0.3 < features.mean() < 0.5, "whitened: values of variance 1, cut at their mean, average 0.4"

    card = json.loads(out.with_suffix(".json").read_text())
    assert (card["photos"], card["training"]["steps"]) == ("ours", 2)
    assert card["protocol"]["varieties_unseen"] == [SAMPLE_LABELS[i] for i in (2, 7, 12)]
    assert card["figures"].keys() == {"own.keras", "fruitlake.keras"}
    assert card["figures"]["own.keras"].keys() == card["figures"]["fruitlake.keras"].keys()


def test_the_bundled_card_tells_the_split_of_the_training(tmp_path: Path) -> None:
    card = json.loads(find("bundled", tmp_path).with_suffix(".json").read_text())
    parts = [card["protocol"][f"varieties_{part}"] for part in ("trained", "validation", "unseen")]
    assert split(sorted(chain(*parts))) == tuple(parts)


def test_figures_of_features_that_are_known() -> None:
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 10)
    apart = (np.eye(4)[labels] + random.normal(0, 0.01, (40, 4))).astype(np.float32)
    assert few_shot(apart, labels, np.arange(4)) == 1
    apart_by_chance = few_shot(random.normal(size=(40, 4)).astype(np.float32), labels, np.arange(4))
    assert apart_by_chance is not None and apart_by_chance < 0.5
    assert components((random.normal(size=(500, 3)) * [100, 10, 1]).astype(np.float32)) == 1
