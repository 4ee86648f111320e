"""`fruitlake identify`: photos in the lake, new photos of known varieties, and unknown varieties."""

import json
import shutil
from pathlib import Path

from ingestion.photo import MAX_BYTES
from ingestion.samples import sample_photos
from tests.commands import Here, check_one_line, python
from tests.lakes import Lake

UNSEEN = slice(8, 18)  # the lake has the first 8 photos of each variety


def answers(here: Here, lake: Lake, *photos: Path) -> list[dict[str, object]]:
    code, said, _ = here("identify", *map(str, photos), "--lake", str(lake.path), "--json")
    assert code == 0
    return [json.loads(line) for line in said.splitlines()]


def test_a_photo_of_the_lake_finds_itself(built: Lake, here: Here, tmp_path: Path) -> None:
    known = {row["source_path"]: row for row in built.rows("bronze.images", "source_path", "image_id", "label")}
    photos = [Path(path) for path, row in known.items() if row["label"] == "Banana"]
    gold, pca = (built.current(name) for name in ("gold.fruit_vectors", "gold.pca"))
    for answer in answers(here, built, *photos):
        nearest = answer["nearest"]
        assert isinstance(nearest, list)
        assert nearest[0]["image_id"] == known[str(answer["photo"])]["image_id"]
        assert nearest[0]["distance"] < 0.05, "the same checks, network and PCA give the same vector"
        assert (answer["label"], answer["unlike"]) == ("Banana", False)
        assert answer["basis"] == {name: pca.properties[name] for name in ("model_id", "pca_id")} | {
            "snapshot": gold.id
        }


def test_photos_the_lake_has_not_seen_are_named(built: Lake, here: Here, tmp_path: Path) -> None:
    labels = ("Apple Braeburn", "Banana", "Kiwi Half")
    photos = [photo for label in labels for photo in sample_photos(label)[UNSEEN]]
    found = answers(here, built, *photos)
    right = sum(answer["label"] == Path(str(answer["photo"])).parent.name for answer in found)
    assert right >= 0.9 * len(photos)


def test_a_fruit_the_lake_has_never_met_is_unlike_anything(built: Lake, here: Here, tmp_path: Path) -> None:
    # eight photos per variety give rough limits only, so use the two that differ most from those in the lake
    strange = [photo for label in ("Blueberry", "Watermelon") for photo in sample_photos(label)[UNSEEN]]
    found = answers(here, built, *strange)
    assert sum(bool(answer["unlike"]) for answer in found) >= len(strange) / 2
    code, said, _ = here("identify", str(strange[0]), "--lake", str(built.path))
    assert code == 0
    assert "unlike anything in the lake" in said and "limit" in said and "snapshot" in said


def test_a_photo_that_cannot_be_read_is_named_and_the_others_answered(built: Lake, here: Here, tmp_path: Path) -> None:
    broken, good = tmp_path / "broken.jpg", sample_photos("Banana")[20]
    broken.write_bytes(good.read_bytes()[:500])
    with (tmp_path / "huge.jpg").open("wb") as huge:
        huge.truncate(MAX_BYTES + 1)  # a sparse file, which takes no space
    photos = (str(broken), str(good), str(tmp_path / "gone.jpg"), str(tmp_path / "huge.jpg"))
    said = here("identify", *photos, "--lake", str(built.path), "--json")
    assert said.code == 1
    assert [json.loads(line)["photo"] for line in said.out.splitlines()] == [str(good)]
    check_one_line(said.err, "3 of 4 photos", "broken.jpg", "truncated", "gone.jpg", "No such file", "too large")


def test_what_is_missing_is_said(built: Lake, here: Here, tmp_path: Path) -> None:
    def refused(lake: Path, *says: str) -> None:
        done = here("identify", str(sample_photos("Banana")[20]), "--lake", str(lake))
        assert done.code == 1
        check_one_line(done.err, *says)

    refused(tmp_path / "none", "there is no lake", "fruitlake run")
    lake = built.copy(tmp_path / "lake")
    [network] = (lake.path / "model").rglob("model.onnx")
    network.write_bytes(b"something else")
    refused(lake.path, "is not the network mobilenetv2-onnx-", "run again")
    network.unlink()
    refused(lake.path, "mobilenetv2-onnx-", "--weights", "the same weights")


def test_no_spark_is_imported(built: Lake, tmp_path: Path) -> None:
    shutil.copy(sample_photos("Banana")[20], tmp_path / "photo.jpg")
    code = (
        "import sys; from bootstrap.cli.app import exit_code; code = exit_code(); "
        "sys.exit(code or 10 * any(name in sys.modules for name in ('pyspark', 'py4j', 'tensorflow')))"
    )
    done = python("-c", code, "identify", "photo.jpg", "--lake", str(built.path), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "photo.jpg: Banana" in done.stdout
