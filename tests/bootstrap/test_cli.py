"""The command line as users see it: help, one-line errors, exit codes, and a lake left unchanged."""

from importlib.metadata import version
from pathlib import Path

import pytest

from tests.commands import Here, check_one_line, fruitlake_here, fruitlake_process, python
from tests.lakes import Lake


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of photos, `some`, in the test's folder."""
    (tmp_path / "some" / "Kiwi").mkdir(parents=True)
    (tmp_path / "some" / "Kiwi" / "1.jpg").write_bytes(b"")
    return tmp_path / "some"


@pytest.mark.parametrize(
    ("arguments", "shows"),
    [
        ((), ["demo", "run", "status", "report", "dbt"]),
        (("run", "--help"), ["--images", "--lake", "--weights", "--variance", "--refit", "--engine", "imagenet"]),
        (("stream", "--help"), ["--once", "--trigger", "--photos-per-batch", "--marts-every", "--metrics", "SIGTERM"]),
        (("erase", "--help"), ["--dry-run", "--refit", "--resume", "First delete the source file", "--and-block"]),
        (("erase", "--help"), ["--everything", "--source-stays", "--database-prefix", "versioning", "rolled back"]),
        (("vacuum", "--help"), ["--older-than", "--dry-run", "FRUITLAKE_PHOTOS_DAYS", "Example"]),
        (("dbt", "--help"), ["docs generate"]),
        (("--version",), [f"fruitlake {version('fruitlake')}\n"]),
    ],
)
def test_help_teaches(arguments: tuple[str, ...], shows: list[str], here: Here) -> None:
    said = here(*arguments).out
    for word in shows:
        assert word in said, said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "--images", "nowhere", "--lake", "l"), ["there is no", "nowhere", "--images"]),
        (("run", "--images", "empty", "--lake", "l"), ["holds no photos", "empty", "--images"]),
        (("run", "--images", "file.txt", "--lake", "l"), ["is a file"]),
        (("run", "--lake", "l"), ["photos are needed", "--images"]),
        (("run", "--images", "some", "--lake", "file.txt/l"), ["cannot be written", "--lake"]),
        (("run", "--images", "some", "--lake", "gs://bucket/l"), ["gs://", "give a folder"]),
        (("run", "--images", "some", "--lake", "s3://"), ["names no bucket", "s3://bucket/prefix"]),
        (("run", "--images", "some", "--lake", "l", "--engine", "torch"), ["--engine", "torch", "onnx", "tensorflow"]),
        (("run", "--images", "some", "--lake", "some/l"), ["overlap", "--lake"]),
        (("run", "--nope"), ["--nope"]),
        (("nosuch",), ["nosuch"]),
        (("run", "platinum"), ["platinum", "bronze", "silver", "gold", "all"]),
        (("status", "--lake", "l"), ["there is no lake", "fruitlake run"]),
        (("report", "--lake", "l"), ["there is no lake", "fruitlake run"]),
        (("dbt",), ["fruitlake dbt -- ls"]),
        (("vacuum", "--lake", "l"), ["there is no lake", "fruitlake run"]),
        (("erase", "--lake", "l", "--label", "Kiwi", "--reason", "why"), ["there is no lake", "fruitlake run"]),
        (("vacuum", "--older-than", "soon"), ["--older-than", "soon", "30d"]),
        (("erase", "--reason", "why"), ["--image-id", "--source-path", "--label"]),
        (("erase", "--label", "Kiwi"), ["--reason"]),
        (("erase", "--label", "Kiwi", "--reason", "why", "--resume"), ["--resume", "leave out either"]),
        (("vacuum", "--database-prefix", "No!"), ["--database-prefix", "No!"]),
        (("stream", "--images", "nowhere"), ["there is no", "nowhere", "--images"]),
        (("stream", "--images", "some", "--lake", "some/l"), ["overlap", "--lake"]),
        (("stream", "--images", "some", "--metrics", "nowhere/m.jsonl"), ["--metrics", "nowhere"]),
        (("stream", "--images", "some", "--weights", "none.keras"), ["none.keras", "imagenet"]),
        (("stream",), ["--images"]),
    ],
)
def test_a_mistake_is_one_clear_line(
    arguments: tuple[str, ...], says: list[str], here: Here, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("no folder")
    done = here(*arguments)
    assert done.code in (1, 2)
    check_one_line(done.err, *says)
    assert not (tmp_path / "l").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--images", "some"),
        ("status",),
        ("report",),
        ("query", "photos_per_label"),
        ("catalog", "history", "gold.pca"),
        ("catalog", "rollback", "--to-run", "20260314T092653-1a2b"),
        ("vacuum",),
        ("erase", "--label", "Kiwi", "--reason", "asked"),
        ("dbt", "--", "ls"),
    ],
)
def test_a_lake_of_the_first_edition_is_refused_and_left_alone(
    arguments: tuple[str, ...], here: Here, photos: Path, tmp_path: Path
) -> None:
    old = tmp_path / "l" / "_catalog" / "gold.pca" / "current"
    old.parent.mkdir(parents=True)
    old.write_text("20260314T092653-1a2b")
    done = here(*arguments, FRUITLAKE_LAKE=str(tmp_path / "l"))
    assert done.code == 1
    check_one_line(done.err, "Fruitlake 0.1", "another place", "run again")
    assert [p for p in (tmp_path / "l").rglob("*") if p.is_file()] == [old]


