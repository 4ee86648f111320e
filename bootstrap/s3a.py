"""What an embedded Spark needs for a lake in S3: Hadoop's S3A, fetched once, and its settings.

Maven Central, or your mirror ──Ivy (inside spark-submit)──▶ <cache>/ivy/jars, 12 MB ──▶ the session's class path

hadoop-aws asks for the AWS SDK as one jar of half a gigabyte; it gets the few modules of it that it uses.
A cluster brings all this itself.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from catalog import aws

_SPARK_CLOUD = "4.0.2"  # binds Parquet to S3A's committers; the newest of Spark 4.0 that Maven Central has
_AWS_SDK = "2.25.53"  # what Spark 4.0 is built with
# sts: roles by web identity or profile; sso and ssooidc: profiles of `aws sso login`; netty: what copies objects
_SDK_MODULES = ("s3", "s3-transfer-manager", "apache-client", "netty-nio-client", "sts", "sso", "ssooidc")
_NOT_NEEDED = (
    "software.amazon.awssdk:bundle",
    "com.google.cloud.bigdataoss:*",  # spark-hadoop-cloud serves other clouds, too
    "org.apache.hadoop:hadoop-azure",
    "org.apache.hadoop:hadoop-cloud-storage",
    "com.squareup.*:*",
    "org.apache.hadoop:hadoop-client-*",  # from here on: Spark has its own
    "io.netty:*",
    "org.slf4j:*",
    "com.fasterxml.jackson.*:*",
    "joda-time:*",
    "org.eclipse.jetty:*",
    "org.apache.httpcomponents:*",
    "commons-codec:*",
)


def configuration(cache: Path, work: str) -> dict[str, str]:
    """Spark's settings for a session that reads and writes s3a://. work: a folder for what is being uploaded."""
    hadoop = {
        "fs.s3a.endpoint.region": aws.region(),
        "fs.s3a.aws.credentials.provider": "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider",
        "fs.s3a.buffer.dir": f"{work}/s3a",
        # S3 cannot rename: the magic committer uploads each file to where it belongs, and completes all at the end
        "fs.s3a.committer.name": "magic",
        "mapreduce.outputcommitter.factory.scheme.s3a": "org.apache.hadoop.fs.s3a.commit.S3ACommitterFactory",
    }
    if server := aws.endpoint("s3"):
        hadoop["fs.s3a.endpoint"] = server
        hadoop["fs.s3a.path.style.access"] = "true"  # a test server has no host name a bucket
        hadoop["fs.s3a.connection.ssl.enabled"] = str(not server.startswith("http:")).lower()
    return {
        "spark.jars.packages": ",".join(_packages()),
        "spark.jars.excludes": ",".join(_NOT_NEEDED),
        "spark.jars.ivy": str(_ivy(cache)),
        "spark.sql.sources.commitProtocolClass": "org.apache.spark.internal.io.cloud.PathOutputCommitProtocol",
        "spark.sql.parquet.output.committer.class": "org.apache.spark.internal.io.cloud.BindingParquetOutputCommitter",
        **{f"spark.hadoop.{key}": value for key, value in hadoop.items()},
    }


def fetched(cache: Path) -> bool:
    """Whether the jars lie in the cache."""
    return any(_ivy(cache).glob("jars/*hadoop-aws*.jar"))


def problem(log: str) -> str | None:
    """Why Ivy could not get the jars, from what it wrote to its log; None if that is not what went wrong."""
    if "unresolved dependency" not in log and "download failed" not in log:
        return None
    return (
        "Spark's S3 jars (hadoop-aws and parts of the AWS SDK, 12 MB) could not be fetched from Maven Central: "
        "connect this machine once, or name a mirror in the variable DEFAULT_ARTIFACT_REPOSITORY, or in an Ivy "
        "settings file by `spark.jars.ivySettings` in $SPARK_CONF_DIR/spark-defaults.conf"
    )


def _packages() -> list[str]:
    return [
        f"org.apache.hadoop:hadoop-aws:{_hadoop_version()}",
        f"org.apache.spark:spark-hadoop-cloud_2.13:{_SPARK_CLOUD}",
        *(f"software.amazon.awssdk:{module}:{_AWS_SDK}" for module in _SDK_MODULES),
    ]


def _hadoop_version() -> str:
    """Of the Hadoop that pyspark brings: another hadoop-aws would not fit it."""
    jar = next(Path(str(files("pyspark"))).glob("jars/hadoop-client-api-*.jar"))
    return jar.stem.removeprefix("hadoop-client-api-")


def _ivy(cache: Path) -> Path:
    return cache / "ivy"
