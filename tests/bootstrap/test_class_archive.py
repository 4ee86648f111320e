"""Java's archive of Spark's classes."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from bootstrap.class_archive import ARCHIVE, java_options
from bootstrap.java import find_java


def _java(*options: str) -> str:
    """What `java -version` says with these options: "sharing" if it uses an archive."""
    java = find_java()
    assert java
    done = subprocess.run([java, *options, "-version"], capture_output=True, text=True, check=True)
    assert not done.stdout, "nothing may reach the standard output of a command"
    return done.stderr


def test_without_an_archive_java_gets_no_option(tmp_path: Path) -> None:
    assert java_options(tmp_path / "classes.jsa") == ""


def test_java_starts_without_a_word_on_an_archive_it_cannot_use(tmp_path: Path) -> None:
    archive = tmp_path / "of another Java" / "classes.jsa"
    archive.parent.mkdir()
    archive.write_bytes(b"not an archive" * 1000)
    assert "sharing" not in _java(*shlex.split(java_options(archive)))


@pytest.mark.exhaustive
def test_the_archive_holds_the_classes_of_spark(tmp_path: Path) -> None:
    """As `make install` writes it, but elsewhere; the user's settings are not followed."""
    settings = {"FRUITLAKE_CATALOG": '{"type": "rest", "uri": "http://127.0.0.1:1"}', "FRUITLAKE_EXCLUDE": "*"}
    archive = tmp_path / "classes.jsa"
    write = f"from pathlib import Path; from bootstrap.class_archive import *; write_archive(Path({str(archive)!r}))"
    subprocess.run([sys.executable, "-c", write], check=True, timeout=300, env=os.environ | settings)
    assert [path.name for path in tmp_path.iterdir()] == ["classes.jsa"], "the run's lake and photos are removed"
    assert b"org/apache/spark/sql/SparkSession" in archive.read_bytes()
    assert b"org/apache/iceberg/spark/SparkCatalog" in archive.read_bytes()


@pytest.mark.skipif(not ARCHIVE.exists(), reason="`make install` has not written the archive")
@pytest.mark.skipif(not Path("/proc").exists(), reason="needs Linux")
def test_sessions_use_the_archive(spark: SparkSession) -> None:
    jvm: Any = spark.sparkContext._jvm
    maps = Path("/proc", str(jvm.java.lang.ProcessHandle.current().pid()), "maps").read_text()
    assert str(ARCHIVE.resolve()) in maps
