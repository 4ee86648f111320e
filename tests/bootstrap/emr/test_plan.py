"""The plan's arithmetic, on prices a person can check in the head."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootstrap.emr import plan as planning
from bootstrap.emr.plan import plan
from catalog.errors import EmrError
from tests.bootstrap.test_cli import fruitlake

_PRICES = {
    "as_of": "2026-01",
    "region": "eu-west-3",
    "currency": "USD",
    "source": "made up",
    "instances": {"big": {"vcpus": 4, "ec2": 0.8, "emr": 0.2}},
    "endpoint": 0.0,
}


@pytest.fixture(autouse=True)
def _prices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "read_prices", lambda: _PRICES)


def test_the_fewest_nodes_that_are_in_time() -> None:
    # 1,440,000 photos at 100 a core and 4 cores: one node-hour
    assert plan(1_440_000, "big", 100, 1.0, 1.0).nodes == 1
    assert plan(1_440_001, "big", 100, 1.0, 1.0).nodes == 2
    half = plan(1_440_000, "big", 100, 0.5, 1.0)
    assert (half.nodes, half.work_hours) == (2, 0.5)


def test_primary_and_core_on_demand_the_others_at_the_spot_share() -> None:
    made = plan(4 * 1_440_000, "big", 100, 1.0, 0.25)
    assert made.nodes == 4
    assert made.hours == pytest.approx(1.25)
    assert made.cost == pytest.approx(1.25 * (2 * 1.0 + 3 * (0.8 * 0.25 + 0.2)))


def test_all_that_is_assumed_is_said() -> None:
    said = " ".join(plan(10, "big", 77, 1.0, 1.0).assumed)
    for word in ("77 photos/s", "2026-01", "made up", "one primary", "endpoints"):
        assert word in said


def test_an_instance_without_a_price_is_refused() -> None:
    with pytest.raises(EmrError, match=r"no price for 'huge'.*big"):
        plan(10, "huge", 100, 1.0, 1.0)


def test_the_price_table_is_dated_and_complete() -> None:
    from importlib.resources import files
    from json import loads

    prices = loads((files("bootstrap.emr") / "prices.json").read_text())
    assert len(prices["as_of"]) == 7
    assert prices["region"] == "eu-west-3"
    assert "m5.xlarge" in prices["instances"]
    assert all(p["vcpus"] >= 4 and 0 < p["emr"] < p["ec2"] for p in prices["instances"].values())


def test_the_command_shows_nodes_hours_and_cost(tmp_path: Path) -> None:
    done = fruitlake("emr", "plan", "--photos", "1000000", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1,000,000" in done.stdout
    assert "USD" in done.stdout
    assert done.stdout.count("assumed:") >= 4