def test_a_variable_is_as_good_as_an_option_and_is_named_when_wrong(here: Here) -> None:
    for name, value, said in (("VARIANCE", "lots", "FRUITLAKE_VARIANCE"), ("LAKE", "elsewhere", "elsewhere")):
        done = here("status", **{f"FRUITLAKE_{name}": value})
        assert done.code == 1
        check_one_line(done.err, said)


def test_wrong_weights_leave_the_lake_untouched(here: Here, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong.h5").write_bytes(b"no weights")
    done = here("run", "--images", "some", "--lake", "l", "--weights", "wrong.h5")
    assert done.code == 1
    check_one_line(done.err, "wrong.h5")
    assert not (tmp_path / "l").exists()


def test_no_java_is_one_line_with_the_command_that_installs_it(photos: Path, tmp_path: Path) -> None:
    arguments = ("run", "bronze", "--images", "some", "--lake", "l")
    done = fruitlake_process(*arguments, cwd=tmp_path, JAVA_HOME=str(tmp_path), PATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    check_one_line(done.stderr, "JDK 17 or 21", "install")


def test_a_report_needs_no_java(built: Lake, tmp_path: Path) -> None:
    lake = built.copy(tmp_path / "lake")
    done = fruitlake_process(
        "report", "--lake", str(lake.path), cwd=tmp_path, JAVA_HOME=str(tmp_path), PATH=str(tmp_path)
    )
    assert (done.returncode, done.stdout) == (0, f"report: {lake.path}/reports/index.html\n"), done.stderr
    assert "Braeburn" in (lake.path / "reports" / "index.html").read_text()


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("bootstrap.cli", ["pyspark", "pyiceberg.catalog", "pyiceberg.table", "sqlalchemy", "polars", "boto3"]),
        ("bootstrap.pipeline", ["polars", "great_expectations", "dbt"]),  # they would delay the start of Java
        ("expectations.validation", ["pyiceberg", "polars"]),  # in Python workers
        ("ingestion.reading", ["pyiceberg", "polars"]),
        ("transforms.featurizer", ["pyiceberg", "polars"]),
    ],
)
def test_what_is_imported_at_first_is_little(module: str, without: list[str], tmp_path: Path) -> None:
    code = f"import sys, {module}; print([name for name in {without} if name in sys.modules])"
    assert python("-c", code, cwd=tmp_path).stdout == "[]\n"


def test_pandera_is_imported_without_hypothesis_which_stays_importable(tmp_path: Path) -> None:
    code = (
        "import sys; from expectations import validation; validation.load(); print('hypothesis' in sys.modules); "
        "import hypothesis"
    )
    done = python("-c", code, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr


@pytest.mark.exhaustive
def test_a_run_in_a_process_of_its_own_writes_nowhere_else(built: Lake, tmp_path: Path) -> None:
    lake = built.copy(tmp_path / "lake")
    arguments = ("--lake", str(lake.path), "--weights", "bundled", "--refit")
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    done = fruitlake_process("run", "gold", *arguments, cwd=here, FRUITLAKE_CACHE=str(built.cache), HOME=str(home))
    assert done.returncode == 0, done.stderr
    assert "gold.fruit_vectors" in done.stdout
    assert done.stderr == ""
    assert list(home.rglob("*")) == list(here.rglob("*")) == [], "only the lake, the cache and /tmp are written to"


def test_status_shows_every_table(built: Lake, here: Here) -> None:
    code, said, _ = here("status", "--lake", str(built.path))
    assert code == 0
    for table, snapshot in built.tables.current_snapshots().items():
        line = next(line for line in said.splitlines() if table in line)
        assert f" {snapshot.rows:,} " in line and snapshot.properties["audit_result"] in line


def test_dbt_commands_run_over_the_lake(built: Lake, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    cache = {"FRUITLAKE_CACHE": str(built.cache)}
    arguments = ("--lake", str(built.path), "--", "ls", "--resource-type", "model")
    assert fruitlake_here("dbt", *arguments, cwd=tmp_path, **cache) == 0
    assert "fruitlake.gold.fruit_vectors" in capfd.readouterr().out
    arguments = ("--lake", str(built.path), "--", "build", "--select", "images")
    assert fruitlake_here("dbt", *arguments, cwd=tmp_path, **cache) == 1
    assert "--images" in capfd.readouterr().err
