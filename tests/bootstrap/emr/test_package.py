"""What is packaged: pins of the lock, a launcher that works anywhere, names that stand for content."""

from __future__ import annotations

import importlib.util
import marshal
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import bootstrap.emr
from bootstrap import settings
from bootstrap.emr.lock import LEFT_OUT, cluster_requirements
from bootstrap.emr.package import Artifacts, package
from catalog.errors import EmrError
from transforms.weights import prepare

ROOT = Path(bootstrap.emr.__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text()


def names(text: str) -> set[str]:
    return set(re.findall(r"^([\w.-]+)==", text, re.MULTILINE))


def test_the_cluster_gets_the_locks_pins_and_hashes_and_no_more() -> None:
    text = cluster_requirements(LOCK)
    assert {"numpy", "onnxruntime", "dbt-core", "great-expectations", "boto3", "pyarrow"} <= names(text)
    assert not names(text) & {*LEFT_OUT, "keras", "onnx", "pytest", "moto", "ruff"}
    pins = re.findall(r"^\S+==\S+.*\n(?: +--hash=\S+.*\n)+", text, re.MULTILINE)
    assert len(pins) == len(re.findall(r"^\S+==", text, re.MULTILINE)), "every pin has its hashes"
    assert all(pin in LOCK for pin in pins)


def test_what_only_a_left_out_package_asks_for_is_left_out_too() -> None:
    def pin(name: str, *parents: str) -> str:
        via = "".join(f"    #   {parent}\n" for parent in parents)
        return f"{name}==1 \\\n    --hash=sha256:0\n    # via\n{via}"

    lock = "".join(
        [
            pin("gast", "tensorflow"),
            pin("numpy", "pandas", "tensorflow"),
            pin("pandas", "fruitlake (pyproject.toml)"),
            pin("ruff", "fruitlake (pyproject.toml:dev)"),
            pin("tensorflow", "fruitlake (pyproject.toml)"),
        ]
    )
    assert names(cluster_requirements(lock)) == {"numpy", "pandas"}


def test_the_wheel_holds_the_dbt_project_and_its_names_stand_for_content(packaged: Artifacts, cache: Path) -> None:
    with zipfile.ZipFile(cache / "emr" / packaged.project) as wheel:
        held = set(wheel.namelist())
    assert {
        "transforms/dbt_project.yml",
        "transforms/macros/published.sql",
        "transforms/models/gold/pca_variance.sql",
        "transforms/models/silver/image_features.py",
        "bootstrap/emr/stack.yaml",
        "bootstrap/emr/bootstrap-emr.sh",
        "bootstrap/emr/prices.json",
        "bootstrap/emr/gold.ipynb",
        "expectations/thresholds.yml",
    } <= held
    assert not [name for name in held if name.startswith("tests/") or "__pycache__" in name]
    first, again = (package(settings.load(cache=cache, weights="bundled")) for _ in range(2))
    assert first == again
    assert packaged.environment == again.environment


def test_the_packaged_model_is_the_same_model_without_tensorflow(
    packaged: Artifacts, cache: Path, tmp_path: Path
) -> None:
    source = prepare("bundled", "onnx", cache, str(tmp_path / "one"))
    exported = prepare(str(cache / "emr" / packaged.model), "onnx", tmp_path / "no-cache", str(tmp_path / "two"))
    assert exported.model_id == source.model_id
    assert Path(exported.uri).read_bytes() == Path(source.uri).read_bytes()
    assert packaged.model == f"{source.model_id}.onnx"


def test_outside_a_checkout_it_says_where_packages_are_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("bootstrap.emr.package._CHECKOUT", tmp_path)
    with pytest.raises(EmrError, match="checkout"):
        package(settings.load(cache=tmp_path))


def test_the_nodes_script_is_clean_for_shellcheck() -> None:
    script = Path(bootstrap.emr.__file__).with_name("bootstrap-emr.sh")
    done = subprocess.run(["shellcheck", str(script)], capture_output=True, text=True, check=False, env=_path())
    assert done.returncode == 0, done.stdout


def test_the_nodes_script_unpacks_once(packaged: Artifacts, cache: Path, tmp_path: Path) -> None:
    """With `cp` in place of `aws s3 cp`: what matters here is what the script does with the archives."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "aws").write_text('#!/bin/sh\nshift 3\necho "copied $1"\nexec cp "$1" "$2"\n')
    (tools / "aws").chmod(0o755)
    script = Path(bootstrap.emr.__file__).with_name("bootstrap-emr.sh")
    archives = [str(cache / "emr" / packaged.environment), str(cache / "emr" / packaged.project)]
    variables = _path(tools) | {"FRUITLAKE_ROOT": str(tmp_path / "opt"), "TMPDIR": str(tmp_path)}

    def run() -> str:
        done = subprocess.run(
            ["bash", str(script), *archives], env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run().count("copied") == 2
    python = tmp_path / "opt" / "environment" / "bin" / "python"
    code = "import transforms, numpy; print(transforms.__file__)"
    said = subprocess.run(
        [str(python), "-c", code], cwd=tmp_path, env=_path(), capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == str(tmp_path / "opt" / "fruitlake" / "transforms" / "__init__.py")
    assert run().count("copied") == 0, "a second time there is nothing to do"
    archives[1] = str(cache / "emr" / packaged.model)
    refused = subprocess.run(
        ["bash", str(script), *archives], env=variables, capture_output=True, text=True, check=False
    )
    assert refused.returncode != 0
    assert "neither a .tar.gz nor a .zip" in refused.stderr
    assert (tmp_path / "opt" / "fruitlake" / "transforms").exists(), "what was there stays"


def test_the_nodes_script_brings_python_where_there_is_none_yet(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "mkdir", "mktemp", "cat"):
        (tools / name).symlink_to(shutil.which(name) or name)
    for name in ("dnf", "sudo", "aws"):
        (tools / name).write_text('#!/bin/bash\necho "${0##*/} $*"\n[[ ${0##*/} != aws ]]\n')
        (tools / name).chmod(0o755)
    script = Path(bootstrap.emr.__file__).with_name("bootstrap-emr.sh")
    variables = {"PATH": str(tools), "FRUITLAKE_ROOT": str(tmp_path / "opt"), "TMPDIR": str(tmp_path)}
    command = [str(tools / "bash"), str(script), "s3://b/environment.tar.gz", "s3://b/fruitlake.zip"]
    said = subprocess.run(command, env=variables, capture_output=True, text=True, check=False).stdout
    assert "dnf install -y -q python3.11" in said
    assert said.index("dnf") < said.index("aws s3 cp")


def test_the_environment_is_compiled_for_the_clusters_python_and_has_no_tests(packaged: Artifacts, cache: Path) -> None:
    with tarfile.open(cache / "emr" / packaged.environment) as archive:
        names = set(archive.getnames())
        compiled = archive.extractfile("site-packages/numpy/__pycache__/__init__.cpython-311.pyc")
        assert compiled is not None
        header = compiled.read(8)
        code = marshal.loads(compiled.read()[8:])
    assert header[:4] == importlib.util.MAGIC_NUMBER
    assert header[4:] == b"\x01\0\0\0", "named by a hash of the source that nobody checks: no time in it"
    assert code.co_filename == "site-packages/numpy/__init__.py", "no folder of this machine in it"
    assert "site-packages/pandas/core/frame.py" in names
    assert not [name for name in names if "/tests/" in name and name.endswith("tests/__init__.py")]
    assert "site-packages/dbt/include/global_project/tests/generic/builtin.sql" in names, "which dbt runs"


def _path(*first: Path) -> dict[str, str]:
    folders = [*map(str, first), str(Path(sys.executable).parent), f"{sys.base_prefix}/bin", os.environ["PATH"]]
    return {"PATH": ":".join(folders), "HOME": os.environ.get("HOME", "/")}
