"""The embedded Spark session, and what a run shows of its jobs."""

from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path
from threading import Barrier

from pyspark.sql import SparkSession
from rich.console import Console

from bootstrap.progress import SparkProgress


def test_local_files_get_their_mode_without_a_process(spark: SparkSession, tmp_path: Path) -> None:
    jvm = spark.sparkContext._jvm
    assert jvm is not None
    file = tmp_path / "folder" / "file"
    path = jvm.org.apache.hadoop.fs.Path(str(file))
    system = path.getFileSystem(spark._jsc.hadoopConfiguration())
    assert system.getClass().getSimpleName() == "BareLocalFileSystem"
    system.create(path, False).close()
    assert [place.stat().st_mode & 0o777 for place in (file.parent, file)] == [0o755, 0o644]


def test_two_jobs_at_the_same_time_have_two_bars(spark: SparkSession) -> None:
    console = Console(file=StringIO(), force_terminal=True, width=100)
    progress, both_run = SparkProgress(spark, console), Barrier(2, timeout=10)

    def work(title: str) -> None:
        with progress(title, 4):
            both_run.wait()
            spark.range(4).count()

    with ThreadPoolExecutor(2) as threads:
        assert [*threads.map(work, ["writing one", "writing two"])] == [None, None]
    with console.status("waiting"), progress("writing three", None):
        pass
    with progress("writing four", None):  # Rich does not forget that a display was nested in another
        pass
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(title in shown for title in ("writing one", "writing two", "writing three", "writing four"))
