"""A label's summary does not depend on how its vectors are split into batches and files."""

import numpy as np
import pyarrow as pa
import pytest

from transforms.label_summary import Part, _add, _parts


@pytest.mark.parametrize("rows", [1, 3, 40])
def test_parts_merge_to_the_whole(rows: int) -> None:
    rng = np.random.default_rng(0)
    x = (1e4 + rng.standard_normal((40, 5))).astype(np.float32)  # a large mean must not hide a small spread
    labels = ["Kiwi" if i % 3 else "Plum" for i in range(40)]
    batches = [
        pa.RecordBatch.from_pydict(
            {"label": labels[at : at + rows], "vector": pa.array(list(x[at : at + rows]), pa.list_(pa.float32()))}
        )
        for at in range(0, 40, rows)
    ]
    found: dict[str, Part] = {}
    for part in (batches[::2], batches[1::2]):  # two tasks
        for row in next(_parts(part)).to_pylist():
            _add(found, row["label"], (row["n"], np.array(row["mean"]), row["squares"]))
    assert found.keys() == {"Kiwi", "Plum"}
    for label, (n, mean, squares) in found.items():
        mine = x[[name == label for name in labels]].astype(np.float64)
        assert n == len(mine)
        np.testing.assert_allclose(mean, mine.mean(axis=0), rtol=1e-12)
        assert squares == pytest.approx(((mine - mine.mean(axis=0)) ** 2).sum(), rel=1e-6)
