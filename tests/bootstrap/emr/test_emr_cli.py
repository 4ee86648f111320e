"""`fruitlake emr` as a user meets it: help that teaches, one line for a mistake, a README whose commands exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import bootstrap.emr
from tests.aws import AwsServer
from tests.bootstrap.test_cli import fruitlake

README = (Path(bootstrap.emr.__file__).parents[2] / "README.md").read_text()
SHOWN = sorted(set(re.findall(r"`(fruitlake emr [^`]+)`", README)))
NOWHERE = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null"}
NOWHERE |= {"AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}


def test_help_lists_the_way_from_package_to_down(tmp_path: Path) -> None:
    done = fruitlake("emr", "--help", cwd=tmp_path)
    for word in ("package", "up", "submit", "status", "logs", "tunnel", "down", "plan", "AWS_PROFILE"):
        assert word in done.stdout


@pytest.mark.parametrize("command", SHOWN)
def test_what_the_readme_shows_exists(command: str, tmp_path: Path) -> None:
    _, _, name, *words = shlex.split(command)
    done = fruitlake("emr", name, "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for option in (word for word in words if word.startswith("--")):
        assert option in done.stdout


def test_the_readme_shows_every_step() -> None:
    named = {shlex.split(command)[2] for command in SHOWN}
    assert {"package", "plan", "up", "submit", "logs", "tunnel", "down"} <= named


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("submit", "platinum"), ["platinum", "bronze", "silver", "gold"]),
        (("up",), ["nothing is packaged", "fruitlake emr package"]),
        (("up", "--parameter", "MaximumNodes"), ["MaximumNodes", "NAME=VALUE"]),
        (("status",), ["no AWS credentials", "aws configure"]),
        (("down",), ["no AWS credentials"]),
        (("plan", "--photos", "10", "--instance", "t2.nano"), ["no price for 't2.nano'", "m5.xlarge"]),
        (("tunnel", "moon"), ["moon", "history"]),
    ],
)
def test_a_mistake_is_one_clear_line(arguments: tuple[str, ...], says: list[str], tmp_path: Path) -> None:
    done = fruitlake("emr", *arguments, cwd=tmp_path, **NOWHERE)
    assert done.returncode != 0
    for word in says:
        assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert "not foreseen" not in done.stderr


def test_no_stack_and_a_wrong_region_are_one_line(emr_aws: AwsServer, tmp_path: Path) -> None:
    done = fruitlake("emr", "status", cwd=tmp_path, **emr_aws.variables)
    assert done.returncode == 1
    assert "there is no stack 'fruitlake' in eu-west-3" in done.stderr
    done = fruitlake("emr", "submit", "all", cwd=tmp_path, **(emr_aws.variables | {"AWS_REGION": "us-east-1"}))
    assert done.returncode == 1
    assert "us-east-1 is not allowed" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
