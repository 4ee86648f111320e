"""Photos, features and the list of rejected files are kept as long as the settings say, and no longer."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from catalog import retention
from catalog.erasure_scope import Selection
from catalog.errors import SettingsError
from catalog.retention import Retention, outdated
from tests.erased import LABELS, carry_out, counts, photos, traces
from tests.lakes import Lake
from tests.photos import sample_photo


@pytest.fixture
def lake(twice_run: Lake, tmp_path: Path) -> Lake:
    return twice_run.copy(tmp_path / "lake")


def days_later(monkeypatch: pytest.MonkeyPatch, batch: str, days: int) -> None:
    """Set the clock to this many days after the batch began."""

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> "Later":
            begun = datetime.strptime(batch[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
            return cls.fromtimestamp((begun + timedelta(days=days)).timestamp(), UTC)

    monkeypatch.setattr(retention, "datetime", Later)


def batches(lake: Lake) -> list[str]:
    return sorted({row["batch"] for row in lake.rows("bronze.images", "batch")})


def too_old(lake: Lake, **days: int | None) -> Selection:
    return outdated(lake.tables, Retention(**{name.removesuffix("_days"): limit for name, limit in days.items()}))


def test_batches_go_when_they_are_too_old(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = batches(lake)
    assert too_old(lake) == Selection()
    assert too_old(lake, photos_days=1) == Selection()
    days_later(monkeypatch, second, 1)
    old = too_old(lake, photos_days=1, quarantine_days=1)
    assert old.batches == {first}
    monkeypatch.undo()
    carry_out(lake, old)
    rows = counts(lake)
    assert rows["bronze.images"] == rows["silver.image_features"] == rows["gold.fruit_vectors"] == 12
    assert rows["bronze.quarantine"] == 1


def test_features_may_be_kept_longer_than_their_photos_and_the_list_of_rejected_files(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = batches(lake)
    before, gone, back = counts(lake), photos(lake, "Banana")[0], photos(lake, "Banana")[-1]
    days_later(monkeypatch, second, 2)
    old = too_old(lake, photos_days=1, features_days=3, quarantine_days=1)
    assert old == Selection(photo_batches=frozenset({first, second}), quarantine_batches=frozenset({second}))
    carry_out(lake, old)
    assert counts(lake) == before | {"bronze.images": 0, "bronze.quarantine": 0}
    assert not traces(lake, gone)["bytes"] and not traces(lake, gone)["path"]

    again = Lake(lake.path.parent / "newer photos", lake.path, lake.cache)
    for label in LABELS:
        (again.photos / label).mkdir(parents=True)
        sample_photo(label, 8, 80).save(again.photos / label / "newer.jpg")
    again.run()
    shutil.copy(back.path, again.photos / "Banana" / "back.jpg")  # its features are still there
    again.run()
    rows = counts(lake)
    assert (rows["bronze.images"], rows["silver.image_features"], rows["gold.fruit_vectors"]) == (4, 27, 27)

    days_later(monkeypatch, second, 3)
    old = too_old(lake, photos_days=1, features_days=3)
    assert old.feature_batches == {first}
    carry_out(lake, old)
    assert not any(traces(lake, gone).values())
    rows = counts(lake)
    assert rows["silver.image_features"] == rows["gold.fruit_vectors"] == 12 + 3


def test_photos_cannot_be_kept_longer_than_their_features(twice_run: Lake) -> None:
    for photos_days in (None, 4):
        with pytest.raises(SettingsError, match=r"FEATURES_DAYS is 3, .* set FRUITLAKE_PHOTOS_DAYS to at most 3"):
            too_old(twice_run, photos_days=photos_days, features_days=3)
