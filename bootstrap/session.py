"""The Spark session: the cluster's own where there is one, else an embedded local one.

Local: quiet, loopback only, the project's interpreter for Python workers, every work folder temporary.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from pyspark.sql import SparkSession

from bootstrap.java import java_problem
from bootstrap.settings import Settings
from catalog.errors import SettingsError

# True wherever the session runs: what the code's correctness or memory rests on.
_ALWAYS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",  # an overflow or a division by zero is an error, not a null
    "spark.sql.catalogImplementation": "in-memory",  # the lake's catalog is the truth, Spark's a projection
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",  # the label '007' stays text
    "spark.sql.execution.arrow.maxRecordsPerBatch": "64",  # photos in an Arrow batch; the default is 10,000
    "spark.sql.parquet.columnarReaderBatchSize": "128",  # photos the JVM decodes at once; the default is 4,096
    "spark.sql.files.openCostInBytes": "65536",  # our files are few and even; do not pad them to 4 MB
}


def start(settings: Settings) -> SparkSession:
    """The session of a run. Raises SettingsError if this machine has no Java that Spark runs on."""
    builder = SparkSession.builder.appName("fruitlake")
    for key, value in _ALWAYS.items():
        builder = builder.config(key, value)
    if "SPARK_ENV_LOADED" in os.environ or SparkSession.getActiveSession():  # spark-submit has started the JVM
        return builder.getOrCreate()
    problem = java_problem()
    if problem:
        raise SettingsError(problem)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    for key, value in _local(settings).items():
        builder = builder.config(key, value)
    with _stderr_to(log_file(settings)):
        return builder.getOrCreate()


def log_file(settings: Settings) -> Path:
    """Where the embedded Spark's own log goes; each run starts it anew."""
    return settings.cache / "logs" / "spark.log"


def _local(settings: Settings) -> dict[str, str]:
    work = tempfile.mkdtemp(prefix="fruitlake-")
    atexit.register(shutil.rmtree, work, ignore_errors=True)
    log4j = Path(str(files("bootstrap") / "log4j2.properties"))
    return {
        "spark.master": settings.master,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={log4j.as_uri()} -Djava.io.tmpdir={work}",
        "spark.executor.heartbeatInterval": "1s",  # how often a running task says how far it is
        "spark.local.dir": work,
        "spark.sql.warehouse.dir": os.path.join(work, "warehouse"),
        "spark.sql.shuffle.partitions": "8",  # the default of 200 is for clusters
    }


@contextmanager
def _stderr_to(path: Path) -> Iterator[None]:
    """Give the JVM, which inherits it, a file as its stderr: its banner and log are not for the terminal."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.flush()
    saved = os.dup(2)
    with open(path, "wb") as log:
        os.dup2(log.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
