"""What a cluster needs of this project, in files named by their content.

requirements.lock ──uv──▶ environment-<hash>.tar.gz   packages without Spark and TensorFlow, and bin/python
the checkout ──pip wheel─▶ fruitlake-<hash>.zip       the wheel, dbt project inside; a wheel unpacks as a zip
weights ──TensorFlow─────▶ mobilenetv2-onnx-<id>.onnx the exported network, which carries its fingerprint
run_layer.py, bootstrap-emr.sh                        what the cluster starts

The environment is a plain folder of packages and a launcher that puts it on the path of the node's own Python:
it may lie anywhere, and uv picks the wheels of the cluster's platform whatever machine packages. venv-pack
would pack this machine's, with links to this machine's Python.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path

from bootstrap.emr.lock import cluster_requirements
from bootstrap.settings import Settings
from catalog.errors import EmrError
from catalog.storage import write_atomically
from transforms.weights import prepare

PYTHON = "3.11"  # of the versions that emr-spark-8.0.0 brings, the one the tests run on
_PLATFORM = "x86_64-manylinux_2_34"  # Amazon Linux 2023: glibc 2.34
_CHECKOUT = Path(__file__).parents[2]
_COMPILED = ".".join(map(str, sys.version_info[:2])) == PYTHON  # bytecode is of the Python that makes it
_RECIPE = f"no tests, compiled: {_COMPILED}"
_PACKAGES = ("bootstrap", "catalog", "expectations", "ingestion", "transforms")
_1980 = "315532800"  # the earliest time a zip can hold; the same files then give the same wheel

# Beside it on the node lies `fruitlake`, the unpacked wheel. Spark's own path, if any, stays behind ours.
_LAUNCHER = f"""\
#!/bin/sh
here=$(cd "$(dirname "$0")/.." && pwd) || exit
command -v python{PYTHON} >/dev/null || {{ echo "this node has no python{PYTHON}" >&2; exit 127; }}
PYTHONPATH="$here/../fruitlake:$here/site-packages${{PYTHONPATH:+:$PYTHONPATH}}"
export PYTHONPATH PYTHONNOUSERSITE=1
exec python{PYTHON} "$@"
"""


@dataclass(frozen=True)
class Artifacts:
    """File names in one folder: here, and below `artifacts/` in the bucket."""

    environment: str
    project: str
    model: str
    entry: str
    bootstrap: str

    def names(self) -> list[str]:
        return list(asdict(self).values())


def folder(settings: Settings) -> Path:
    """Where the artifacts are made and kept; what is there by its name is not made again."""
    return settings.cache / "emr"


def package(settings: Settings) -> Artifacts:
    """Make what is not there yet. Raises EmrError outside a checkout or without uv, WeightsError."""
    if not (_CHECKOUT / "requirements.lock").is_file():
        raise EmrError("packages are made from the project's checkout: `git clone` it, `make`, and run this there")
    here = folder(settings)
    here.mkdir(parents=True, exist_ok=True)
    source = files("bootstrap.emr")
    artifacts = Artifacts(
        environment=_environment(here),
        project=_project(here),
        model=_model(settings, here),
        entry=_keep(here, "run_layer", ".py", (source / "run_layer.py").read_bytes()),
        bootstrap=_keep(here, "bootstrap-emr", ".sh", (source / "bootstrap-emr.sh").read_bytes()),
    )
    write_atomically(str(here / "artifacts.json"), json.dumps(asdict(artifacts), indent=1).encode())
    return artifacts


def packaged(settings: Settings) -> Artifacts:
    """What `package` made last. Raises EmrError if it was never run, or its files are gone."""
    here = folder(settings)
    try:
        artifacts = Artifacts(**json.loads((here / "artifacts.json").read_text()))
    except (OSError, ValueError, TypeError):
        raise EmrError("nothing is packaged for the cluster yet: run `fruitlake emr package`") from None
    missing = [name for name in artifacts.names() if not (here / name).is_file()]
    if missing:
        raise EmrError(f"{here / missing[0]} is gone: run `fruitlake emr package` again")
    return artifacts


def _environment(here: Path) -> str:
    """Named by what it is made of: pins, hashes, platform, launcher, recipe. Takes a minute once."""
    requirements = cluster_requirements((_CHECKOUT / "requirements.lock").read_text())
    made_of = f"{requirements}{_PLATFORM}{PYTHON}{_LAUNCHER}{_RECIPE}"
    name = f"environment-{_hash(made_of.encode())}.tar.gz"
    if (here / name).exists():
        return name
    with tempfile.TemporaryDirectory(dir=here) as work:
        wanted = Path(work) / "requirements.txt"
        wanted.write_text(requirements)
        root = Path(work) / "environment"
        options = ["--target", str(root / "site-packages"), "--python-version", PYTHON, "--python-platform", _PLATFORM]
        checks = ["--require-hashes", "--no-deps", "--only-binary", ":all:"]
        _run("-m", "uv", "pip", "install", "--quiet", *options, *checks, "-r", str(wanted))
        _drop_tests(root / "site-packages")
        if _COMPILED:
            _compile(root)
        (root / "bin").mkdir()
        (root / "bin" / "python").write_text(_LAUNCHER)
        (root / "bin" / "python").chmod(0o755)
        _pack(root, Path(work) / name)
        os.replace(Path(work) / name, here / name)
    return name


def _drop_tests(packages: Path) -> None:
    """Take away the packages' own tests, a third of all modules. dbt's generic tests are SQL, and stay."""
    for tests in [*packages.glob("**/tests/__init__.py")]:
        shutil.rmtree(tests.parent, ignore_errors=True)  # gone already, if it lay below another


def _compile(root: Path) -> None:
    """Bytecode beside the source, or each container compiles what it imports. Without times and folders of this
    machine; nothing compares it with a source that never changes."""
    pinned = ["--invalidation-mode", "unchecked-hash", "-s", str(root)]
    _run("-m", "compileall", "-q", "-j", "0", *pinned, str(root / "site-packages"))


def _pack(root: Path, archive: Path) -> None:
    """A tar.gz of the folder's contents; the fastest level, since it is a third smaller and no bottleneck."""
    with gzip.open(archive, "wb", compresslevel=1) as compressed, tarfile.open(fileobj=compressed, mode="w|") as tar:
        for path in sorted(root.iterdir()):
            tar.add(path, path.name)


