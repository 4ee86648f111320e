"""The example notebook runs on a small lake, from its first cell to its last."""

from importlib.resources import files
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.lakes import Lake


@pytest.mark.exhaustive
def test_the_example_notebook_runs(built: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRUITLAKE_LAKE", str(built.path))
    monkeypatch.setenv("FRUITLAKE_CACHE", str(built.cache))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    text = (files("bootstrap.emr") / "gold.ipynb").read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]
    assert all(not cell.get("outputs") for cell in notebook.cells), "committed without outputs"
    NotebookClient(notebook, timeout=200, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [
        output["data"]["text/plain"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "data" in output
    ]
    assert len(shown) == 5
    assert str(built.path) in shown[0]
    assert "Apple Braeburn" in shown[1]
    assert "Kiwi Half" in shown[3]
    assert "distance" in shown[4]
    assert "0.0" in shown[4], "the nearest photo is the photo itself"
