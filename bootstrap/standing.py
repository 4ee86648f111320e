"""Detect a run that would change nothing, before starting Spark, dbt and Great Expectations.

tables of the layer ──inputs unchanged?──▶ source ──every file known?──▶ Standing; otherwise None: build
"""

from dataclasses import dataclass

from bootstrap.pipeline import check_no_erasure
from bootstrap.session import submitted
from bootstrap.settings import Settings
from catalog.branch import BRANCH
from catalog.lake import Lake
from catalog.scan import dataset
from catalog.snapshots import current_of
from catalog.tables import IMAGES, PCA, QUARANTINE, TABLES
from ingestion.counts import VERSION, Counts, known_counts
from transforms.inputs import stands
from transforms.quantization import find_quantized
from transforms.weights import prepare

_MOST_FILES = 100_000  # the driver checks these in a second; more are listed and compared by Spark's tasks
_GIVEN = (IMAGES.name, QUARANTINE.name, PCA.name)  # compared with the files, the model and --variance


@dataclass(frozen=True)
class Standing:
    """A lake that is up to date. counts: None for a layer that reads no photos."""

    lake: Lake
    counts: Counts | None


def find_standing(settings: Settings, layer: str) -> Standing | None:
    """The lake if building a layer, or all, would publish nothing; None if it might. Raises as a run does."""
    lake = settings.open_lake()
    if submitted() or settings.refit or not lake.has_catalog():
        return None
    with lake.in_use():
        check_no_erasure(lake)
        if not _tables_stand(settings, lake, layer):
            return None
        if layer not in ("all", "bronze"):
            return Standing(lake, None)
        images, quarantine = dataset(lake, IMAGES.name), dataset(lake, QUARANTINE.name)
        if settings.images is None or images.count_rows() + quarantine.count_rows() > _MOST_FILES:
            return None
        counts = known_counts(settings.source(), images.to_table(VERSION), quarantine.to_table([*VERSION, "reason"]))
        return Standing(lake, counts) if counts else None


def _tables_stand(settings: Settings, lake: Lake, layer: str) -> bool:
    loaded = {name: table for name in TABLES if (table := lake.load(name))}
    if any(ref.startswith(BRANCH) for table in loaded.values() for ref in table.refs()):  # the next run has to drop it
        return False
    snapshots = {name: found for name, table in loaded.items() if (found := current_of(name, table))}
    wanted = [table for table in TABLES if layer in ("all", table.split(".")[0])]
    if not snapshots.keys() >= {*wanted}:
        return False
    featurizer = prepare(settings.weights, settings.engine, settings.cache, settings.lake)
    model = featurizer if settings.precision == "fp32" else find_quantized(featurizer, settings.lake)
    if model is None:
        return False
    if PCA.name in wanted:
        [pca] = dataset(lake, PCA.name).to_table(["model_id", "variance_target"]).to_pylist()
        if (pca["model_id"], pca["variance_target"]) != (model.model_id, settings.variance):
            return False
    return all(stands(table, snapshots, model.model_id) for table in wanted if table not in _GIVEN)
