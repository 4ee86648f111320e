"""Measure the machine's limit: only the unavoidable work, in a bare loop, one process per core.

It times decode + resize + normalise + ONNX Runtime, without Spark, checks or output. Processes and sessions are started
before the clock.
"""

import io
import multiprocessing
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
from PIL import Image

from transforms.onnx_session import onnx_session


def photos_per_second(files: list[Path], model: str, processes: int) -> float:
    """Photos per second over all files, of all processes together. Raises BrokenBarrierError if one of them fails."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes + 1)
    shares = [files[i::processes] for i in range(processes)]
    workers = [context.Process(target=_work, args=(share, model, barrier)) for share in shares]
    for worker in workers:
        worker.start()
    try:
        barrier.wait()
        started = time.monotonic()
        barrier.wait()
        seconds = time.monotonic() - started
    finally:
        for worker in workers:
            worker.join()
    return len(files) / seconds


def _work(files: list[Path], model: str, barrier: Barrier) -> None:
    try:
        _work_in_step(files, model, barrier)
    except BaseException:
        barrier.abort()  # otherwise the others would wait forever
        raise


def _work_in_step(files: list[Path], model: str, barrier: Barrier) -> None:
    session = onnx_session(Path(model).read_bytes())
    contents = [file.read_bytes() for file in files]
    session.run(None, {"pixels": np.zeros((1, 224, 224, 3), np.uint8)})
    barrier.wait()
    for content in contents:  # one photo per call, as transforms/network.py does
        image = Image.open(io.BytesIO(content)).convert("RGB")
        pixels = np.asarray(image.resize((224, 224), Image.Resampling.BICUBIC))
        session.run(None, {"pixels": pixels[np.newaxis]})
    barrier.wait()
