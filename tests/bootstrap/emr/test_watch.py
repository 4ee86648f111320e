"""`status`, `logs`, and the tunnel to a cluster's web pages, on a moto server."""

import gzip
import io
from types import SimpleNamespace
from typing import Any

import pytest
from moto.backends import get_backend
from rich.console import Console

from bootstrap.emr.stack import Stack, existing
from bootstrap.emr.submit import submit
from bootstrap.emr.up import take_down
from bootstrap.emr.watch import show_logs, show_status, tunnel
from bootstrap.settings import Settings
from catalog.errors import EmrError
from tests.aws import REGION, AwsServer
from tests.bootstrap.emr.deployed import QUIET, up
from tests.template import ACCOUNT


def test_without_compute_or_with_an_ended_cluster_it_says_how_to_start_one(stack: Stack, pretended: Settings) -> None:
    cluster = get_backend("emr")[ACCOUNT][REGION].clusters[stack.outputs["ClusterId"]]
    cluster.terminate()
    with pytest.raises(EmrError, match=r"is terminated.*fruitlake emr up"):
        submit(pretended, "fruitlake", "bronze", QUIET)
    said = io.StringIO()
    show_status(stack, Console(file=said, width=200))
    assert "its endpoints still cost some cents an hour: `fruitlake emr down`" in said.getvalue()


def test_a_stack_in_the_making_has_no_bucket_yet() -> None:
    with pytest.raises(EmrError, match=r"'fruitlake' has no bucket \(create_in_progress\): `fruitlake emr up`"):
        show_status(Stack("fruitlake", "CREATE_IN_PROGRESS", {}, {}), QUIET)


def test_logs_are_the_steps_and_its_drivers(emr_aws: AwsServer, stack: Stack) -> None:
    cluster, step = stack.outputs["ClusterId"], "s-1"
    with pytest.raises(EmrError, match="no logs of s-1"):
        show_logs(stack, step, QUIET)
    container = f"logs/{cluster}/containers/application_17_0001/container_17_0001_01_000001/stderr.gz"
    for key, text in (
        (f"logs/{cluster}/steps/{step}/stderr.gz", "Submitted application application_17_0001"),
        (container, "error: there is no 's3://x'"),
        (container.replace("000001/", "000002/"), "an executor"),
    ):
        emr_aws.s3.put_object(Bucket=stack.bucket, Key=key, Body=gzip.compress(text.encode()))
    said = io.StringIO()
    show_logs(stack, step, Console(file=said, width=200))
    assert "error: there is no 's3://x'" in said.getvalue()
    assert "an executor" not in said.getvalue()
    take_down("fruitlake", QUIET)
    show_logs(existing("fruitlake"), step, Console(file=said, width=200))
    assert said.getvalue().count("error: there is no 's3://x'") == 2, "logs outlive their cluster"


def test_logs_of_serverless_are_the_drivers(emr_aws: AwsServer, pretended: Settings) -> None:
    stack = up(pretended, Compute="serverless")
    job = f"logs/applications/{stack.outputs['ApplicationId']}/jobs/r-1"
    for part, text in (("SPARK_DRIVER", "the driver"), ("SPARK_EXECUTOR/1", "an executor")):
        emr_aws.s3.put_object(Bucket=stack.bucket, Key=f"{job}/{part}/stdout.gz", Body=gzip.compress(text.encode()))
    said = io.StringIO()
    show_logs(stack, "r-1", Console(file=said, width=200))
    assert "the driver" in said.getvalue()
    assert "an executor" not in said.getvalue()


def test_a_tunnel_goes_to_the_primary_node(stack: Stack) -> None:
    cluster: Any = get_backend("emr")[ACCOUNT][REGION].clusters[stack.outputs["ClusterId"]]
    with pytest.raises(EmrError, match="no running primary node yet"):
        tunnel(stack, "history", None)
    node = SimpleNamespace(id="ci-1", ec2_instance_id="i-1", private_dns_name="ip-10-21-0-1.eu-west-3.compute.internal")
    node.instance_group = SimpleNamespace(id="ig-1", role="MASTER")
    cluster.ec2_instances.append(node)
    command = tunnel(stack, "history", 8080)
    said = dict(zip(command[3::2], command[4::2], strict=True))
    assert command[:3] == ["aws", "ssm", "start-session"]
    assert (said["--region"], said["--target"]) == (REGION, "i-1")
    assert said["--document-name"] == "AWS-StartPortForwardingSessionToRemoteHost"
    assert said["--parameters"] == f"host={node.private_dns_name},portNumber=18480,localPortNumber=8080"
    cluster.terminate()
    with pytest.raises(EmrError, match="no running cluster"):
        tunnel(existing("fruitlake"), "history", None)
