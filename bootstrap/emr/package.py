"""Package this project for a cluster, in files named by a hash of their content.

requirements.lock ──uv──▶ environment-<hash>.tar.gz   packages without Spark and TensorFlow, and bin/python
the checkout ──pip wheel─▶ fruitlake-<hash>.zip       the wheel, including the dbt project; a wheel is a zip
weights ──TensorFlow─────▶ mobilenetv2-onnx-<id>.onnx the exported network, with its fingerprint
run_layer.py, bootstrap-emr.sh                        the entry point and the bootstrap action

The environment is a plain folder of packages, and a launcher that puts it on the path of the node's own Python.
It can be anywhere, and uv picks the wheels for the cluster's platform on any machine. venv-pack would pack this
machine's environment, with links to this machine's Python.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

from bootstrap.emr.lock import cluster_requirements
from bootstrap.emr.requests import Request, look_up
from bootstrap.settings import Settings
from catalog.errors import EmrError
from catalog.storage import write_atomically
from transforms.weights import prepare

PYTHON = "3.11"  # one of the versions in emr-spark-8.1.0, and the one the tests run on
_PLATFORM = "x86_64-manylinux_2_34"  # Amazon Linux 2023: glibc 2.34
_CHECKOUT = Path(__file__).parents[2]
_COMPILED = ".".join(map(str, sys.version_info[:2])) == PYTHON  # bytecode must match the Python version
# Not needed by any job, an eighth of the size: tests, other AWS services' definitions, other languages, Arrow's
# servers. dbt's generic tests are SQL, and stay.
_DROPPED = "**/tests/__init__.py pyarrow/include pyarrow/*flight* botocore/data/*/ babel/locale-data/*.dat"
_KEPT = {"athena", "glue", "kms", "s3", "sso", "sso-oidc", "sts", "root.dat", "en.dat", "en_US.dat"}
_RECIPE = f"without {_DROPPED} but {sorted(_KEPT)}, compiled: {_COMPILED}"
_PACKAGES = ("bootstrap", "catalog", "expectations", "ingestion", "transforms")
_1980 = "315532800"  # the earliest time in a zip; makes wheels reproducible

# Next to it on the node is `fruitlake`, the unpacked wheel. Spark's own path, if any, comes after ours. The location of
# Python on a worker of Serverless is not confirmed (docs/aws.md, 10): the launcher looks for it by name, and prints
# what is there if none matches.
_LAUNCHER = f"""\
#!/bin/sh
here=$(cd "$(dirname "$0")/.." && pwd) || exit
PYTHONPATH="$here/../fruitlake:$here/site-packages${{PYTHONPATH:+:$PYTHONPATH}}"
export PYTHONPATH PYTHONNOUSERSITE=1
for python in python{PYTHON} /usr/bin/python{PYTHON} /usr/local/bin/python{PYTHON} python3; do
  case $("$python" --version 2>/dev/null) in "Python {PYTHON}."*) exec "$python" "$@" ;; esac
