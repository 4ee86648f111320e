"""The command line of `fruitlake emr`: its help, one-line errors, and a guide whose commands exist."""

import re
import shlex
from pathlib import Path

import pytest

import bootstrap.emr
from tests.aws import AwsServer
from tests.commands import fruitlake

GUIDE = (Path(bootstrap.emr.__file__).parents[2] / "docs" / "aws.md").read_text()
SHOWN = sorted(set(re.findall(r"`(fruitlake emr [^`]+)`", GUIDE)))
NOWHERE = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null"}
NOWHERE |= {"AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}


def test_help_lists_the_way_from_package_to_down(tmp_path: Path) -> None:
    done = fruitlake("emr", "--help", cwd=tmp_path)
    for word in ("check", "package", "up", "submit", "status", "logs", "tunnel", "down", "plan", "AWS_PROFILE"):
        assert word in done.out


@pytest.mark.parametrize("command", SHOWN)
def test_what_the_guide_shows_exists(command: str, tmp_path: Path) -> None:
    _, _, name, *words = shlex.split(command)
    done = fruitlake("emr", name, "--help", cwd=tmp_path)
    assert done.code == 0, done.err
    for option in (word for word in words if word.startswith("--")):
        assert option in done.out


def test_whatever_is_not_confirmed_is_in_the_guides_list() -> None:
    """Marks in the code refer to rows of the guide by number, the order in which to try; every row has a mark."""
    files = [path for path in Path(bootstrap.emr.__file__).parent.iterdir() if path.is_file()]
    said = re.sub(r"\n *# ", " ", "".join(path.read_text() for path in files))
    marks = re.findall(r"not confirmed( \(docs/aws\.md, (\d+)\))?", said, re.IGNORECASE)
    assert all(number for _, number in marks)
    listed = re.findall(r"^\| (\d+) \|", GUIDE, re.MULTILINE)
    assert listed == [str(number) for number in range(1, len(listed) + 1)]
    assert {number for _, number in marks} == {*listed}


def test_the_guide_shows_every_step() -> None:
    named = {shlex.split(command)[2] for command in SHOWN}
    assert {"check", "package", "plan", "up", "submit", "logs", "tunnel", "down"} <= named


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("submit", "platinum"), ["platinum", "bronze", "silver", "gold"]),
        (("up",), ["nothing is packaged", "fruitlake emr package"]),
        (("up", "--zone", "c"), ["'c' is not one of 'a', 'b'"]),
        (("status",), ["no AWS credentials", "aws configure"]),
        (("down",), ["no AWS credentials"]),
        (("plan", "--photos", "10", "--instance", "t2.nano"), ["'t2.nano' is no type for a node", "m6i.xlarge"]),
        (("tunnel", "moon"), ["moon", "history"]),
    ],
)
def test_a_mistake_is_one_clear_line(arguments: tuple[str, ...], says: list[str], tmp_path: Path) -> None:
    done = fruitlake("emr", *arguments, cwd=tmp_path, **NOWHERE)
    assert done.code != 0
    for word in says:
        assert word in done.err
    assert "Traceback" not in done.err
    assert "unexpected error" not in done.err


def test_no_stack_and_a_wrong_region_are_one_line(emr_aws: AwsServer, tmp_path: Path) -> None:
    done = fruitlake("emr", "status", cwd=tmp_path, **emr_aws.variables)
    assert done.code == 1
    assert "there is no stack 'fruitlake' in eu-west-3" in done.err
    done = fruitlake("emr", "submit", "all", cwd=tmp_path, **(emr_aws.variables | {"AWS_REGION": "us-east-1"}))
    assert done.code == 1
    assert "AWS_REGION is us-east-1" in done.err
    assert len(done.err.strip().splitlines()) == 1
