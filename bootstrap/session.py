"""The Spark session: the cluster's own if there is one, otherwise an embedded one. The lake is its catalog `lake`.

The embedded session is quiet, and uses only loopback, the project's interpreter for Python workers, and temporary work
folders.
"""

import logging
import os
import sys
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from threading import Thread

from pyspark import SparkConf, SparkContext
from pyspark.accumulators import AccumulatorTCPServer, AccumulatorUnixServer
from pyspark.errors import PySparkRuntimeError
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

from bootstrap import class_archive, jars
from bootstrap.java import java_problem
from bootstrap.memory import heap, local_master, machine_memory
from bootstrap.scratch import work_folder
from bootstrap.settings import Settings
from catalog.credential_process import java_options
from catalog.errors import SettingsError
from catalog.lake import CATALOG, Lake
from catalog.storage import is_remote

# Set in every session, because correctness, memory use or speed depends on these.
_ALWAYS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",  # an overflow or a division by zero is an error, not a null
    "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    "spark.sql.defaultCatalog": CATALOG,
    # photos differ in size by a factor of a thousand, so batches sent to Python are also limited in bytes
    "spark.sql.execution.arrow.maxBytesPerBatch": str(8 * 1024 * 1024),
    "spark.sql.execution.arrow.maxRecordsPerBatch": "256",
    # by default, each call on a column or DataFrame makes three more to Java, and the first imports IPython if it can
    "spark.python.sql.dataFrameDebugging.enabled": "false",
}

# Java's optimizing compiler (C2) used 11 of the JVM's 26 s of CPU in a run over 300 photos, on the cores that the
# network needs. It would only speed up gold with a few hundred thousand vectors (docs/scaling.md). Without C2, the
# default code cache is 48 MB, which the generated classes of one run fill, so code was evicted and compiled again.
# Loading Spark's classes into the default metaspace triggers full garbage collections: 1.2 s of CPU per start.
_JVM = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:MetaspaceSize=256m -XX:+UseSerialGC"
# Python workers give large buffers back at once: each takes 410 MB over 12,000 photos, instead of 500. They keep the
# buffers of small photos, and the last large photo's: allocating those again costs a fifth of its decoding.
_WORKERS = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "1",  # by default, each thread of Arrow and Polars has its own
    "MALLOC_MMAP_THRESHOLD_": str(1024**2),
    "MALLOC_TRIM_THRESHOLD_": str(32 * 1024**2),
    "PILLOW_BLOCKS_MAX": "4",  # of 16 MB
}
# How Spark writes checkpoints. Its default renames files, which S3 cannot; the other one completes or aborts uploads.
_CHECKPOINT_MANAGER = "spark.sql.streaming.checkpointFileManagerClass"
_WITHOUT_RENAMING = "org.apache.spark.internal.io.cloud.AbortableStreamBasedCheckpointFileManager"
_OPENED = "fruitlake.catalog"  # configuration key for the lake that is the session's catalog


def start(settings: Settings, lake: Lake) -> SparkSession:
    """Start or reuse a Spark session whose default catalog is the lake.

    Settings of Java and of Spark's work folders hold for the process's first session. Raises SettingsError if Spark
    cannot start.
    """
    builder = SparkSession.builder.appName("fruitlake").config(map={**_ALWAYS, **lake.spark_properties()})
    if submitted() or SparkSession.getActiveSession():
        return _switch_to(lake, builder.getOrCreate())
    # If the JVM dies, the run reports it in one line; PySpark and Py4J would also print tracebacks.
    for server in (AccumulatorTCPServer, AccumulatorUnixServer):
        server.handle_error = lambda self, request, client_address: None  # type: ignore[method-assign]
    logging.getLogger().addFilter(_is_not_about_a_dead_jvm)
    _launch(settings)
    return builder.getOrCreate()


def launch_ahead(settings: Settings) -> None:
    """Launch the Java process of embedded Spark, which takes two seconds, in another thread; `start` waits for it.

    Does nothing if jars are missing: `start` says that it fetches them.
    """

    def launch() -> None:
        with suppress(Exception):  # `start` tries again, and raises the error
            _launch(settings)

    if not submitted() and not jars.missing(settings.cache):
        Thread(target=launch, daemon=True).start()


