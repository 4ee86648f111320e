"""The stack on a moto server: up with a cluster, up with Serverless, down, and what is said when it cannot be."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.backends import get_backend
from moto.cloudformation import parsing
from moto.cloudformation.models import Event
from moto.cloudformation.models import Stack as FakeStack
from rich.console import Console

from bootstrap.emr import reasons
from bootstrap.emr.package import packaged
from bootstrap.emr.stack import Stack, existing
from bootstrap.emr.up import bring_up, take_down
from bootstrap.emr.watch import show_status
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


def test_a_running_cluster_keeps_its_certificate(emr_aws: AwsServer, pretended: Settings) -> None:
    """A node that joins later shows what the others trust."""
    stack = up(pretended)

    def certificate() -> bytes:
        found = emr_aws.s3.get_object(Bucket=stack.bucket, Key="certificates/in-transit.zip")
        return found["Body"].read()

    first = certificate()
    up(pretended, MaximumNodes="7")
    assert certificate() == first
    get_backend("emr")[ACCOUNT][REGION].clusters[stack.outputs["ClusterId"]].terminate()
    up(pretended)
    assert certificate() != first


@contextmanager
def going_wrong(state: str, reason: str) -> Iterator[None]:
    """What is deployed inside ends in this state, since the cluster could not be made for this reason."""

    def failed(self: FakeStack, *_: Any, **__: Any) -> None:
        for status, why in (("CREATE_IN_PROGRESS", None), ("CREATE_FAILED", reason), ("DELETE_COMPLETE", None)):
            event = Event(self.stack_id, self.name, "Cluster", "", "AWS::EMR::Cluster", status, why, None)
            self.events.append(event)
        self.status = state

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeStack, "update", failed)
        yield


def test_a_deployment_that_is_rolled_back_says_what_failed_first_and_can_be_tried_again(
    emr_aws: AwsServer, pretended: Settings
) -> None:
    said = io.StringIO()
    reason = "We currently do not have sufficient m5.xlarge capacity"
    with going_wrong("UPDATE_ROLLBACK_COMPLETE", reason), pytest.raises(EmrError) as failure:
        bring_up(pretended, "fruitlake", {"Compute": "cluster"}, Console(file=said, width=200), poll=0.01)
    assert str(failure.value).startswith(f"stack fruitlake: Cluster: {reason}: ")
    assert "--zone b" in str(failure.value)
    assert "Cluster CREATE_FAILED" in said.getvalue()
    with going_wrong("UPDATE_ROLLBACK_COMPLETE", "another one"), pytest.raises(EmrError) as failure:
        up(pretended)
    assert "another one" in str(failure.value), "the events of the first try are over"
    assert up(pretended).outputs["ClusterId"]


def test_a_stack_that_never_came_to_be_is_made_anew(emr_aws: AwsServer, pretended: Settings) -> None:
    formation = boto3.client("cloudformation", endpoint_url=emr_aws.url, region_name=REGION)
    formation.create_stack(StackName="fruitlake", TemplateBody='{"Resources": {"A": {"Type": "AWS::SNS::Topic"}}}')
    (made,) = get_backend("cloudformation")[ACCOUNT][REGION].stacks.values()
    made.status = "ROLLBACK_COMPLETE"
    assert [r["operation"] for r in shown(pretended)][:2] == ["DeleteStack", "CreateStack"]
    stack = up(pretended)
    assert stack.state == "UPDATE_COMPLETE"
    assert stack.outputs["ClusterId"]


def test_a_stack_in_the_making_has_no_bucket_yet() -> None:
    with pytest.raises(EmrError, match=r"'fruitlake' has no bucket \(create_in_progress\): `fruitlake emr up`"):
        show_status(Stack("fruitlake", "CREATE_IN_PROGRESS", {}, {}), QUIET)


def test_stopping_the_command_says_that_cloudformation_goes_on(emr_aws: AwsServer, pretended: Settings) -> None:
    said = io.StringIO()

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    with going_wrong("UPDATE_IN_PROGRESS", "it takes its time"), pytest.MonkeyPatch.context() as patch:
        patch.setattr("bootstrap.emr.stack.time.sleep", stop)
        with pytest.raises(KeyboardInterrupt):
            bring_up(pretended, "fruitlake", {"Compute": "cluster"}, Console(file=said, width=200))
    assert "CloudFormation goes on by itself, `fruitlake emr status`" in said.getvalue()


def test_databases_that_a_lake_has_made_are_left_to_it(emr_aws: AwsServer, pretended: Settings) -> None:
    assert up(pretended).parameters["Databases"] == "made"
    emr_aws.glue.create_database(DatabaseInput={"Name": "fruits_silver"})
    assert up(pretended).parameters["Databases"] == "made", "these are the stack's own"
    second = bring_up(pretended, "second", {"Compute": "cluster"}, QUIET, poll=0.01)
    assert second is not None
    assert second.parameters["Databases"] == "found"


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"MinimumNodes": "5", "MaximumNodes": "3"}, "--minimum-nodes 5 is more than --maximum-nodes 3"),
        ({"MinimumNodes": "31"}, "--minimum-nodes 31 is more than --maximum-nodes 30"),
        ({"MaximumCoreNodes": "4", "MaximumNodes": "3"}, "MaximumCoreNodes 4 is more than --maximum-nodes 3"),
        ({"MinimumNodes": "0"}, "MinimumNodes cannot be '0': it is a whole number from 1"),
        ({"IdleSeconds": "30"}, "IdleSeconds cannot be '30': it is a whole number from 60 to 604800"),
        ({"AthenaScanLimit": "10 GB"}, "AthenaScanLimit cannot be '10 GB': it is a whole number"),
        ({"Zone": "c"}, "Zone cannot be 'c': choose a or b"),
        ({"Nodes": "3"}, "no parameter 'Nodes': it has Compute"),
        ({"HighAvailability": "true", "IdleSeconds": "600"}, "three primaries does not end by itself"),
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
    assert resources()["Bucket"]["DeletionPolicy"] == "RetainExceptOnCreate"
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
        (
            "The provided credentials do not have permission to create the service-linked role for EC2 Spot Instances.",
            "create-service-linked-role --aws-service-name spot.amazonaws.com",
        ),
        ("Stack:arn:x is in UPDATE_IN_PROGRESS state and can not be updated.", "fruitlake emr status"),
        ("Master - 1: Error provisioning instances.", "Master - 1: Error provisioning instances"),
    ],
)
def test_aws_reasons_come_with_the_next_step(reason: str, step: str) -> None:
    said = reasons.explained(reason)
    assert step in said
    assert "\n" not in said
