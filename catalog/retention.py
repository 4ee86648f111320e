"""Find batches past their retention limit, by their creation time. Starts no JVM.

Retention ──outdated──▶ Selection of old batches, for erasure_scope.find
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow.compute as pc

from catalog.erasure_scope import Selection
from catalog.errors import SettingsError
from catalog.lake import Lake
from catalog.scan import dataset


@dataclass(frozen=True)
class Retention:
    """Days for which each layer's rows are kept; None: forever. features: silver and gold."""

    photos: int | None = None
    features: int | None = None
    quarantine: int | None = None


def outdated(lake: Lake, kept: Retention) -> Selection:
    """Select the batches past their limit. Raises SettingsError if features expired before their photos."""
    photos = _older(lake, "bronze.images", kept.photos)
    rejected = _older(lake, "bronze.quarantine", kept.quarantine)
    if kept.features is None:
        return Selection(batches=photos, quarantine_batches=rejected)
    if kept.photos is None or kept.photos > kept.features:
        raise SettingsError(
            f"FRUITLAKE_FEATURES_DAYS is {kept.features}, and FRUITLAKE_PHOTOS_DAYS {kept.photos or 'not set'}: a run "
            "makes features of every photo there is, so photos cannot be kept longer; set FRUITLAKE_PHOTOS_DAYS to at "
            f"most {kept.features}"
        )
    features = _older(lake, "silver.image_features", kept.features)
    return Selection(photo_batches=photos, feature_batches=features, quarantine_batches=rejected)


def retention_reason(kept: Retention, old: Selection) -> str:
    """The reason stored with an erasure that retention limits cause."""
    limits = (
        (kept.photos, old.batches | old.photo_batches, "photos"),
        (kept.features, old.feature_batches, "features"),
        (kept.quarantine, old.quarantine_batches, "rejected files"),
    )
    return "; ".join(f"{what} kept longer than {days} days" for days, batches, what in limits if batches)


def _older(lake: Lake, table: str, days: int | None) -> frozenset[str]:
    """Batches of the table that are older than this many days; their ids begin with their creation time."""
    if days is None or lake.current(table) is None:
        return frozenset()
    limit = f"{datetime.now(UTC) - timedelta(days=days):%Y%m%dT%H%M%S}"
    batches = pc.unique(dataset(lake, table).to_table(columns=["batch"])["batch"]).to_pylist()
    return frozenset(batch for batch in batches if batch < limit)
