"""`fruitlake emr up` on a moto server: with a cluster, with Serverless, and messages on failure."""

import io
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

from bootstrap.emr.package import packaged
from bootstrap.emr.requests import explained
from bootstrap.emr.up import bring_up
from bootstrap.settings import Settings
from catalog.errors import EmrError
from tests.aws import REGION, AwsServer
from tests.bootstrap.emr.deployed import cluster, shown, up
from tests.template import ACCOUNT, resources

NOT_IN_MOTO = {
    "AWS::Athena::WorkGroup",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::S3::BucketPolicy",
    "AWS::SQS::QueuePolicy",
}


def test_up_deploys_all_that_moto_knows(emr_aws: AwsServer, pretended: Settings) -> None:
    stack = up(pretended, Events="true")
    wanted = resources()
    assert {r["Type"] for r in wanted.values()} - parsing.get_model_map().keys() == NOT_IN_MOTO
    formation = boto3.client("cloudformation", endpoint_url=emr_aws.url, region_name=REGION)
    made = formation.describe_stack_resources(StackName="fruitlake")["StackResources"]
    # moto lists resources that it does not support without a name
    assert {r["LogicalResourceId"] for r in made if "LogicalResourceId" in r} == {
        n for n, r in wanted.items() if r["Type"] not in NOT_IN_MOTO and r.get("Condition") != "WithServerless"
    }
    found = cluster(emr_aws, stack.outputs["ClusterId"])
    assert found["Status"]["State"] == "WAITING"
    assert found["ReleaseLabel"] == "emr-spark-8.1.0"
    assert found["LogUri"] == f"s3://{stack.bucket}/logs/"
    keys = {o["Key"] for o in emr_aws.s3.list_objects_v2(Bucket=stack.bucket)["Contents"]}
    sent = packaged(pretended)
    assert keys == {
        *(f"artifacts/{name}" for name in sent),
        "certificates/in-transit.zip",
        "notebooks/examples/gold.ipynb",
        "spark-events/.keep",
    }


def test_up_again_keeps_the_cluster_and_starts_another_after_it_has_ended(
    emr_aws: AwsServer, pretended: Settings
) -> None:
    first = up(pretended).outputs["ClusterId"]
    assert up(pretended).outputs["ClusterId"] == first
    get_backend("emr")[ACCOUNT][REGION].clusters[first].terminate()  # as the idle limit would, outside of the stack
    requests = shown(pretended)
    changed = {p["ParameterKey"] for p in requests[-1]["parameters"]["Parameters"] if "ParameterValue" in p}
    assert {"Launch", "Bootstrap", "Environment", "Project"} <= changed


def test_a_running_cluster_keeps_its_certificate(emr_aws: AwsServer, pretended: Settings) -> None:
    """Nodes that join later need the certificate that the others trust."""
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
    assert Path(first["Body"]).is_file()
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


@contextmanager
def going_wrong(state: str, reason: str) -> Iterator[None]:
    """Let a deployment in the block end in this state, because the cluster fails for this reason."""

    def failed(self: FakeStack, *_: Any, **__: Any) -> None:
        self._add_stack_event("UPDATE_IN_PROGRESS", resource_status_reason="User Initiated")
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
    reason = "We currently do not have sufficient m5.xlarge capacity"
    with going_wrong("UPDATE_ROLLBACK_COMPLETE", reason), pytest.raises(EmrError) as failure:
        up(pretended)
    assert str(failure.value).startswith(f"stack fruitlake: Cluster: {reason}: ")
    assert "--zone b" in str(failure.value)
    with going_wrong("UPDATE_ROLLBACK_COMPLETE", "another one"), pytest.raises(EmrError) as failure:
        up(pretended)
    assert "another one" in str(failure.value), "events of the first attempt are not reported again"
    assert up(pretended).outputs["ClusterId"]


def test_a_stack_that_cannot_be_made_leaves_nothing_and_says_why(
    emr_aws: AwsServer, pretended: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CloudFormation deletes the stack, so that the next `up` starts afresh; events are then looked up by stack id."""
    assert shown(pretended)[0]["parameters"]["OnFailure"] == "DELETE"

    def deleted(self: FakeStack) -> None:
        self._add_stack_event("CREATE_IN_PROGRESS", resource_status_reason="User Initiated")
        event = Event(self.stack_id, self.name, "Key", "", "AWS::KMS::Key", "CREATE_FAILED", "AccessDenied", None)
        self.events.append(event)
        self.delete()

    monkeypatch.setattr(FakeStack, "create_resources", deleted)
    with pytest.raises(EmrError, match="stack fruitlake: Key: AccessDenied: a role or permission is missing"):
        up(pretended)


def test_stopping_the_command_says_that_cloudformation_goes_on(emr_aws: AwsServer, pretended: Settings) -> None:
    said = io.StringIO()

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    with going_wrong("UPDATE_IN_PROGRESS", "it takes its time"), pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.waiter.time.sleep", stop)
        with pytest.raises(KeyboardInterrupt):
            bring_up(pretended, "fruitlake", {"Compute": "cluster"}, Console(file=said, width=200))
    assert "CloudFormation continues by itself; `fruitlake emr status`" in said.getvalue()


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
    said = explained(reason)
    assert step in said
    assert "\n" not in said