def _launch(settings: Settings) -> None:
    with SparkContext._lock:
        if SparkContext._gateway is not None:
            return
        if problem := java_problem():
            raise SettingsError(problem)
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        conf, path = SparkConf().setAll(list(_local(settings).items())), log_file(settings)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # what Java prints does not belong on the terminal; and whoever reads this process's output through a pipe
            # would wait until Java has ended, too
            with open(path, "wb") as log:
                output = {"stdout": log, "stderr": log}
                SparkContext._ensure_initialized(gateway=launch_gateway(conf, output))  # type: ignore[no-untyped-call]
        except PySparkRuntimeError as error:  # it ended before it opened its port
            raise SettingsError(f"Spark's Java process did not start (what it said is in {path})") from error


def prepare_stream(spark: SparkSession, source: str, checkpoint: str) -> None:
    """Configure Spark for a stream; for a source or checkpoint in S3, embedded Spark uses Hadoop's client."""
    # Iceberg's vectorized reader leaves some objects behind per file (apache/iceberg#13937), about 1 MB per minute
    spark.conf.set("spark.sql.iceberg.vectorization.enabled", "false")
    if submitted():
        return
    for uri in filter(is_remote, (source, checkpoint)):
        from catalog import bucket  # imports boto3, which local lakes do not need

        for name, value in bucket.hadoop_options(uri).items():
            spark.conf.set(name, value)
    if is_remote(checkpoint):
        spark.conf.set(_CHECKPOINT_MANAGER, _WITHOUT_RENAMING)
    else:  # an earlier stream of this session may have had another lake
        spark.conf.unset(_CHECKPOINT_MANAGER)


def submitted() -> bool:
    """Whether spark-submit started this process; it reports a failure if the run starts no session."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


def starting(settings: Settings) -> str:
    """The message to show while the session starts."""
    size = sum(jar.size for jar in jars.missing(settings.cache))
    return "starting Spark" + (f", and fetching its jars ({size} MB), once" if size else "")


def log_file(settings: Settings) -> Path:
    """The log file of embedded Spark; each run overwrites it."""
    return settings.cache / "logs" / "spark.log"


def _switch_to(lake: Lake, spark: SparkSession) -> SparkSession:
    """Point an existing session at this lake: Spark caches the previous lake's catalog."""
    properties = lake.spark_properties()
    wanted = str(sorted(properties.items()))
    if spark.conf.get(_OPENED, "") != wanted:
        for name in spark.conf.getAll:
            if name.startswith(f"spark.sql.catalog.{CATALOG}.") and name not in properties:
                spark.conf.unset(name)  # a property of the previous lake, such as its S3 client
        spark._jsparkSession.sessionState().catalogManager().reset()
        spark.conf.set(_OPENED, wanted)
    return spark


def _is_not_about_a_dead_jvm(record: logging.LogRecord) -> bool:
    return record.msg != "Exception while sending command."  # Py4J's message, logged with a traceback


def _local(settings: Settings) -> dict[str, str]:
    work, memory = work_folder(), machine_memory()
    log4j = Path(str(files("bootstrap") / "log4j2.properties"))
    return {
        "spark.master": settings.master or local_master(memory),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": settings.driver_memory or f"{heap(memory) // 1024**2}m",
        "spark.driver.extraClassPath": ":".join(map(str, jars.fetch(settings.cache, settings.maven_repository))),
        "spark.driver.extraJavaOptions": f"{_JVM} {class_archive.java_options()} -Djava.io.tmpdir={work} "
        f"-Dlog4j2.configurationFile={log4j.as_uri()} {java_options(work)}",
        "spark.executor.heartbeatInterval": "1s",  # how often a running task reports its progress
        # one page per broadcast table, task and aggregation; with a heap of 6 GB, the default is 64 MB
        "spark.buffer.pageSize": "4m",
        "spark.local.dir": work,
        "spark.sql.warehouse.dir": os.path.join(work, "warehouse"),
        "spark.hadoop.fs.file.impl": "com.globalmentor.apache.hadoop.fs.BareLocalFileSystem",  # see jars.py
        "spark.sql.catalogImplementation": "in-memory",  # the lake has its own catalog
        "spark.sql.codegen.cache.maxEntries": "1000",  # with the default of 100 a run compiled some classes twice
        "spark.sql.shuffle.partitions": "8",  # the default of 200 is for clusters
        # by default, Spark merges shuffle partitions up to 1 MB, so one task would write the files of all labels
        "spark.sql.adaptive.coalescePartitions.minPartitionSize": "64k",
        **{f"spark.executorEnv.{name}": value for name, value in _WORKERS.items() if name not in os.environ},
        "spark.python.daemon.module": "bootstrap.spark_daemon",  # see there: saves 0.1 s of CPU per task
    }
