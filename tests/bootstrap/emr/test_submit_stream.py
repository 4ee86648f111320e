"""Submit a stream, which goes on until it is cancelled."""

import io

import pytest
from rich.console import Console

from bootstrap.emr.stack import Stack
from bootstrap.emr.submit import submit
from bootstrap.settings import Settings
from catalog.errors import EmrError
from tests.aws import AwsServer
from tests.bootstrap.emr.deployed import QUIET, ending, shown_job, up
from tests.emr import the_step


def test_a_stream_on_a_cluster_is_a_step_that_goes_on(stack: Stack, pretended: Settings) -> None:
    said = io.StringIO()
    with ending("RUNNING"):
        submit(pretended, "fruitlake", "stream", Console(file=said, width=200))
    arguments = the_step().args
    assert arguments[arguments.index(f"s3://{stack.bucket}/artifacts/run_layer-1.py") + 1] == "stream"
    assert "spark.yarn.am.attemptFailuresValidityInterval=1h" in arguments, "two failures in a year would end it"
    assert f"job {the_step().id} continues" in said.getvalue() and "fruitlake emr down" in said.getvalue()


def test_a_stream_on_serverless_is_started_again_and_never_times_out(emr_aws: AwsServer, pretended: Settings) -> None:
    up(pretended, Compute="serverless")
    said = {layer: shown_job(pretended, layer)[-1]["parameters"] for layer in ("all", "stream")}
    assert said["stream"]["jobDriver"]["sparkSubmit"]["entryPointArguments"][0] == "stream"
    assert said["stream"]["mode"] == "STREAMING"
    assert said["stream"]["executionTimeoutMinutes"] == 0, "EMR's default is twelve hours"
    assert said["stream"]["retryPolicy"] == {"maxFailedAttemptsPerHour": 5}
    assert not {"mode", "executionTimeoutMinutes", "retryPolicy"} & said["all"].keys()
    submit(pretended, "fruitlake", "stream", QUIET)  # botocore knows these parameters


def test_a_stream_reads_the_queue_of_a_stack_that_has_one(emr_aws: AwsServer, pretended: Settings) -> None:
    stack = up(pretended, Compute="serverless", Events="true")

    def words(settings: Settings, layer: str) -> list[str]:
        request = shown_job(settings, layer)[-1]["parameters"]
        return list(request["jobDriver"]["sparkSubmit"]["entryPointArguments"])

    assert words(pretended, "stream")[-1] == f"--events={stack.outputs['EventQueue']}"
    assert not [word for word in words(pretended, "all") if word.startswith("--")]
    other = pretended.model_copy(update={"images": "s3://album/photos"})
    assert not [word for word in words(other, "stream") if word.startswith("--")], "the rule is for the stack's bucket"


def test_a_stream_does_not_refit(stack: Stack, pretended: Settings) -> None:
    with pytest.raises(EmrError, match="emr submit gold --refit"):
        submit(pretended.model_copy(update={"refit": True}), "fruitlake", "stream", QUIET)
