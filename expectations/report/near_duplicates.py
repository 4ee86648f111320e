"""Find near duplicates across labels: photos with nearly the same features, though their bytes differ.

vectors + mean ──unit vectors──▶ k-d tree on the first components ──▶ nearest neighbours ──exact cosine──▶ pairs

Gold's vectors are centred; the cosine is that of the features, as far as the PCA keeps them. Encoding a photo again as
JPEG of quality 95 leaves a cosine of 0.9994 at 400 px, and of 0.998 at 100 px.

Two unit vectors with a cosine of c are sqrt(2 - 2c) apart, and at most that far in their first components alone, so
the tree misses no pair whose cosine is large enough.
"""

import numpy as np
import numpy.typing as npt

from catalog.errors import CatalogError
from catalog.lake import Lake
from catalog.scan import dataset
from catalog.stored_pca import StoredPca, pca_of
from expectations.report.contents import NearDuplicate

Floats = npt.NDArray[np.float32]

COSINE = 0.995  # finds every one of five photos of 100 px encoded again, and no other pair among 605 photos
MAX_PHOTOS = 50_000  # larger lakes get no such section
MAX_PAIRS = 24
_AXES = 8  # dimensions of the tree; with more, it is slower than comparing every pair
_NEIGHBOURS = 10  # nearest neighbours compared per photo


def near_duplicates(lake: Lake) -> tuple[NearDuplicate, ...]:
    """The MAX_PAIRS most similar pairs of photos with different labels and a cosine of at least COSINE."""
    published = lake.current("gold.fruit_vectors")
    if published is None or not 1 < published.rows <= MAX_PHOTOS:
        return ()
    try:
        pca = pca_of(lake, published)
    except CatalogError:  # it has been vacuumed: a refit stopped, and no run has followed since
        return ()
    table = dataset(lake, "gold.fruit_vectors").to_table(["image_id", "label", "vector"]).combine_chunks()
    matrix = _uncentred(pca, table["vector"].combine_chunks().flatten().to_numpy().reshape(published.rows, -1))
    labels = table["label"].to_numpy(zero_copy_only=False)
    ids = table["image_id"].to_numpy(zero_copy_only=False)
    found = [
        NearDuplicate(ids[i], labels[i], ids[j], labels[j], float(cosine))
        for i, j, cosine in _pairs(matrix)
        if labels[i] != labels[j]
    ]
    return tuple(sorted(found, key=lambda pair: (-pair.cosine, pair.image_id))[:MAX_PAIRS])


def _uncentred(pca: StoredPca, vectors: Floats) -> Floats:
    """The features (n, 1280) that the PCA makes of vectors (n, k), in k + 1 axes that keep all lengths and angles."""
    kept = pca.components @ pca.mean
    lost = np.sqrt(max(float(pca.mean @ pca.mean - kept @ kept), 0.0))  # length of the mean's part in no kept component
    return np.column_stack([vectors + kept, np.full(len(vectors), lost)]).astype(np.float32)


def _pairs(matrix: Floats) -> list[tuple[int, int, float]]:
    """Pairs of rows i < j with a cosine of at least COSINE, and that cosine."""
    from scipy.spatial import cKDTree  # takes 0.3 s, for which no run should wait before it starts Spark

    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    unit = np.divide(matrix, lengths, out=np.zeros_like(matrix), where=lengths > 0)
    near = np.ascontiguousarray(unit[:, :_AXES])
    neighbours = min(_NEIGHBOURS + 1, len(unit))
    reach = float(np.sqrt(2 - 2 * COSINE))
    _, index = cKDTree(near).query(near, k=neighbours, distance_upper_bound=reach, workers=-1)
    first = np.repeat(np.arange(len(unit)), neighbours)
    second = index.ravel()
    ordered = (second > first) & (second < len(unit))  # each pair once; len(unit) stands for no neighbour
    first, second = first[ordered], second[ordered]
    cosines = np.einsum("ij,ij->i", unit[first], unit[second])
    kept = cosines >= COSINE
    return list(zip(first[kept].tolist(), second[kept].tolist(), cosines[kept].tolist(), strict=True))
