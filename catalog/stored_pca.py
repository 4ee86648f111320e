"""Read gold.pca, without Spark."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from catalog.errors import CatalogError
from catalog.lake import Lake
from catalog.scan import dataset
from catalog.snapshots import Snapshot

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class StoredPca:
    """The row of gold.pca: mean (d,), components (k, d), eigenvalues (d,)."""

    pca_id: str
    model_id: str
    variance_target: float
    fitted_rows: int
    mean: Floats
    components: Floats
    eigenvalues: Floats

    @property
    def k(self) -> int:
        """Number of components kept."""
        return len(self.components)

    @property
    def cumulative(self) -> list[float]:
        """For each component, the share of the variance that it and those before it keep; 1 if there is no variance."""
        sums = self.eigenvalues.cumsum()
        shares = sums / sums[-1] if sums[-1] > 0 else np.ones_like(sums)
        return list(map(float, shares))

    @property
    def kept(self) -> float:
        """Share of the variance that the k kept components explain."""
        return self.cumulative[self.k - 1]

    def project(self, features: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Project features (n, d) to vectors (n, k), as stored in gold."""
        projected: npt.NDArray[np.float32] = ((features - self.mean) @ self.components.T).astype(np.float32)
        return projected


def load_pca(lake: Lake, snapshot_id: int | None = None) -> StoredPca:
    """The PCA of a snapshot of gold.pca, the current one by default. Raises CatalogError if there is none."""
    table = dataset(lake, "gold.pca", snapshot_id).to_table()
    if not table.num_rows:
        raise CatalogError(f"'{lake.uri}' has no PCA yet: run `fruitlake run gold` first")
    columns = {name: table[name].combine_chunks() for name in table.column_names}
    facts = {name: columns[name][0].as_py() for name in ("pca_id", "model_id", "variance_target", "fitted_rows")}
    components = columns["components"].flatten().flatten().to_numpy().reshape(columns["k"][0].as_py(), -1)
    mean, eigenvalues = (np.asarray(columns[name].flatten()) for name in ("mean", "eigenvalues"))
    return StoredPca(**facts, mean=mean, components=components, eigenvalues=eigenvalues)


def pca_of(lake: Lake, vectors: Snapshot) -> StoredPca:
    """The PCA of a snapshot of gold.fruit_vectors. It may not be the current one: a refit publishes the PCA first.

    Raises CatalogError if it is not kept any more.
    """
    pca_id = vectors.properties["pca_id"]
    for version in lake.history("gold.pca"):
        if version.properties["pca_id"] == pca_id:
            return load_pca(lake, version.id)
    raise CatalogError(
        f"the PCA {pca_id} of {vectors.table} is not kept any more: `fruitlake run gold` makes new vectors"
    )
