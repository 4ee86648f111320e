"""An Iceberg REST catalog for tests: the Iceberg project's own test server, on SQLite.

Its jars (14 MB) are downloaded once from Maven Central and checked by SHA-256; the rest of its class path is PySpark's.
"""

import hashlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pyspark

from bootstrap.settings import load
from catalog.storage import write_atomically

_START_AT_MOST = 120  # seconds
_JARS = """
com/github/ben-manes/caffeine/caffeine/2.9.3/caffeine-2.9.3.jar
    1e0a7bbef1dd791653143f3f05d0e489934bf5481e58a87c9e619cd46b68729b
jakarta/servlet/jakarta.servlet-api/6.0.0/jakarta.servlet-api-6.0.0.jar
    c034eb1afb158987dbb53a5fea0cadf611c8dae8daadd59c44d9d5ab70129cef
org/apache/httpcomponents/client5/httpclient5/5.6.1/httpclient5-5.6.1.jar
    1e3d8444c3c27772e4b9d42a790f06b3345a8ece4fd16d00981f2f2460e1e772
org/apache/httpcomponents/core5/httpcore5-h2/5.4/httpcore5-h2-5.4.jar
    2e0f4ace15db2d1609c2b06eca6012e7582afe4a99ad8d15073f62dd8edb3460
org/apache/httpcomponents/core5/httpcore5/5.4/httpcore5-5.4.jar
    cec2981fa7f520efb63f0787c24f10af2679e31f9f75c448c4dde40a3ae8100d
org/apache/iceberg/iceberg-api/1.11.0/iceberg-api-1.11.0.jar
    f00675a12ceb6d833bb9c22024823a3e7afdedf7abcefe34719f45b0d211995a
org/apache/iceberg/iceberg-bundled-guava/1.11.0/iceberg-bundled-guava-1.11.0.jar
    396d48d93ef5735f2ddef0cf9b3d6968ebd67b64b5cfe753d41c429d3f46a2a1
org/apache/iceberg/iceberg-common/1.11.0/iceberg-common-1.11.0.jar
    b2835d00db7c92bdfa728123ad7cdcb488e2f2805c1c51fb9ae94e8bd203bd7d
org/apache/iceberg/iceberg-core/1.11.0/iceberg-core-1.11.0-tests.jar
    4284719a5f0eb7db01e9f784a0ed4ca8bacf7d6f9951924143afc083428d8be3
org/apache/iceberg/iceberg-core/1.11.0/iceberg-core-1.11.0.jar
    53b9eb7a8c34fb9958ea7d9a4d19ba5bc96f592d0f05e8625b0778c70b1f0090
org/apache/iceberg/iceberg-open-api/1.11.0/iceberg-open-api-1.11.0-test-fixtures.jar
    b0aa8636d88c24976d552ac9b3075a1315dc1ccd4fa6ed95b365901842664316
org/eclipse/jetty/compression/jetty-compression-common/12.1.5/jetty-compression-common-12.1.5.jar
    f9eaa16477daaf7ff41e5489e6d41268c42cd58888396762ef093ace819ab683
org/eclipse/jetty/compression/jetty-compression-gzip/12.1.5/jetty-compression-gzip-12.1.5.jar
    f9a3b082a4eeb0013226c9fd9e9dd60f77c1bf93a87d95e741be9553e769c7b5
org/eclipse/jetty/compression/jetty-compression-server/12.1.5/jetty-compression-server-12.1.5.jar
    f84f42035fec0df6815cdbff80cf324db99d0ca72d9c4922c1f7a94c7dda4e17
org/eclipse/jetty/ee10/jetty-ee10-servlet/12.1.5/jetty-ee10-servlet-12.1.5.jar
    ffd35e86226246c8a57ade503fae733b37e687844c726f63f02c6e5fa9220ace
org/eclipse/jetty/jetty-http/12.1.5/jetty-http-12.1.5.jar
    20a6f605e802789990855b81f75dadfa8ab152e81713080c295c333d7cce7daa
org/eclipse/jetty/jetty-io/12.1.5/jetty-io-12.1.5.jar
    9c388018412d9bd9a1b9c35ca373e25fd845706f82549f2a7039ae9fefb45e69
org/eclipse/jetty/jetty-security/12.1.5/jetty-security-12.1.5.jar
    9972b67058ad7a58a0517cd14502e67e2e1071c74b00f51c6487518f0bfdc02e
org/eclipse/jetty/jetty-server/12.1.5/jetty-server-12.1.5.jar
    e0964741f132de3bdb48ca59c4b9bb8555f966d46b660c8c88f1e157cedbaa02
org/eclipse/jetty/jetty-session/12.1.5/jetty-session-12.1.5.jar
    ebe4f30c6fe7656294d884e1dc8eea4c77b6c861e3c010847a76fd78164ae166
org/eclipse/jetty/jetty-util/12.1.5/jetty-util-12.1.5.jar
    3b165498c1409db1a2463c367250c9225635cf68cd4529fbb0610324942bbc07
"""


def fetch_server(cache: Path) -> list[Path]:
    """Download the server's jars. Raises OSError if that fails."""
    words = _JARS.split()
    paths = []
    for path, sha256 in zip(words[::2], words[1::2], strict=True):
        target = cache / "jars" / path.rsplit("/", 1)[1]
        if not target.exists():
            with urlopen(f"{load().maven_repository}/{path}", timeout=60) as answer:
                data = answer.read()
            assert hashlib.sha256(data).hexdigest() == sha256, path
            write_atomically(str(target), data)
        paths.append(target)
    return paths


@contextmanager
def rest_catalog(folder: Path, cache: Path) -> Iterator[dict[str, str]]:
    """Run the server on loopback; yields the catalog properties to connect to it."""
    sparks = Path(pyspark.__file__).parent / "jars" / "*"
    classes = os.pathsep.join(map(str, [*fetch_server(cache), *(cache / "jars").glob("sqlite-jdbc-*.jar"), sparks]))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    variables = {
        "CATALOG_REST_PORT": str(port),
        "CATALOG_WAREHOUSE": str(folder / "warehouse"),
        "CATALOG_URI": f"jdbc:sqlite:{folder}/rest.db",
    }
    command = ["java", "-XX:TieredStopAtLevel=1", "-cp", classes, "org.apache.iceberg.rest.RESTCatalogServer"]
    with open(folder / "server.log", "wb") as log:
        server = subprocess.Popen(command, env=os.environ | variables, stdout=log, stderr=log)
    try:
        _wait_for(f"http://127.0.0.1:{port}/v1/config", server)
        yield {"type": "rest", "uri": f"http://127.0.0.1:{port}"}
    finally:
        server.kill()
        server.wait()


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_AT_MOST
    while True:
        try:
            urlopen(address, timeout=5).close()
            return
        except URLError:
            assert server.poll() is None and time.monotonic() < deadline, "the REST server did not start"
            time.sleep(0.2)
