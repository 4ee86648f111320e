"""`up` refuses settings that cannot work before it creates anything, and fits a new account's quotas."""

import io
from pathlib import Path
from typing import Any

import pytest
from moto.backends import get_backend
from moto.core.exceptions import JsonRESTError
from moto.servicequotas.models import ServiceQuotasBackend
from rich.console import Console

from bootstrap import settings
from bootstrap.emr.up import bring_up, take_down
from bootstrap.settings import Settings
from catalog.errors import EmrError, RegionError
from tests.aws import REGION, AwsServer
from tests.bootstrap.emr.deployed import QUIET, shown, up
from tests.emr import allowed
from tests.template import ACCOUNT

ON_DEMAND, SPOT, SERVERLESS = "L-1216C47A", "L-34B43A08", "L-D05C8A75"


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"MinimumNodes": "5", "MaximumNodes": "3"}, "--minimum-nodes 5 is more than --maximum-nodes 3"),
        ({"MinimumNodes": "31"}, "--minimum-nodes 31 is more than --maximum-nodes 30"),
        ({"HighAvailability": "true", "IdleSeconds": "600"}, "three primaries does not end by itself"),
        ({"HighAvailability": "true", "MaximumNodes": "3"}, "--maximum-nodes 3 is too little for --high"),
        ({"HighAvailability": "true", "Small": "true"}, "--small is too little for --high-availability"),
        ({"InstanceType": "m7g.xlarge"}, "'m7g.xlarge' is ARM, and packages are made for x86-64"),
        ({"InstanceType": "m6i.large"}, "'m6i.large' is no type for a node: give one of 4 vCPU and 16 GiB"),
    ],
)
def test_parameters_that_cannot_be_are_refused_before_anything_is_sent(
    emr_aws: AwsServer, pretended: Settings, wanted: dict[str, str], says: str
) -> None:
    with pytest.raises(EmrError) as failure:
        up(pretended, **wanted)
    assert says in str(failure.value)
    assert not get_backend("cloudformation")[ACCOUNT][REGION].stacks


def test_a_limit_counts_what_the_stack_has_already(emr_aws: AwsServer, pretended: Settings) -> None:
    up(pretended, MinimumNodes="4")
    with pytest.raises(EmrError, match="--minimum-nodes 4 is more than --maximum-nodes 2"):
        up(pretended, MaximumNodes="2")


def test_another_region_is_refused_unless_allowed(
    emr_aws: AwsServer, pretended: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with pytest.raises(RegionError, match=r"AWS_REGION is us-east-1.*allowed: eu-west-3: set AWS_REGION"):
        up(pretended)
    allowed = pretended.model_copy(update={"allowed_regions": "eu-west-3, us-east-1"})
    requests = shown(allowed)
    values = {p["ParameterKey"]: p["ParameterValue"] for p in requests[0]["parameters"]["Parameters"]}
    assert requests[0]["region"] == "us-east-1"
    assert values["AllowedRegion"] == "us-east-1"


def test_a_name_that_no_bucket_can_have_is_refused(emr_aws: AwsServer, pretended: Settings) -> None:
    with pytest.raises(EmrError, match="'My_Lake' cannot name the stack"):
        bring_up(pretended, "My_Lake", {"Compute": "cluster"}, QUIET)


@pytest.mark.parametrize(
    ("wanted", "account", "says"),
    [
        ({}, {ON_DEMAND: 5}, "vCPUs on demand: 8 start at once, 5 are allowed"),
        ({}, {SPOT: 0}, "vCPUs on Spot: 4 start at once, 0 are allowed"),
        ({"HighAvailability": "true"}, {ON_DEMAND: 27}, "vCPUs on demand: 28 start at once, 27 are allowed"),
        ({"Compute": "serverless"}, {SERVERLESS: 16}, "vCPUs of EMR Serverless: 128 start at once, 16 are allowed"),
    ],
)
def test_a_quota_that_is_too_small_is_told_before_anything_is_made(
    emr_aws: AwsServer, pretended: Settings, wanted: dict[str, str], account: dict[str, float], says: str
) -> None:
    allowed.update(account)
    with pytest.raises(EmrError) as failure:
        up(pretended, **wanted)
    assert says in str(failure.value)
    assert f"request-service-quota-increase --region {REGION}" in str(failure.value)
    assert "--small" in str(failure.value)
    assert not get_backend("cloudformation")[ACCOUNT][REGION].stacks


def test_a_small_start_fits_a_new_account(emr_aws: AwsServer, pretended: Settings) -> None:
    allowed.update({ON_DEMAND: 5, SPOT: 5, SERVERLESS: 16})
    assert "ClusterId" in up(pretended, Small="true").outputs
    assert "ApplicationId" in up(pretended, Compute="serverless").outputs


def test_who_may_not_ask_for_quotas_may_still_start(
    emr_aws: AwsServer, pretended: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: Any, **__: Any) -> None:
        raise JsonRESTError("AccessDeniedException", "not authorized to perform servicequotas:GetServiceQuota")

    monkeypatch.setattr(ServiceQuotasBackend, "get_service_quota", denied)
    said = io.StringIO()
    assert bring_up(pretended, "fruitlake", {"Compute": "cluster"}, Console(file=said, width=300))
    assert "8 start at once; it cannot be asked how many are allowed (service-quotas: no permission" in said.getvalue()


def test_nothing_packaged_and_no_stack_say_what_to_run(emr_aws: AwsServer, tmp_path: Path) -> None:
    with pytest.raises(EmrError, match="fruitlake emr package"):
        up(settings.load(cache=tmp_path / "empty"))
    with pytest.raises(EmrError, match="fruitlake emr up"):
        take_down("fruitlake", QUIET)
