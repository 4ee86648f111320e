"""Featurize a folder of photos to Parquet with Daft: its own glob, decoding and resizing, the same ONNX file.

    python -m tests.bench.daft_run PHOTOS MODEL TARGET

Daft is in the dependency group `peers`; see `make bench-peers`.
"""

import os
import sys

os.environ["DAFT_ANALYTICS_ENABLED"] = "0"  # no usage events; read at import
sys.modules["tensorflow"] = None  # type: ignore[assignment]  # Daft imports it if installed, which takes ten seconds

import daft  # noqa: E402
import numpy as np  # noqa: E402

from transforms.network import load_network  # noqa: E402
from transforms.weights import SIDE, Featurizer  # noqa: E402


@daft.cls(max_concurrency=os.cpu_count(), use_process=True)
class Model:
    """The network, loaded once per process, in one process per core."""

    def __init__(self, uri: str) -> None:
        sys.modules["tensorflow"] = None  # type: ignore[assignment]  # in this process, too
        self._network = load_network(Featurizer("", "onnx", uri))

    @daft.method.batch(return_dtype=daft.DataType.embedding(daft.DataType.float32(), 1280))  # type: ignore[untyped-decorator]
    def features(self, images: daft.Series) -> list[np.ndarray]:
        pixels = np.stack([np.asarray(image) for image in images.to_pylist()])
        size = self._network.call  # same as Fruitlake
        return list(np.concatenate([self._network.run(pixels[i : i + size]) for i in range(0, len(pixels), size)]))


def main(photos: str, model: str, target: str) -> None:
    """Featurize every JPEG below a folder."""
    files = daft.from_glob_path(f"{photos}/**/*.jpg")
    image = files["path"].download().decode_image(mode="RGB").resize(SIDE, SIDE)
    files.select(files["path"], Model(model).features(image).alias("features")).write_parquet(target)


if __name__ == "__main__":
    main(*sys.argv[1:])
