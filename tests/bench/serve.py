"""Measure the latency of `fruitlake serve`, and its memory under hostile uploads, over loopback, in its own process.

python -m tests.bench.serve --lake LAKE --photos FOLDER [--vectors 22000] [--rate 20] [--seconds 60] [--hostile 1000]

The lake is copied, and its vectors are repeated with some noise up to the requested number.
"""

import argparse
import http.client
import json
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa

from catalog.lake import open_lake
from catalog.scan import dataset
from ingestion.admission import admit
from ingestion.photo import Rejected
from tests.lake_copy import copy_lake
from tests.torture.mutants import mutant, whole_files

_ASKING = 16  # concurrent connections; at the requested rate, few are in use


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--lake", type=Path, required=True)
    asked.add_argument("--photos", type=Path, required=True, help="photos to ask about, in any folders")
    asked.add_argument("--vectors", type=int, default=22_000)
    asked.add_argument("--rate", type=float, default=20, help="requests per second")
    asked.add_argument("--seconds", type=float, default=60)
    asked.add_argument("--hostile", type=int, default=1000, help="uploads that are no usable photo, per round of three")
    given = asked.parse_args()
    photos = [path.read_bytes() for path in sorted(given.photos.rglob("*.jpg"))]
    random.Random(0).shuffle(photos)
    with tempfile.TemporaryDirectory() as work:
        lake = Path(work) / "lake"
        copy_lake(given.lake, lake)
        print(f"{_fill(str(lake), given.vectors):,} vectors")
        with _server(lake) as (port, pid):
            _ask(port, photos[:50])
            print(f"memory when warm: {_memory(pid)} MB")
            _print_latency(_load(port, photos, given.rate, given.seconds), given.rate)
            print(f"memory after the load: {_memory(pid)} MB")
            chance, whole = random.Random(0), whole_files()
            for _ in range(3 if given.hostile else 0):
                statuses = Counter(_ask(port, _hostile(chance, whole, given.hostile)))
                _ask(port, photos[:50])
                print(f"hostile uploads by status: {dict(sorted(statuses.items()))}; memory {_memory(pid)} MB")


def _fill(lake: str, wanted: int) -> int:
    opened = open_lake(lake)
    current, table = opened.current("gold.fruit_vectors"), opened.load("gold.fruit_vectors")
    assert current and table
    rows = dataset(opened, "gold.fruit_vectors").to_table()
    chance = np.random.default_rng(0)
    more = rows.take(chance.integers(0, len(rows), max(0, wanted - len(rows))))
    if not len(more):
        return len(rows)
    vectors = np.stack(more["vector"].to_numpy())
    noisy = vectors + chance.normal(0, 0.05 * vectors.std(), vectors.shape).astype(np.float32)
    columns = {
        "image_id": [f"{number:064x}" for number in range(len(more))],
        "vector": pa.array(list(noisy), pa.list_(pa.float32())),
    }
    for name, values in columns.items():
        more = more.set_column(more.schema.get_field_index(name), name, [values])
    table.append(more, snapshot_properties={f"fruitlake.{name}": value for name, value in current.properties.items()})
    return len(rows) + len(more)


@contextmanager
def _server(lake: Path) -> Iterator[tuple[int, int]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", "from bootstrap.cli.app import main; main()", "serve", "--lake", str(lake)]
    server = subprocess.Popen([*command, "--port", str(port)], stdout=subprocess.DEVNULL)
    try:
        while True:
            assert server.poll() is None, "the server has ended"
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.1)
        yield port, server.pid
    finally:
        server.terminate()
        server.wait()


def _ask(port: int, bodies: Sequence[bytes]) -> list[int]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    return [_status(connection, body) for body in bodies]


def _status(connection: http.client.HTTPConnection, body: bytes) -> int:
    connection.request("POST", "/identify", body)
    answer = connection.getresponse()
    json.loads(answer.read())
    return answer.status


def _load(port: int, photos: Sequence[bytes], rate: float, seconds: float) -> list[float]:
    """Latency per request in seconds, counted from when it was due, so that time spent queueing is included."""
    # in turn, because the server closes a connection after five idle seconds
    connections = deque(http.client.HTTPConnection("127.0.0.1", port, timeout=60) for _ in range(_ASKING))
    begun = time.perf_counter()

    def ask(number: int) -> float:
        due = begun + number / rate
        time.sleep(max(0, due - time.perf_counter()))
        connection = connections.popleft()
        assert _status(connection, photos[number % len(photos)]) == 200
        connections.append(connection)
        return time.perf_counter() - due

    with ThreadPoolExecutor(_ASKING) as pool:
        return list(pool.map(ask, range(round(rate * seconds))))


def _print_latency(seconds: list[float], rate: float) -> None:
    p50, p95, p99 = (1000 * np.quantile(seconds, share) for share in (0.5, 0.95, 0.99))
    print(
        f"{len(seconds):,} requests at {rate:.0f}/s: p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms, "
        f"slowest {1000 * max(seconds):.0f} ms"
    )


def _hostile(chance: random.Random, whole: Sequence[bytes], count: int) -> list[bytes]:
    found: list[bytes] = []
    while len(found) < count:
        upload = mutant(chance, whole)
        try:
            admit(upload)
        except Rejected:
            found.append(upload)
    return found


def _memory(pid: int) -> int:
    """Resident memory of a process in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) // 1024


if __name__ == "__main__":
    main()
