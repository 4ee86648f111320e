"""Fixtures: the real package, built once; a fake package; and a fake AWS on loopback that also runs clusters."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootstrap import settings
from bootstrap.emr.package import Artifacts, package
from bootstrap.emr.stack import Stack
from bootstrap.settings import Settings
from tests.aws import AwsServer
from tests.bootstrap.emr.deployed import up
from tests.conftest import locked
from tests.emr import fill_gaps, forget_stacks


@pytest.fixture(scope="session")
def packaged(cache: Path) -> Artifacts:
    """The real artifacts, as built by `fruitlake emr package --weights bundled`."""
    with locked(cache / "emr"):
        return package(settings.load(cache=cache, weights="bundled"))


@pytest.fixture
def pretended(tmp_path: Path) -> Settings:
    """Settings with a fake package, small files with the right names, for tests that only upload it."""
    made = settings.load(cache=tmp_path / "cache")
    names = ("environment-1.tar.gz", "fruitlake-1.zip", "mobilenetv2-onnx-1.onnx", "run_layer-1.py", "bootstrap-1.sh")
    artifacts = Artifacts(*names)
    here = made.cache / "emr"
    here.mkdir(parents=True)
    for name in names:
        (here / name).write_text(name)
    (here / "artifacts.json").write_text(json.dumps(artifacts._asdict()))
    return made


@pytest.fixture
def emr_aws(aws: AwsServer) -> Iterator[AwsServer]:
    """An empty moto server, with gaps in moto filled; it is asked often, because nothing takes long."""
    forget_stacks()
    with pytest.MonkeyPatch.context() as patch:
        fill_gaps(patch)
        for module in ("stack", "submit"):
            patch.setattr(f"bootstrap.emr.{module}.POLL", 0.01)
        yield aws


@pytest.fixture
def stack(emr_aws: AwsServer, pretended: Settings) -> Stack:
    """A stack with a cluster."""
    return up(pretended)
