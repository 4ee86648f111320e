"""A layer job on a moto cluster and on moto's Serverless: what is sent, how it ends, what is said when it fails."""

from __future__ import annotations

import gzip
import io
import json
import re
import shlex
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.backends import get_backend
from moto.core.exceptions import JsonRESTError
from moto.emr.responses import ElasticMapReduceResponse
from rich.console import Console

from bootstrap.emr.stack import Stack, existing
from bootstrap.emr.submit import Job, submit, wait
from bootstrap.emr.up import bring_up, take_down
from bootstrap.emr.watch import show_logs, show_status, tunnel
from bootstrap.settings import Settings
from catalog import aws
from catalog.errors import EmrError
from tests.aws import REGION, AwsServer
from tests.emr import ACCOUNT, the_step

QUIET = Console(quiet=True)


@pytest.fixture
def stack(emr_aws: AwsServer, pretended: Settings) -> Stack:
    """A stack with a cluster."""
    made = bring_up(pretended, "fruitlake", {"Compute": "cluster"}, QUIET, poll=0.01)
    assert made is not None
    return made


@contextmanager
def ending(state: str, **failure: str) -> Iterator[None]:
    """The step that is submitted inside ends so, a moment later."""

    def end() -> None:
        for _ in range(1000):
            time.sleep(0.01)
            try:
                step: Any = the_step()
            except IndexError:
                continue
            step.failure = failure
            step.state = state
            return

    thread = threading.Thread(target=end)
    thread.start()
    yield
    thread.join()


def shown(settings: Settings, layer: str) -> list[dict[str, Any]]:
    said = io.StringIO()
    submit(settings, "fruitlake", layer, Console(file=said, width=80), dry_run=True)
    requests: list[dict[str, Any]] = json.loads(said.getvalue())
    return requests


def test_a_step_runs_the_packaged_layer_in_cluster_mode(stack: Stack, pretended: Settings) -> None:
    said = io.StringIO()
    settings = pretended.model_copy(update={"variance": 0.8})
    with ending("COMPLETED"):
        submit(settings, "fruitlake", "silver", Console(file=said, width=200), poll=0.01)
    arguments = the_step().args
    artifacts = f"s3://{stack.bucket}/artifacts"
    assert arguments[:3] == ["spark-submit", "--deploy-mode", "cluster"]
    archives = f"{artifacts}/environment-1.tar.gz#environment,{artifacts}/fruitlake-1.zip#fruitlake"
    assert f"spark.archives={archives}" in arguments
    assert "spark.pyspark.python=./environment/bin/python" in arguments
    entry = arguments.index(f"{artifacts}/run_layer-1.py")
    assert arguments[entry + 1 :] == [
        "silver",
        "database_prefix=fruits",
        f"images=s3://{stack.bucket}/images",
        f"lake=s3://{stack.bucket}/lake",
        "variance=0.8",
        f"weights={artifacts}/mobilenetv2-onnx-1.onnx",
    ]
    assert f"s3://{stack.bucket}/logs/{stack.outputs['ClusterId']}/steps/{the_step().id}/" in said.getvalue()
    assert "silver: completed" in said.getvalue()
    assert "fruitlake emr tunnel history" in said.getvalue()


def test_a_failed_step_says_its_reason_and_where_the_logs_are(stack: Stack, pretended: Settings) -> None:
    with (
        ending("FAILED", Reason="Application failed.", Message="exit status 1", LogFile="s3://x"),
        pytest.raises(EmrError) as failure,
    ):
        submit(pretended, "fruitlake", "gold", QUIET, poll=0.01)
    assert "gold failed: Application failed. exit status 1" in str(failure.value)
    assert f"s3://{stack.bucket}/logs/{stack.outputs['ClusterId']}/steps/{the_step().id}/" in str(failure.value)


def test_a_cancelled_step_is_no_success(stack: Stack, pretended: Settings) -> None:
    with ending("CANCELLED"), pytest.raises(EmrError, match="cancelled"):
        submit(pretended, "fruitlake", "gold", QUIET, poll=0.01)


def test_stopping_the_command_leaves_the_job_and_says_so(stack: Stack, pretended: Settings) -> None:
    said = io.StringIO()

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("bootstrap.emr.submit.time.sleep", stop)
        submit(pretended, "fruitlake", "gold", Console(file=said, width=200))
    assert the_step().state not in ("CANCELLED", "FAILED")
    assert f"job {the_step().id} goes on: `fruitlake emr status`" in said.getvalue()


def test_credentials_that_expire_meanwhile_are_no_failure_of_the_job(pretended: Settings) -> None:
    def ask() -> tuple[str, str]:
        with aws.explained("step s-1 cannot be looked at"):
            raise ClientError({"Error": {"Code": "ExpiredTokenException", "Message": "expired"}}, "DescribeStep")

    with pytest.raises(EmrError) as failure:
        wait(Job("s-1", "s3://b/logs/", "", ask), "gold", QUIET)
    assert re.search(r"refuses the credentials.*aws sso login.*job s-1 goes on", str(failure.value))


