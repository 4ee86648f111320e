"""`fruitlake emr down` on a moto server: from a cluster, from three primary nodes, from Serverless."""

from typing import Any

import pytest
from moto.backends import get_backend

from bootstrap.emr.stack import Stack, existing
from bootstrap.emr.up import take_down
from bootstrap.settings import Settings
from catalog.errors import EmrError
from tests.aws import REGION, AwsServer
from tests.bootstrap.emr.deployed import QUIET, cluster, up
from tests.template import ACCOUNT


def test_down_ends_the_cluster_and_keeps_the_lake(emr_aws: AwsServer, pretended: Settings) -> None:
    stack = up(pretended)
    emr_aws.s3.put_object(Bucket=stack.bucket, Key="lake/a", Body=b"a")
    take_down("fruitlake", QUIET)
    assert cluster(emr_aws, stack.outputs["ClusterId"])["Status"]["State"] == "TERMINATED"
    after = existing("fruitlake")
    assert "ClusterId" not in after.outputs
    assert emr_aws.s3.get_object(Bucket=after.bucket, Key="lake/a")["Body"].read() == b"a"


def test_three_primaries_lose_their_protection_before_they_go_down(emr_aws: AwsServer, pretended: Settings) -> None:
    stack = up(pretended, HighAvailability="true")
    assert cluster(emr_aws, stack.outputs["ClusterId"])["TerminationProtected"]
    take_down("fruitlake", QUIET)
    assert cluster(emr_aws, stack.outputs["ClusterId"])["Status"]["State"] == "TERMINATED"


def started(settings: Settings) -> tuple[Stack, Any]:
    """A stack with a Serverless application that is still started after its job, as it is for 15 minutes."""
    stack = up(settings, Compute="serverless")
    backend = get_backend("emr-serverless")[ACCOUNT][REGION]
    backend.start_job_run(
        stack.outputs["ApplicationId"], "", stack.outputs["JobRole"], None, None, None, None, "fruitlake all"
    )
    assert backend.applications[stack.outputs["ApplicationId"]].state == "STARTED"
    return stack, backend


@pytest.mark.parametrize("then", ["down", "a cluster", "a smaller one"])
def test_a_started_application_is_stopped_before_it_changes_or_goes(
    emr_aws: AwsServer, pretended: Settings, then: str
) -> None:
    stack, backend = started(pretended)
    if then == "down":
        take_down("fruitlake", QUIET)
    elif then == "a cluster":
        assert "ClusterId" in up(pretended).outputs
    else:
        up(pretended, Compute="serverless", Small="true")
    state = backend.applications[stack.outputs["ApplicationId"]].state
    assert state == ("STOPPED" if then == "a smaller one" else "TERMINATED")


def test_a_job_on_serverless_is_not_pulled_from_under(emr_aws: AwsServer, pretended: Settings) -> None:
    stack, backend = started(pretended)
    (run,) = backend.job_runs[stack.outputs["ApplicationId"]]
    run.state = "RUNNING"
    for change in (lambda: take_down("fruitlake", QUIET), lambda: up(pretended)):
        with pytest.raises(EmrError, match=rf"job {run.id} is running on Serverless.*down --cancel-jobs"):
            change()
    assert existing("fruitlake").outputs["ApplicationId"] == stack.outputs["ApplicationId"]
    take_down("fruitlake", QUIET, cancel_jobs=True)
    assert run.state == "CANCELLED"
    assert "ApplicationId" not in existing("fruitlake").outputs
