"""Download the jars that embedded Spark needs besides its own, once, and check their SHA-256. Clusters have theirs.

python -m bootstrap.jars     run by `make` during setup, so that later runs need no network
"""

import hashlib
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from bootstrap.settings import load
from catalog.errors import FruitlakeError, SettingsError
from catalog.storage import write_object

_TIMEOUT = 60  # seconds without data


@dataclass(frozen=True)
class Jar:
    """One artifact of Maven Central; coordinates: group:name:version; size in MB, rounded up, for messages."""

    coordinates: str
    sha256: str
    size: int
    extension: str = "jar"

    @property
    def file(self) -> str:
        """The file's name, in the repository and in the cache."""
        return self.path.rpartition("/")[2]

    @property
    def path(self) -> str:
        """The file's path below the root of a Maven repository."""
        group, name, version = self.coordinates.split(":")
        return f"{group.replace('.', '/')}/{name}/{version}/{name}-{version}.{self.extension}"


# Iceberg 1.11.0 is the version of EMR's release emr-spark-8.1.0. The SQLite driver is for the catalog of a local lake,
# the AWS bundle for a lake in S3. The next three are for `stream`, which lists photos and writes checkpoints in S3 with
# Hadoop's client: of the Hadoop in PySpark, and with the AWS SDK of Iceberg's bundle, which lacks the transfer manager.
# hadoop-bare-naked-local-fs sets the mode of a new local file or folder through Java's own API. Hadoop's native library
# would do so, too, but PySpark comes without it, and Hadoop then starts a `chmod` process per file: 10 ms instead of 1.
JARS = (
    Jar(
        "org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.11.0",
        "d6ea6c5d099288daeb7d5a92061bd3d7d8f296492632b42378e5f2f0e3066242",
        48,
    ),
    Jar(
        "org.apache.iceberg:iceberg-aws-bundle:1.11.0",
        "38f01da7e96850cdd05e6616d758b77b43314b712a8808e3f9a824d56976162f",
        64,
    ),
    Jar(
        "org.xerial:sqlite-jdbc:3.50.3.0",
        "a3f53a2aa15ae9425a9e793bbe9c8e5288febeb4b65ef5c1a4e80d4c2045cf08",
        14,
    ),
    Jar(
        "org.apache.hadoop:hadoop-aws:3.4.2",
        "d2d24e6b715b5656b9d238bf13b6682a07e2004dd36aad74a73aeb854319f4d9",
        1,
    ),
    Jar(
        "software.amazon.awssdk:s3-transfer-manager:2.44.4",
        "dbcad736b19f6eb8471f9edf027d9fffe994228f25f415894efd01fd80cb6c02",
        1,
    ),
    Jar(
        "org.apache.spark:spark-hadoop-cloud_2.13:4.1.1",
        "e5b41b43d481510afd0cdc372b593770ddee5a0a348d0744cef6c6cd77a27943",
        1,
    ),
    Jar(
        "com.globalmentor:hadoop-bare-naked-local-fs:0.1.0",
        "e0cc30fb0531eb0b59468dc0abf5b257533d2365b5e9f45e795edd707aa78c62",
        1,
    ),
)


def fetch(cache: Path, repository: str, jars: Sequence[Jar] | None = None) -> list[Path]:
    """Paths of the jars (JARS unless given) in the cache; missing ones are downloaded from a Maven repository."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda jar: _fetch(jar, cache / "jars", repository), JARS if jars is None else jars))


def missing(cache: Path) -> list[Jar]:
    """The jars that are not in the cache yet."""
    return [jar for jar in JARS if not (cache / "jars" / jar.file).exists()]


def _fetch(jar: Jar, folder: Path, repository: str) -> Path:
    target = folder / jar.file
    if target.exists():
        return target
    address = f"{repository.rstrip('/')}/{jar.path}"
    try:
        with urlopen(address, timeout=_TIMEOUT) as answer:
            data = answer.read()
    except (URLError, OSError, ValueError) as error:
        raise SettingsError(
            f"{jar.file} ({jar.size} MB) cannot be fetched from {repository} ({getattr(error, 'reason', error)}): "
            "connect this machine once, or name a Maven mirror in FRUITLAKE_MAVEN_REPOSITORY"
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != jar.sha256:
        raise SettingsError(f"{address} has the SHA-256 {found}, not the pinned {jar.sha256}: use another mirror")
    write_object(str(target), data)
    return target


if __name__ == "__main__":
    settings = load()
    try:
        if wanted := missing(settings.cache):
            print(f"fetching {', '.join(f'{jar.file} ({jar.size} MB)' for jar in wanted)}")
        fetch(settings.cache, settings.maven_repository)
    except FruitlakeError as problem:
        sys.exit(f"error: {problem}")
