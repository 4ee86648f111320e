"""The Spark session: the cluster's own where there is one, else an embedded local one.

Local: quiet, loopback only, the project's interpreter for Python workers, every work folder temporary.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from pyspark.accumulators import AccumulatorServer
from pyspark.errors import PySparkRuntimeError
from pyspark.sql import SparkSession

from bootstrap import s3a
from bootstrap.java import java_problem
from bootstrap.scratch import work_folder
from bootstrap.settings import Settings
from catalog.errors import SettingsError
from catalog.storage import is_remote

# True wherever the session runs: what the code's correctness or memory rests on.
_ALWAYS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",  # an overflow or a division by zero is an error, not a null
    "spark.sql.catalogImplementation": "in-memory",  # the lake's catalog is the truth, Spark's a projection
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",  # the label '007' stays text
    "spark.sql.execution.arrow.maxRecordsPerBatch": "64",  # photos in an Arrow batch; the default is 10,000
    "spark.sql.parquet.columnarReaderBatchSize": "128",  # photos the JVM decodes at once; the default is 4,096
    # no two features are alike: a dictionary of them was built and thrown away, a sixth of what tasks did in Java
    "parquet.enable.dictionary#features.list.element": "false",
    "parquet.enable.dictionary#vector.list.element": "false",
    "spark.sql.files.openCostInBytes": "65536",  # our files are few and even; do not pad them to 4 MB
}

# Java's optimizing compiler took 11 of the 26 s of CPU that the JVM of a run over 300 photos used, from the same cores
# that the network runs on. What it would speed up is gold on a few hundred thousand vectors (docs/scaling.md). Without
# it Java keeps 48 MB of machine code, which one run's generated classes fill: what was thrown out was compiled again.
_JVM = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC"


def start(settings: Settings) -> SparkSession:
    """The session of a run.

    Raises SettingsError if this machine has no Java that Spark runs on, or the lake is in S3 and Spark's jars for it
    are not there, or cannot be fetched.
    """
    builder = SparkSession.builder.appName("fruitlake")
    for key, value in _ALWAYS.items():
        builder = builder.config(key, value)
    if "PYSPARK_GATEWAY_PORT" in os.environ or SparkSession.getActiveSession():  # spark-submit has started the JVM
        return _with_s3a(builder.getOrCreate()) if is_remote(settings.lake) else builder.getOrCreate()
    problem = java_problem()
    if problem:
        raise SettingsError(problem)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    for key, value in _local(settings).items():
        builder = builder.config(key, value)
    # If the JVM dies, the run says so in a line; PySpark's own helper thread and Py4J would print tracebacks before it.
    AccumulatorServer.handle_error = lambda self, request, client_address: None  # type: ignore[method-assign]
    logging.getLogger().addFilter(_tells_of_more_than_a_dead_jvm)
    try:
        with _stderr_to(log_file(settings)):
            return builder.getOrCreate()
    except PySparkRuntimeError as error:  # the JVM ended before it could talk to us
        said = log_file(settings).read_text(errors="replace")
        why = s3a.problem(said) or "Spark's Java process did not start"
        raise SettingsError(f"{why} (what it said is in {log_file(settings)})") from error


def _tells_of_more_than_a_dead_jvm(record: logging.LogRecord) -> bool:
    return record.msg != "Exception while sending command."  # Py4J's words, logged with a traceback as an error


def starting(settings: Settings) -> str:
    """What a person who waits for the session is told."""
    first = is_remote(settings.lake) and not s3a.fetched(settings.cache)
    return "starting Spark" + (", and fetching its S3 jars, once" if first else "")


def _with_s3a(spark: SparkSession) -> SparkSession:
    """The session that is there already, if it can reach a lake in S3."""
    jvm = spark.sparkContext._jvm
    if jvm is None or not jvm.org.apache.spark.util.Utils.classIsLoadable("org.apache.hadoop.fs.s3a.S3AFileSystem"):
        raise SettingsError(
            "the Spark session that is running has no S3A (hadoop-aws): stop it, and start the one for s3:// first"
        )
    return spark


def log_file(settings: Settings) -> Path:
    """Where the embedded Spark's own log goes; each run starts it anew."""
    return settings.cache / "logs" / "spark.log"


def _local(settings: Settings) -> dict[str, str]:
    work = work_folder()
    log4j = Path(str(files("bootstrap") / "log4j2.properties"))
    remote = s3a.configuration(settings.cache, work) if is_remote(settings.lake) else {}
    return {
        "spark.master": settings.master,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.extraJavaOptions": f"{_JVM} -Dlog4j2.configurationFile={log4j.as_uri()} -Djava.io.tmpdir={work}",
        "spark.executor.heartbeatInterval": "1s",  # how often a running task says how far it is
        "spark.local.dir": work,
        "spark.sql.warehouse.dir": os.path.join(work, "warehouse"),
        "spark.sql.codegen.cache.maxEntries": "1000",  # of 100, the default, a run needs more: it compiled some twice
        "spark.sql.shuffle.partitions": "8",  # the default of 200 is for clusters
        "spark.sql.sources.parallelPartitionDiscovery.threshold": "10000",  # a disk is listed faster than by a job
        "spark.python.daemon.module": "bootstrap.spark_daemon",  # no archives to read again at every task
        **remote,
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
