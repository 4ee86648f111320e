"""Java's archive of the classes that every run of embedded Spark loads, so that they need not be parsed and verified.

python -m bootstrap.class_archive     run by `make` during setup: a small run, whose JVM writes the archive at its exit

It saves each process that starts Spark some 7 s of CPU, and takes 200 MB beside this Python environment. Java ignores
it if it was made by another Java or for other jars (https://docs.oracle.com/en/java/javase/17/vm/class-data-sharing.html).
"""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from rich.console import Console

from catalog.errors import FruitlakeError

ARCHIVE = Path(sys.prefix) / "share" / "fruitlake" / "classes.jsa"
_VARIABLE, _WRITE = "JDK_JAVA_OPTIONS", "-XX:ArchiveClassesAtExit"
_SETTINGS = ("FRUITLAKE_CACHE", "FRUITLAKE_MAVEN_REPOSITORY")  # the variables that the small run may follow
_QUIET = "-Xlog:cds*=off"  # Java would print in its log that it ignores an archive


def java_options(archive: Path = ARCHIVE) -> str:
    """The options that make Java use the archive; empty if there is none, or while Java writes another one."""
    if not archive.exists() or _WRITE in os.environ.get(_VARIABLE, ""):
        return ""
    return f'"-XX:SharedArchiveFile={archive}" {_QUIET}'


def write_archive(archive: Path = ARCHIVE) -> None:
    """Replace the archive; call it in a process of its own, whose environment it changes."""
    from bootstrap.pipeline import build
    from bootstrap.reporting import report_run
    from bootstrap.settings import load
    from ingestion.samples import write_sample_photos

    for name in [name for name in os.environ if name.startswith("FRUITLAKE_") and name not in _SETTINGS]:
        del os.environ[name]  # the user's catalog, for example, is not for the tables of this run
    archive.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="fruitlake-classes-", dir=archive.parent) as work:
        written = Path(work, archive.name)  # Java crashes on an incomplete archive
        os.environ[_VARIABLE] = f'{os.environ.get(_VARIABLE, "")} "{_WRITE}={written}" {_QUIET}'
        write_sample_photos(Path(work, "photos"))
        chosen = {"images": f"{work}/photos", "weights": "bundled", "lake": f"{work}/lake", "include": ("*_00*",)}
        run = build(load().model_copy(update=chosen), "all", Console(quiet=True))
        report_run(run, Console(quiet=True))
        gateway: Any = run.spark.sparkContext._gateway
        run.spark.stop()
        gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait()
        written.replace(archive)


if __name__ == "__main__":
    print("preparing Java's archive of Spark's classes (a minute)")
    try:
        write_archive()
    except (FruitlakeError, OSError, PySparkException, Py4JError) as error:
        print(f"there is no archive of Spark's classes, so each start of Spark takes 7 s longer: {error}")
