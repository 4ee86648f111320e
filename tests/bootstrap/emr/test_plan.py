"""The plan's arithmetic, with round prices that are easy to check."""

from pathlib import Path

import pytest

from bootstrap.emr import plan as planning
from bootstrap.emr.plan import plan, vcpus
from catalog.errors import EmrError
from tests.commands import fruitlake

_PRICES = {
    "as_of": "2026-01",
    "region": "eu-west-3",
    "source": "made up",
    "instances": {"m6i.xlarge": {"ec2": 0.8, "emr": 0.2}},
    "endpoint": 0.0,
    "disk_gb_month": 0.0,
}


@pytest.fixture(autouse=True)
def _prices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "read_prices", lambda: _PRICES)


def test_the_fewest_nodes_that_are_done_within_an_hour() -> None:
    # 1,440,000 photos at 100 per core and 4 cores: one node-hour
    assert plan(10, "m6i.xlarge", 100).nodes == 2, "every cluster starts with a core and a task node"
    assert plan(2 * 1_440_000, "m6i.xlarge", 100).nodes == 2
    assert plan(2 * 1_440_000 + 1, "m6i.xlarge", 100).nodes == 3
    assert plan(100 * 1_440_000, "m6i.xlarge", 100).nodes == 30
    given = plan(1_440_000, "m6i.xlarge", 100, nodes=4)
    assert (given.nodes, given.work_hours) == (4, 0.25)


def test_start_and_idle_time_are_paid_for() -> None:
    """Primary, core and one task node are paid for the whole time; the others end with the work."""
    made = plan(4 * 1_440_000, "m6i.xlarge", 100)
    assert made.nodes == 4
    assert made.hours == pytest.approx(0.25 + 1 + 0.5)
    assert made.cost == pytest.approx(1.75 * 3 + 1.25 * 2)


def test_disks_and_endpoints_are_paid_for(monkeypatch: pytest.MonkeyPatch) -> None:
    before = plan(10, "m6i.xlarge", 100)
    monkeypatch.setattr(planning, "read_prices", lambda: _PRICES | {"disk_gb_month": 7.30, "endpoint": 0.02})
    added = plan(10, "m6i.xlarge", 100).cost - before.cost
    assert added == pytest.approx(before.hours * (3 * 104 * 0.01 + 5 * 0.02))


def test_a_stream_is_paid_for_by_the_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (plan(10, "m6i.xlarge").stream, plan(10, "m6i.xlarge").small_stream) == (3.0, 1.0)
    monkeypatch.setattr(planning, "read_prices", lambda: _PRICES | {"endpoint": 0.02})
    assert plan(10, "m6i.xlarge").small_stream == pytest.approx(1.1)


def test_all_that_is_assumed_is_said() -> None:
    said = " ".join(plan(10, "m6i.xlarge", 77).assumed)
    for word in ("77 photos/s", "2026-01", "made up", "Spot", "endpoints", "EBS", "idle"):
        assert word in said


@pytest.mark.parametrize(
    ("instance", "says"),
    [
        ("m2.xlarge", r"no price for 'm2.xlarge'.*m6i.xlarge"),
        ("m7g.xlarge", "'m7g.xlarge' is ARM, and packages are made for x86-64"),
        ("c7gn.2xlarge", "is ARM"),
        ("m6i.large", "is no type for a node: give one of 4 vCPU"),
        ("huge", "is no type for a node"),
    ],
)
def test_an_instance_that_jobs_do_not_run_on_or_without_a_price_is_refused(instance: str, says: str) -> None:
    with pytest.raises(EmrError, match=says):
        plan(10, instance, 100)


def test_a_types_size_says_how_many_cores_it_has() -> None:
    assert [vcpus(f"{kind}xlarge") for kind in ("m6i.", "m7i-flex.2", "g6.4")] == [4, 8, 16], "g6 is not an ARM type"


def test_the_price_table_is_dated_and_complete() -> None:
    from importlib.resources import files
    from json import loads

    prices = loads((files("bootstrap.emr") / "prices.json").read_text())
    assert len(prices["as_of"]) == 7
    assert prices["region"] == "eu-west-3"
    assert {"m6i.xlarge", "m7i.xlarge"} <= prices["instances"].keys()
    assert all(vcpus(name) and 0 < price["emr"] < price["ec2"] for name, price in prices["instances"].items())


def test_the_command_shows_nodes_hours_and_cost(tmp_path: Path) -> None:
    done = fruitlake("emr", "plan", "--photos", "1000000", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "1,000,000" in done.out
    assert "USD" in done.out
    assert "a stream: 3.00 USD an hour" in done.out
    assert done.out.count("assumed:") >= 4
