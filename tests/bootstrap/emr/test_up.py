"""The stack on a moto server: up with a cluster, up with Serverless, down, and what is said when it cannot be."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.backends import get_backend
from moto.cloudformation import parsing
from rich.console import Console

from bootstrap.emr import reasons
from bootstrap.emr.package import packaged
from bootstrap.emr.stack import Stack, existing
from bootstrap.emr.up import bring_up, take_down
from bootstrap.settings import Settings
from catalog.errors import EmrError
from tests.aws import REGION, AwsServer
from tests.emr import ACCOUNT, resources

QUIET = Console(quiet=True)
NOT_IN_MOTO = {
    "AWS::Athena::WorkGroup",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EMR::Studio",
    "AWS::Glue::Database",
    "AWS::S3::BucketPolicy",
}


def up(settings: Settings, **wanted: str) -> Stack:
    stack = bring_up(settings, "fruitlake", {"Compute": "cluster"} | wanted, QUIET, poll=0.01)
    assert stack is not None
    return stack


def cluster(server: AwsServer, identity: str) -> dict[str, Any]:
    emr = boto3.client("emr", endpoint_url=server.url, region_name=REGION)
    return dict(emr.describe_cluster(ClusterId=identity)["Cluster"])


def shown(settings: Settings, **wanted: str) -> list[dict[str, Any]]:
    """What a dry run prints."""
    said = io.StringIO()
    bring_up(settings, "fruitlake", {"Compute": "cluster"} | wanted, Console(file=said, width=80), dry_run=True)
    requests: list[dict[str, Any]] = json.loads(said.getvalue())
    return requests


def test_up_deploys_all_that_moto_knows(emr_aws: AwsServer, pretended: Settings) -> None:
    stack = up(pretended)
    wanted = resources()
    assert {r["Type"] for r in wanted.values()} - parsing.get_model_map().keys() == NOT_IN_MOTO
    formation = boto3.client("cloudformation", endpoint_url=emr_aws.url, region_name=REGION)
    made = formation.describe_stack_resources(StackName="fruitlake")["StackResources"]
    # moto lists what it does not know without a name
    assert {r["LogicalResourceId"] for r in made if "LogicalResourceId" in r} == {
        n for n, r in wanted.items() if r["Type"] not in NOT_IN_MOTO and r.get("Condition") != "WithServerless"
    }
    found = cluster(emr_aws, stack.outputs["ClusterId"])
    assert found["Status"]["State"] == "WAITING"
    assert found["ReleaseLabel"] == "emr-spark-8.0.0"
    assert found["LogUri"] == f"s3://{stack.bucket}/logs/"
    keys = {o["Key"] for o in emr_aws.s3.list_objects_v2(Bucket=stack.bucket)["Contents"]}
    sent = packaged(pretended)
    assert keys == {
        *(f"artifacts/{name}" for name in sent.names()),
        "certificates/in-transit.zip",
        "notebooks/examples/gold.ipynb",
    }


def test_up_again_keeps_the_cluster_and_starts_another_after_it_has_ended(
    emr_aws: AwsServer, pretended: Settings
) -> None:
    first = up(pretended).outputs["ClusterId"]
    assert up(pretended).outputs["ClusterId"] == first
    get_backend("emr")[ACCOUNT][REGION].clusters[first].terminate()  # as the idle limit does, behind the stack's back
    requests = shown(pretended)
    changed = {p["ParameterKey"] for p in requests[-1]["parameters"]["Parameters"] if "ParameterValue" in p}
    assert {"Launch", "Bootstrap", "Environment", "Project"} <= changed


def test_down_ends_the_cluster_and_keeps_the_lake(emr_aws: AwsServer, pretended: Settings) -> None:
    stack = up(pretended)
    emr_aws.s3.put_object(Bucket=stack.bucket, Key="lake/a", Body=b"a")
    take_down("fruitlake", False, QUIET, poll=0.01)
    assert cluster(emr_aws, stack.outputs["ClusterId"])["Status"]["State"] == "TERMINATED"
    after = existing("fruitlake")
    assert "ClusterId" not in after.outputs
    assert emr_aws.s3.get_object(Bucket=after.bucket, Key="lake/a")["Body"].read() == b"a"


def test_three_primaries_lose_their_protection_before_they_go_down(emr_aws: AwsServer, pretended: Settings) -> None:
    stack = up(pretended, HighAvailability="true")
    assert cluster(emr_aws, stack.outputs["ClusterId"])["TerminationProtected"]
    take_down("fruitlake", False, QUIET, poll=0.01)
    assert cluster(emr_aws, stack.outputs["ClusterId"])["Status"]["State"] == "TERMINATED"


def test_serverless_instead_of_a_cluster(emr_aws: AwsServer, pretended: Settings) -> None:
    stack = up(pretended, Compute="serverless")
    assert "ClusterId" not in stack.outputs
    serverless = boto3.client("emr-serverless", endpoint_url=emr_aws.url, region_name=REGION)
    application = serverless.get_application(applicationId=stack.outputs["ApplicationId"])["application"]
    assert application["type"] == "Spark"
    assert application["tags"]["project"] == "fruitlake"


def test_a_dry_run_prints_the_requests_and_sends_none(emr_aws: AwsServer, pretended: Settings) -> None:
    requests = shown(pretended)
    operations = [request["operation"] for request in requests]
    assert operations[0] == "CreateStack"
    assert operations[-1] == "UpdateStack"
    assert set(operations[1:-1]) == {"PutObject"}
    first = requests[1]["parameters"]
    assert first["Bucket"] == f"fruitlake-{ACCOUNT}-{REGION}"
    assert Path(first["Body"].removeprefix("file://")).is_file()
    assert (
        boto3.client("cloudformation", endpoint_url=emr_aws.url, region_name=REGION).list_stacks()["StackSummaries"]
        == []
    )


def test_what_a_dry_run_shows_is_what_is_sent(emr_aws: AwsServer, pretended: Settings) -> None:
    told = shown(pretended, MaximumNodes="7")[-1]["parameters"]
    stack = up(pretended, MaximumNodes="7")
    given = {p["ParameterKey"]: p["ParameterValue"] for p in told["Parameters"]}
    launch = given.pop("Launch")
    assert launch[:8].isdigit()
    assert given.items() <= stack.parameters.items()


def test_another_region_is_refused_unless_allowed(
    emr_aws: AwsServer, pretended: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with pytest.raises(EmrError, match=r"us-east-1 is not allowed \(eu-west-3\).*AWS_REGION=eu-west-3"):
        up(pretended)
    allowed = pretended.model_copy(update={"allowed_regions": "eu-west-3, us-east-1"})
    requests = shown(allowed)
    values = {p["ParameterKey"]: p["ParameterValue"] for p in requests[0]["parameters"]["Parameters"]}
    assert requests[0]["region"] == "us-east-1"
    assert values["AllowedRegion"] == "us-east-1"


def test_a_release_of_no_known_line_is_refused(emr_aws: AwsServer, pretended: Settings) -> None:
    with pytest.raises(EmrError, match=r"emr-5\.36\.0.*emr-spark-8"):
        up(pretended, Release="emr-5.36.0")


def test_a_name_that_no_bucket_can_have_is_refused(emr_aws: AwsServer, pretended: Settings) -> None:
    with pytest.raises(EmrError, match="'My_Lake' cannot name the stack"):
        bring_up(pretended, "My_Lake", {"Compute": "cluster"}, QUIET)


def test_down_with_everything_leaves_the_bucket(emr_aws: AwsServer, pretended: Settings) -> None:
    assert resources()["Bucket"]["DeletionPolicy"] == "Retain"
    said = io.StringIO()
    stack = up(pretended)
    take_down("fruitlake", True, Console(file=said, width=80), dry_run=True)
    (request,) = json.loads(said.getvalue())
    assert (request["operation"], request["parameters"]) == ("DeleteStack", {"StackName": stack.name})


def test_nothing_packaged_and_no_stack_say_what_to_run(emr_aws: AwsServer, tmp_path: Path) -> None:
    from bootstrap import settings

    with pytest.raises(EmrError, match="fruitlake emr package"):
        up(settings.load(cache=tmp_path / "empty"))
    with pytest.raises(EmrError, match="fruitlake emr up"):
        take_down("fruitlake", False, QUIET)


@pytest.mark.parametrize(
    ("reason", "step"),
    [
        ("We currently do not have sufficient m5.xlarge capacity in the Availability Zone you requested.", "--zone b"),
        ("Insufficient instance capacity", "--zone b"),
        (
            "VcpuLimitExceeded: You have requested more vCPU capacity than your current vCPU limit of 32",
            "Service Quotas",
        ),
        ("The number of instances exceeded your EC2 quota", "Service Quotas"),
        ("Service role arn:aws:iam::1:role/x has insufficient EC2 permissions", "role or permission"),
        ("Invalid InstanceProfile: x.", "role or permission"),
        ("Master - 1: Error provisioning instances.", "Master - 1: Error provisioning instances"),
    ],
)
def test_aws_reasons_come_with_the_next_step(reason: str, step: str) -> None:
    said = reasons.explained(reason)
    assert step in said
    assert "\n" not in said
