"""Submit jobs to a moto cluster and to moto's Serverless: the request, the outcome, and messages on failure."""

import io
import re
from typing import Any

import pytest
from moto.backends import get_backend
from moto.core.exceptions import JsonRESTError
from moto.emr.responses import ElasticMapReduceResponse
from rich.console import Console

from bootstrap.emr.stack import Stack
from bootstrap.emr.submit import arguments, submit
from bootstrap.emr.watch import show_status
from bootstrap.settings import Settings, load
from catalog.errors import EmrError
from tests.aws import REGION, AwsServer
from tests.bootstrap.emr.deployed import QUIET, ending, shown_job, up
from tests.emr import the_step
from tests.template import ACCOUNT


def test_a_step_runs_the_packaged_layer_in_cluster_mode(stack: Stack, pretended: Settings) -> None:
    said = io.StringIO()
    settings = pretended.model_copy(update={"variance": 0.8})
    with ending("COMPLETED"):
        submit(settings, "fruitlake", "silver", Console(file=said, width=200))
    arguments = the_step().args
    artifacts = f"s3://{stack.bucket}/artifacts"
    assert arguments[:3] == ["spark-submit", "--deploy-mode", "cluster"]
    archives = f"{artifacts}/environment-1.tar.gz#environment,{artifacts}/fruitlake-1.zip#fruitlake"
    assert f"spark.archives={archives}" in arguments
    assert "spark.pyspark.python=./environment/bin/python" in arguments
    assert "spark.yarn.maxAppAttempts=2" in arguments, "a driver that loses its node needs a second attempt"
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


def test_globs_and_catalogs_reach_the_job_as_they_were_given(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"EXCLUDE": "drafts/*,*.png", "CATALOG": '{"type": "rest", "uri": "https://here"}', "REFIT": "true"}
    for name, value in given.items():
        monkeypatch.setenv(f"FRUITLAKE_{name}", value)
    settings = load()
    passed = dict(word.split("=", 1) for word in arguments("gold", settings)[1:])
    for name, value in passed.items():
        monkeypatch.setenv(f"FRUITLAKE_{name.upper()}", value)
    assert load() == settings
    assert settings.exclude == ("drafts/*", "*.png") and settings.refit


def test_a_failed_step_says_its_reason_and_where_the_logs_are(stack: Stack, pretended: Settings) -> None:
    with (
        ending("FAILED", Reason="Application failed.", Message="exit status 1", LogFile="s3://x"),
        pytest.raises(EmrError) as failure,
    ):
        submit(pretended, "fruitlake", "gold", QUIET)
    assert "gold failed: Application failed. exit status 1" in str(failure.value)
    assert f"s3://{stack.bucket}/logs/{stack.outputs['ClusterId']}/steps/{the_step().id}/" in str(failure.value)


def test_a_cancelled_step_is_no_success(stack: Stack, pretended: Settings) -> None:
    with ending("CANCELLED"), pytest.raises(EmrError, match="cancelled"):
        submit(pretended, "fruitlake", "gold", QUIET)


def test_stopping_the_command_leaves_the_job_and_says_so(stack: Stack, pretended: Settings) -> None:
    said = io.StringIO()

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("bootstrap.emr.submit.time.sleep", stop)
        submit(pretended, "fruitlake", "gold", Console(file=said, width=200))
    assert the_step().state not in ("CANCELLED", "FAILED")
    assert f"job {the_step().id} continues: `fruitlake emr status`" in said.getvalue()