def test_throttled_questions_are_asked_again(
    emr_aws: AwsServer, stack: Stack, pretended: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def throttled(self: ElasticMapReduceResponse) -> Any:
        asked.append(True)
        if len(asked) < 3:
            raise JsonRESTError("ThrottlingException", "Rate exceeded")
        return describe(self)

    describe = ElasticMapReduceResponse.describe_step
    monkeypatch.setattr(ElasticMapReduceResponse, "describe_step", throttled)
    with ending("COMPLETED"):
        submit(pretended, "fruitlake", "gold", QUIET, poll=0.01)
    assert len(asked) >= 3


def test_what_the_environment_does_not_hold_is_refused(stack: Stack, pretended: Settings) -> None:
    reference = pretended.model_copy(update={"engine": "tensorflow"})
    with pytest.raises(EmrError, match="'tensorflow' is not packaged for a cluster"):
        submit(reference, "fruitlake", "silver", QUIET)


def test_a_job_writes_to_the_databases_that_its_role_may_touch(emr_aws: AwsServer, pretended: Settings) -> None:
    other = pretended.model_copy(update={"database_prefix": "second"})
    bring_up(other, "fruitlake", {"Compute": "cluster"}, QUIET, poll=0.01)
    (step,) = shown(pretended, "bronze")[-1]["parameters"]["Steps"]
    assert "database_prefix=second" in step["HadoopJarStep"]["Args"]


def test_a_dry_run_shows_exactly_the_step_that_is_sent(stack: Stack, pretended: Settings) -> None:
    request = shown(pretended, "bronze")[-1]
    assert (request["service"], request["operation"], request["region"]) == ("emr", "AddJobFlowSteps", REGION)
    with ending("COMPLETED"):
        submit(pretended, "fruitlake", "bronze", QUIET, poll=0.01)
    (step,) = request["parameters"]["Steps"]
    assert step["HadoopJarStep"]["Args"] == the_step().args
    assert request["parameters"]["JobFlowId"] == stack.outputs["ClusterId"]


def test_only_what_is_missing_is_uploaded(emr_aws: AwsServer, stack: Stack, pretended: Settings) -> None:
    assert [r["operation"] for r in shown(pretended, "bronze")] == ["AddJobFlowSteps"]
    emr_aws.s3.delete_object(Bucket=stack.bucket, Key="artifacts/fruitlake-1.zip")
    assert [r["operation"] for r in shown(pretended, "bronze")] == ["PutObject", "AddJobFlowSteps"]


def test_serverless_gets_the_same_job(emr_aws: AwsServer, pretended: Settings) -> None:
    stack = bring_up(pretended, "fruitlake", {"Compute": "serverless"}, QUIET, poll=0.01)
    assert stack is not None
    said = io.StringIO()
    submit(pretended, "fruitlake", "all", Console(file=said, width=200), poll=0.01)
    ((run,),) = get_backend("emr-serverless")[ACCOUNT][REGION].job_runs.values()
    driver: Any = run.job_driver
    spark = driver["sparkSubmit"]
    properties = dict(p.split("=", 1) for p in shlex.split(spark["sparkSubmitParameters"]) if p != "--conf")
    assert properties["spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON"] == "./environment/bin/python"
    assert properties["spark.archives"].endswith("#fruitlake")
    assert properties["spark.executor.memoryOverhead"] == "4g", "Spark's tenth is too little for the Python workers"
    assert spark["entryPoint"].endswith("/run_layer-1.py")
    assert spark["entryPointArguments"][0] == "all"
    assert run.execution_role_arn == stack.outputs["JobRole"]
    assert f"s3://{stack.bucket}/logs/applications/" in said.getvalue()
    run.state, run.state_details = "FAILED", "Job failed, please check complete logs."
    show_status(stack, Console(file=said, width=200))
    assert "failed" in said.getvalue()


def test_places_that_a_cluster_cannot_see_are_refused(stack: Stack, pretended: Settings) -> None:
    local = pretended.model_copy(update={"images": "/home/me/photos"})
    with pytest.raises(EmrError, match="cannot see '/home/me/photos': give --images"):
        submit(local, "fruitlake", "bronze", QUIET)


def test_without_compute_or_with_an_ended_cluster_it_says_how_to_start_one(stack: Stack, pretended: Settings) -> None:
    cluster = get_backend("emr")[ACCOUNT][REGION].clusters[stack.outputs["ClusterId"]]
    cluster.terminate()
    with pytest.raises(EmrError, match=r"is terminated.*fruitlake emr up"):
        submit(pretended, "fruitlake", "bronze", QUIET)
    said = io.StringIO()
    show_status(stack, Console(file=said, width=200))
    assert "its endpoints still cost some cents an hour: `fruitlake emr down`" in said.getvalue()


def test_a_release_with_spark_3_is_for_notebooks_only(emr_aws: AwsServer, pretended: Settings) -> None:
    bring_up(pretended, "fruitlake", {"Compute": "cluster", "Release": "emr-7.10.0"}, QUIET, poll=0.01)
    with pytest.raises(EmrError, match=r"emr-7\.10\.0.*--release emr-spark-8"):
        submit(pretended, "fruitlake", "bronze", QUIET)


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
    take_down("fruitlake", False, QUIET, poll=0.01)
    show_logs(existing("fruitlake"), step, Console(file=said, width=200))
    assert said.getvalue().count("error: there is no 's3://x'") == 2, "its cluster is gone, its logs are not"


def test_logs_of_serverless_are_the_drivers(emr_aws: AwsServer, pretended: Settings) -> None:
    stack = bring_up(pretended, "fruitlake", {"Compute": "serverless"}, QUIET, poll=0.01)
    assert stack is not None
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
    request = tunnel(stack, "history", 8080)
    assert (request.service, request.operation) == ("ssm", "StartSession")
    assert request.parameters == {
        "Target": "i-1",
        "DocumentName": "AWS-StartPortForwardingSessionToRemoteHost",
        "Parameters": {"host": [node.private_dns_name], "portNumber": ["18480"], "localPortNumber": ["8080"]},
    }
    with pytest.raises(EmrError, match=r"emr-spark-8\.0\.0 has no JupyterHub.*EMR Studio"):
        tunnel(stack, "jupyterhub", None)
    cluster.terminate()
    with pytest.raises(EmrError, match="no running cluster"):
        tunnel(existing("fruitlake"), "history", None)