def _project(here: Path) -> str:
    """The wheel, built from a copy: setuptools would leave, and later take in, a build folder in the checkout."""
    with tempfile.TemporaryDirectory(dir=here) as work:
        copy = Path(work) / "source"
        for name in _PACKAGES:
            shutil.copytree(_CHECKOUT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(_CHECKOUT / name, copy)
        _run("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", work, str(copy))
        (wheel,) = Path(work).glob("*.whl")
        return _keep(here, "fruitlake", ".zip", wheel.read_bytes())


def _model(settings: Settings, here: Path) -> str:
    featurizer = prepare(settings.weights, "onnx", settings.cache, str(here))
    name = f"{featurizer.model_id}.onnx"
    write_atomically(str(here / name), Path(featurizer.uri).read_bytes())
    return name


def _keep(here: Path, stem: str, suffix: str, content: bytes) -> str:
    name = f"{stem}-{_hash(content)}{suffix}"
    write_atomically(str(here / name), content)  # what has the name has all the content it stands for
    return name


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _run(*arguments: str) -> None:
    """A Python module in a process of its own. Raises EmrError with its last line."""
    environment = os.environ | {"SOURCE_DATE_EPOCH": _1980}
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()] or ["it said nothing"]
        raise EmrError(f"packaging failed: {' '.join(arguments[1:4])}: {said[-1].strip()[:300]}")