done
echo "this node has no Python {PYTHON}; it has: $(ls /usr/bin/python3* /usr/local/bin/python3* 2>/dev/null | xargs)" >&2
exit 127
"""


class Artifacts(NamedTuple):
    """File names of the artifacts, in the cache folder and below `artifacts/` in the bucket."""

    environment: str
    project: str
    model: str
    entry: str
    bootstrap: str


def folder(settings: Settings) -> Path:
    """The folder of the artifacts; existing ones are not built again."""
    return settings.cache / "emr"


def package(settings: Settings) -> Artifacts:
    """Build the artifacts that do not exist yet. Raises EmrError outside a checkout or without uv, WeightsError."""
    if not (_CHECKOUT / "requirements.lock").is_file():
        raise EmrError("packages are made from the project's checkout: `git clone` it, `make`, and run this there")
    here = folder(settings)
    here.mkdir(parents=True, exist_ok=True)
    source = Path(__file__).parent
    featurizer = prepare(settings.weights, "onnx", settings.cache, str(here))
    model = f"{featurizer.model_id}.onnx"
    write_atomically(str(here / model), Path(featurizer.uri).read_bytes())
    artifacts = Artifacts(
        environment=_environment(here),
        project=_project(here),
        model=model,
        entry=_keep(here, "run_layer", ".py", (source / "run_layer.py").read_bytes()),
        bootstrap=_keep(here, "bootstrap-emr", ".sh", (source / "bootstrap-emr.sh").read_bytes()),
    )
    write_atomically(str(here / "artifacts.json"), json.dumps(artifacts._asdict(), indent=1).encode())
    return artifacts


def packaged(settings: Settings) -> Artifacts:
    """The artifacts that `package` built last. Raises EmrError if it was never run, or its files are gone."""
    here = folder(settings)
    try:
        artifacts = Artifacts(**json.loads((here / "artifacts.json").read_text()))
    except (OSError, ValueError, TypeError):
        raise EmrError("nothing is packaged for the cluster yet: run `fruitlake emr package`") from None
    missing = [name for name in artifacts if not (here / name).is_file()]
    if missing:
        raise EmrError(f"{here / missing[0]} is gone: run `fruitlake emr package` again")
    return artifacts


def key(name: str) -> str:
    """The S3 key of an artifact."""
    return f"artifacts/{name}"


def uri(bucket: str, name: str) -> str:
    """The s3:// URI of an artifact in a bucket."""
    return f"s3://{bucket}/{key(name)}"


def uploads(artifacts: Artifacts, here: Path, bucket: str) -> list[Request]:
    """Requests to upload the files that are not in the bucket yet; names contain hashes, so existing files match."""
    return [
        Request("s3", "PutObject", {"Bucket": bucket, "Key": key(name), "Body": here / name})
        for name in artifacts
        if look_up("404 NoSuchKey NoSuchBucket", "s3", "HeadObject", Bucket=bucket, Key=key(name)) is None
    ]


def _environment(here: Path) -> str:
    """Build the environment, named by a hash of its inputs: pins, platform, launcher, recipe. Takes a minute."""
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
        _run("uv", "pip", "install", "--quiet", *options, *checks, "-r", str(wanted))
        _drop(root / "site-packages")
        if _COMPILED:  # otherwise, each container compiles its imports; times and folders of this machine are left out
            pinned = ["--invalidation-mode", "unchecked-hash", "-s", str(root)]
            _run("compileall", "-q", "-j", "0", *pinned, str(root / "site-packages"))
        (root / "bin").mkdir()
        (root / "bin" / "python").write_text(_LAUNCHER)
        (root / "bin" / "python").chmod(0o755)
        with tarfile.open(Path(work) / name, "w:gz", compresslevel=1) as archive:  # a third smaller, and fast
            for part in ("bin", "site-packages"):
                archive.add(root / part, part)
        os.replace(Path(work) / name, here / name)
    return name


def _drop(packages: Path) -> None:
    found = [path for pattern in _DROPPED.split() for path in packages.glob(pattern) if path.name not in _KEPT]
    for path in (path.parent if path.name == "__init__.py" else path for path in found):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)  # may be gone with its parent folder


def _project(here: Path) -> str:
    """Build the wheel from a copy: in the checkout, setuptools would leave a build folder, and later package it."""
    with tempfile.TemporaryDirectory(dir=here) as work:
        copy = Path(work) / "source"
        for name in _PACKAGES:
            shutil.copytree(_CHECKOUT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(_CHECKOUT / name, copy)
        _run("pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", work, str(copy))
        (wheel,) = Path(work).glob("*.whl")
        return _keep(here, "fruitlake", ".zip", wheel.read_bytes())


def _keep(here: Path, stem: str, suffix: str, content: bytes) -> str:
    name = f"{stem}-{_hash(content)}{suffix}"
    write_atomically(str(here / name), content)  # atomic, so a file with this name is always complete
    return name


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _run(*arguments: str) -> None:
    """Run a Python module in its own process. Raises EmrError with the last line of its output."""
    environment = os.environ | {"SOURCE_DATE_EPOCH": _1980}
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()] or ["it said nothing"]
        raise EmrError(f"packaging failed: {' '.join(arguments[:3])}: {said[-1].strip()[:300]}")