def test_credentials_that_expire_meanwhile_are_no_failure_of_the_job(
    stack: Stack, pretended: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def expired(_: ElasticMapReduceResponse) -> None:
        raise JsonRESTError("ExpiredTokenException", "expired")

    monkeypatch.setattr(ElasticMapReduceResponse, "describe_step", expired)
    with pytest.raises(EmrError) as failure:
        submit(pretended, "fruitlake", "gold", QUIET)
    assert re.search(rf"refuses the credentials.*aws sso login.*job {the_step().id} continues", str(failure.value))


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
        submit(pretended, "fruitlake", "gold", QUIET)
    assert len(asked) >= 3


def test_what_the_environment_does_not_hold_is_refused(stack: Stack, pretended: Settings) -> None:
    reference = pretended.model_copy(update={"engine": "tensorflow"})
    with pytest.raises(EmrError, match="'tensorflow' is not packaged for a cluster"):
        submit(reference, "fruitlake", "silver", QUIET)


def test_a_job_writes_to_the_databases_that_its_role_may_touch(emr_aws: AwsServer, pretended: Settings) -> None:
    other = pretended.model_copy(update={"database_prefix": "second"})
    up(other)
    (step,) = shown_job(pretended, "bronze")[-1]["parameters"]["Steps"]
    assert "database_prefix=second" in step["HadoopJarStep"]["Args"]


def test_a_dry_run_shows_exactly_the_step_that_is_sent(stack: Stack, pretended: Settings) -> None:
    request = shown_job(pretended, "bronze")[-1]
    assert (request["service"], request["operation"], request["region"]) == ("emr", "AddJobFlowSteps", REGION)
    with ending("COMPLETED"):
        submit(pretended, "fruitlake", "bronze", QUIET)
    (step,) = request["parameters"]["Steps"]
    assert step["HadoopJarStep"]["Args"] == the_step().args
    assert request["parameters"]["JobFlowId"] == stack.outputs["ClusterId"]


def test_only_what_is_missing_is_uploaded(emr_aws: AwsServer, stack: Stack, pretended: Settings) -> None:
    assert [r["operation"] for r in shown_job(pretended, "bronze")] == ["AddJobFlowSteps"]
    emr_aws.s3.delete_object(Bucket=stack.bucket, Key="artifacts/fruitlake-1.zip")
    assert [r["operation"] for r in shown_job(pretended, "bronze")] == ["PutObject", "AddJobFlowSteps"]


def test_serverless_gets_the_same_job(emr_aws: AwsServer, pretended: Settings) -> None:
    stack = up(pretended, Compute="serverless")
    said = io.StringIO()
    submit(pretended, "fruitlake", "all", Console(file=said, width=200))
    ((run,),) = get_backend("emr-serverless")[ACCOUNT][REGION].job_runs.values()
    driver: Any = run.job_driver
    spark = driver["sparkSubmit"]
    assert not set("'\"") & set(spark["sparkSubmitParameters"]), "EMR splits at spaces and does not interpret quotes"
    properties = dict(p.split("=", 1) for p in spark["sparkSubmitParameters"].split(" ") if p != "--conf")
    assert properties["spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON"] == "./environment/bin/python"
    assert properties["spark.archives"].endswith("#fruitlake")
    assert properties["spark.executor.memoryOverhead"] == "4g", "Spark's default, 10 %, is too little for Python"
    assert properties["spark.sql.catalog.lake.type"] == "glue"
    assert properties["spark.sql.catalog.lake.warehouse"] == f"s3://{stack.bucket}/lake"
    assert properties["spark.sql.defaultCatalog"] == "lake"
    assert properties["spark.hadoop.fs.s3a.endpoint.region"] == REGION
    assert run.configuration_overrides is None, "the application configures the logs and their key"
    assert spark["entryPoint"].endswith("/run_layer-1.py")
    assert spark["entryPointArguments"][0] == "all"
    assert run.execution_role_arn == stack.outputs["JobRole"]
    assert (run.tags or {})["stack"] == "fruitlake", "otherwise the operator could neither start nor cancel it"
    assert f"s3://{stack.bucket}/logs/applications/" in said.getvalue()
    run.state, run.state_details = "FAILED", "Job failed, please check complete logs."
    show_status(stack, Console(file=said, width=200))
    assert "failed" in said.getvalue()


def test_places_that_a_cluster_cannot_see_are_refused(stack: Stack, pretended: Settings) -> None:
    local = pretended.model_copy(update={"images": "/home/me/photos"})
    with pytest.raises(EmrError, match="cannot see '/home/me/photos': give --images"):
        submit(local, "fruitlake", "bronze", QUIET)
