"""The package: versions as locked, a launcher that works anywhere, file names derived from content."""

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
from bootstrap.emr.package import _LAUNCHER, Artifacts, package
from catalog.errors import EmrError
from transforms.weights import prepare

ROOT = Path(bootstrap.emr.__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text()


def names(text: str) -> set[str]:
    return set(re.findall(r"^([\w.-]+)==", text, re.MULTILINE))


def test_the_cluster_gets_the_locks_pins_and_hashes_and_no_more() -> None:
    text = cluster_requirements(LOCK)
    assert {"numpy", "onnx", "onnxruntime", "dbt-core", "great-expectations", "boto3", "pyarrow"} <= names(text)
    assert not names(text) & {*LEFT_OUT, "keras", "pytest", "moto", "ruff"}
    pins = re.findall(r"^\S+==\S+.*\n(?: +--hash=\S+.*\n)+", text, re.MULTILINE)
    assert len(pins) == len(re.findall(r"^\S+==", text, re.MULTILINE)), "every pinned version has hashes"
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


@pytest.mark.exhaustive
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
        "expectations/suites.yml",
        "transforms/weights/fruitlake.onnx",
        "ingestion/samples/photos/Pêche Blanche/peche-blanche_000.jpg",
    } <= held
    assert not [name for name in held if name.startswith("tests/") or "__pycache__" in name]
    first, again = (package(settings.load(cache=cache, weights="bundled")) for _ in range(2))
    assert first == again
    assert packaged.environment == again.environment


@pytest.mark.exhaustive
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


@pytest.mark.parametrize("there", [True, False])
def test_the_nodes_script_installs_what_is_not_there(tmp_path: Path, there: bool) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "bash").symlink_to(shutil.which("bash") or "bash")
    programs = {"dnf": 0, "sudo": 0, "systemctl": 0, "rpm": 0 if there else 1} | ({"python3.11": 0} if there else {})
    for name, code in programs.items():
        (tools / name).write_text(
            f'#!{tools}/bash\necho "${{0##*/}} $*"\n[[ ${{0##*/}} != sudo ]] || "$@"\nexit {code}\n'
        )
        (tools / name).chmod(0o755)
    script = Path(bootstrap.emr.__file__).with_name("bootstrap-emr.sh")
    done = subprocess.run(["bash", str(script)], env={"PATH": str(tools)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    installed = re.findall(r"^dnf install -y -q (\S+)", done.stdout, re.MULTILINE)
    assert installed == ([] if there else ["python3.11", "amazon-ssm-agent"])
    assert "systemctl enable --now amazon-ssm-agent" in done.stdout, "the tunnel needs it"


@pytest.mark.parametrize("name", ["python3.11", "python3", None])
def test_the_launcher_finds_the_nodes_python_by_its_version(tmp_path: Path, name: str | None) -> None:
    """The launcher accepts Python 3.11 under any name, but no other version."""
    (tmp_path / "environment" / "bin").mkdir(parents=True)
    launcher = tmp_path / "environment" / "bin" / "python"
    launcher.write_text(_LAUNCHER.replace("/usr", str(tmp_path / "usr")))
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("sh", "dirname", "ls", "xargs"):
        (tools / tool).symlink_to(shutil.which(tool) or tool)
    said = {name: "3.11.9"} if name else {"python3": "3.9.25"}
    for python, version in said.items():
        (tools / str(python)).write_text(
            f'#!/bin/sh\n[ "$1" = --version ] && echo "Python {version}" || echo "ran $0 $*"\n'
        )
        (tools / str(python)).chmod(0o755)
    command = [str(tools / "sh"), str(launcher), "-c", "pass"]
    done = subprocess.run(command, env={"PATH": str(tools)}, capture_output=True, text=True, check=False)
    if name is None:
        assert done.returncode == 127
        assert "this node has no Python 3.11; it has:" in done.stderr
    else:
        assert done.stdout.strip() == f"ran {tools / name} -c pass"


@pytest.mark.exhaustive
def test_the_environment_is_compiled_for_the_clusters_python_and_has_no_tests(packaged: Artifacts, cache: Path) -> None:
    with tarfile.open(cache / "emr" / packaged.environment) as archive:
        names = set(archive.getnames())
        compiled = archive.extractfile("site-packages/numpy/__pycache__/__init__.cpython-311.pyc")
        assert compiled is not None
        header = compiled.read(8)
        code = marshal.loads(compiled.read()[8:])
    assert header[:4] == importlib.util.MAGIC_NUMBER
    assert header[4:] == b"\x01\0\0\0", "unchecked hash-based pyc: contains no timestamp"
    assert code.co_filename == "site-packages/numpy/__init__.py", "contains no folder of this machine"
    assert "site-packages/pandas/core/frame.py" in names
    assert not [name for name in names if "/tests/" in name and name.endswith("tests/__init__.py")]
    assert not [name for name in names if "/libarrow_flight.so" in name or "/botocore/data/ec2/" in name]
    assert "site-packages/dbt/include/global_project/tests/generic/builtin.sql" in names, "dbt needs it"


def _path(*first: Path) -> dict[str, str]:
    folders = [*map(str, first), str(Path(sys.executable).parent), f"{sys.base_prefix}/bin", os.environ["PATH"]]
    return {"PATH": ":".join(folders), "HOME": os.environ.get("HOME", "/")}
