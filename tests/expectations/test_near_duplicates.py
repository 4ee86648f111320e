"""Near duplicates across labels are found by the cosine of their features, not by that of the centred vectors."""

from pathlib import Path

import numpy as np
import pytest

from catalog.lake import open_lake
from catalog.tables import FEATURES
from expectations.report.near_duplicates import near_duplicates
from tests.lakes_by_hand import append


def test_pairs_of_different_labels_with_nearly_the_same_features(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    features = random.uniform(0, 2, (60, FEATURES))
    features[1] = features[0] + random.normal(0, 0.1, FEATURES)  # encoded again, in another folder
    features[3] = features[2] + random.normal(0, 0.1, FEATURES)  # the same, in the same folder
    labels = ["Fig" if n % 2 else "Kiwi" for n in range(60)]
    labels[3] = labels[2]
    mean = features.mean(axis=0)
    _, _, components = np.linalg.svd(features - mean, full_matrices=False)
    vectors = (features - mean) @ components[:50].T
    lake = open_lake(str(tmp_path / "lake"))
    rows = zip(vectors.tolist(), labels, strict=True)
    append(
        lake,
        "gold.fruit_vectors",
        [{"image_id": f"{n}", "vector": v, "label": label} for n, (v, label) in enumerate(rows)],
    )
    assert near_duplicates(lake) == (), "without a PCA"
    pca = {"pca_id": "pca-1", "k": 50, "mean": mean.tolist(), "components": components[:50].tolist()}
    append(lake, "gold.pca", [pca])
    [pair] = near_duplicates(lake)
    assert {(pair.image_id, pair.label), (pair.other_id, pair.other_label)} == {("0", "Kiwi"), ("1", "Fig")}
    kept = mean + vectors @ components[:50]
    cosine = kept[0] @ kept[1] / np.linalg.norm(kept[0]) / np.linalg.norm(kept[1])
    assert pair.cosine == pytest.approx(cosine, abs=1e-5)
    centred = vectors[0] @ vectors[1] / np.linalg.norm(vectors[0]) / np.linalg.norm(vectors[1])
    assert pair.cosine != pytest.approx(centred, abs=1e-5)
    append(lake, "gold.pca", [pca | {"pca_id": "pca-2", "k": 3}], pca_id="pca-2")
    assert near_duplicates(lake) == (pair,), "a refit that stopped before its vectors"
