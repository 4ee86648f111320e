"""Measure silver's work in an executor on a GPU and on the CPU: decode, resize, network, Arrow, without Spark.

python -m tests.bench.gpu --processes 16   one process per task slot, which share the GPU

Each process loads the network and featurizes one batch before the clock starts.
"""

import argparse
import multiprocessing
import os
import time
from importlib.resources import files
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from ingestion.samples import SAMPLE_LABELS, sample_photos
from transforms.arrow import to_matrix
from transforms.featurizer import features_of
from transforms.weights import Featurizer

_BATCH = 256  # photos per Arrow batch, as Spark sends them
_MODEL = Featurizer("bundled", "onnx", str(files("transforms") / "weights" / "fruitlake.onnx"))


def main() -> None:
    """Measure both devices with the same photos, and compare their features."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--processes", type=int, nargs="+", default=[os.cpu_count() or 1])
    asked.add_argument("--batches", type=int, default=16, help=f"batches of {_BATCH} photos per process")
    asked.add_argument("--folder", type=Path, help="JPEGs to featurize [default: the demo's photos]")
    given = asked.parse_args()
    table = Table("device", "processes", "photos/s", "seconds to load")
    for processes in given.processes:
        for device, batches in (("cpu", max(1, given.batches // 8)), ("cuda", given.batches)):
            rate, load = _photos_per_second(device, processes, batches, given.folder)
            table.add_row(device, str(processes), f"{rate:,.0f}", f"{load:.1f}")
    console = Console()
    console.print(table)
    photos = _batch(given.folder)
    ours, theirs = (_features(photos, device) for device in ("cuda", "cpu"))
    cosine = (ours * theirs).sum(axis=1) / (np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1))
    largest = np.abs(ours - theirs).max()
    console.print(f"cosine of cuda's features to cpu's: at least {cosine.min():.9f}; largest difference {largest:.2e}")


def _batch(folder: Path | None) -> pa.RecordBatch:
    labels = [path for label in SAMPLE_LABELS for path in sample_photos(label)]
    paths = sorted(folder.rglob("*.jpg")) if folder else labels
    content = [paths[i % len(paths)].read_bytes() for i in range(_BATCH)]
    names = [str(i) for i in range(_BATCH)]
    return pa.RecordBatch.from_pydict({"image_id": names, "label": names, "content": content})


def _features(photos: pa.RecordBatch, device: str) -> np.ndarray:
    return to_matrix(next(features_of([photos], _MODEL, device))["features"]).astype(np.float64)


def _photos_per_second(device: str, processes: int, batches: int, folder: Path | None) -> tuple[float, float]:
    """Photos per second of all processes together, and the seconds until the last one had loaded the network."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes + 1)
    given = (device, batches, folder, barrier)
    workers = [context.Process(target=_work, args=given) for _ in range(processes)]
    began = time.monotonic()
    for worker in workers:
        worker.start()
    barrier.wait()
    started = time.monotonic()
    barrier.wait()
    seconds = time.monotonic() - started
    for worker in workers:
        worker.join()
    return processes * batches * _BATCH / seconds, started - began


def _work(device: str, batches: int, folder: Path | None, barrier: Barrier) -> None:
    try:
        photos = _batch(folder)
        for _ in features_of([photos], _MODEL, device):
            barrier.wait()
        for _ in features_of((photos for _ in range(batches)), _MODEL, device):
            pass
        barrier.wait()
    except BaseException:
        barrier.abort()  # otherwise the others would wait forever
        raise


if __name__ == "__main__":
    main()
