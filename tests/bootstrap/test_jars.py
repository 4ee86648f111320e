"""Spark's jars: downloaded once, from a configurable repository, and only accepted if they match the pinned hashes."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from bootstrap import jars, session
from bootstrap.jars import Jar, fetch, missing
from catalog.errors import SettingsError
from tests.commands import python
from tests.lakes import Lake

NOBODY = "http://127.0.0.1:9"  # nothing listens on this port
BYTES = {"one": b"a jar", "two": b"another jar"}


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> tuple[Jar, ...]:
    """Two small jars in place of the real ones."""
    wanted = tuple(Jar(f"org.fruit:{name}:1.0", hashlib.sha256(data).hexdigest(), 1) for name, data in BYTES.items())
    monkeypatch.setattr(jars, "JARS", wanted)
    return wanted


@contextmanager
def mirror(folder: Path) -> Iterator[str]:
    """A Maven repository with both jars, on loopback."""
    for name, data in BYTES.items():
        path = folder / "maven2" / "org" / "fruit" / name / "1.0" / f"{name}-1.0.jar"
        path.parent.mkdir(parents=True)
        path.write_bytes(data)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/maven2"
        server.shutdown()


def test_a_mirror_serves_them_once(two: tuple[Jar, ...], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert missing(cache) == list(two)
    with mirror(tmp_path / "mirror") as address:
        paths = fetch(cache, f"{address}/")
    assert [path.read_bytes() for path in paths] == list(BYTES.values())
    assert missing(cache) == []
    assert fetch(cache, NOBODY) == paths, "no network access is needed"


def test_another_file_than_the_pinned_one_is_refused(two: tuple[Jar, ...], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with mirror(tmp_path / "mirror") as address:
        swapped = tmp_path / "mirror" / "maven2" / two[1].path
        swapped.write_bytes(b"something else")
        with pytest.raises(SettingsError) as refused:
            fetch(cache, address)
    line = str(refused.value)
    assert f"{address}/{two[1].path}" in line and "use another mirror" in line
    assert hashlib.sha256(b"something else").hexdigest() in line and two[1].sha256 in line
    assert missing(cache) == [two[1]], "a bad download is deleted"


@pytest.mark.parametrize("address", [NOBODY, "no address", "file:///nowhere"])
def test_a_repository_that_cannot_be_reached_is_one_line(
    address: str, two: tuple[Jar, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    with pytest.raises(
        SettingsError, match=r"cannot be fetched from .* connect this machine once, or name a"
    ) as failed:
        fetch(tmp_path, address)
    assert "one-1.0.jar (1 MB)" in str(failed.value)
    assert address in str(failed.value)
    assert "FRUITLAKE_MAVEN_REPOSITORY" in str(failed.value)
    assert len(str(failed.value).splitlines()) == 1


def test_a_jar_the_repository_does_not_have_is_named(two: tuple[Jar, ...], tmp_path: Path) -> None:
    with mirror(tmp_path / "mirror") as address:
        (tmp_path / "mirror" / "maven2" / two[0].path).unlink()
        with pytest.raises(SettingsError, match=r"one-1\.0\.jar .*cannot be fetched from .*File not found"):
            fetch(tmp_path / "cache", address)


def test_who_waits_for_them_is_told(two: tuple[Jar, ...], tmp_path: Path) -> None:
    settings = Lake(tmp_path, tmp_path, tmp_path / "cache").settings()
    assert session.starting(settings) == "starting Spark, and fetching its jars (2 MB), once"
    with mirror(tmp_path / "mirror") as address:
        fetch(tmp_path / "cache", address)
    assert session.starting(settings) == "starting Spark"


def test_setting_up_without_a_network_is_one_line(tmp_path: Path) -> None:
    done = python("-m", "bootstrap.jars", cwd=tmp_path, FRUITLAKE_MAVEN_REPOSITORY=NOBODY)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("error: ") and "FRUITLAKE_MAVEN_REPOSITORY" in done.stderr
