"""Stop a Serverless application: CloudFormation can neither change nor delete a started one, and it stays started for
15 minutes after its last job."""

import time
from collections.abc import Callable

from bootstrap.emr import stack
from bootstrap.emr.requests import Request, ask
from catalog.errors import EmrError

_RUNNING = ("SUBMITTED", "PENDING", "SCHEDULED", "RUNNING", "QUEUED")
_LONGEST = 600.0  # seconds


def stop(application: str, cancel: bool) -> list[Request]:
    """Requests that stop the application, if it is started. Raises EmrError if a job runs, unless cancel is set."""
    if _rests(application):
        return []
    runs = _runs(application, *_RUNNING)
    if runs and not cancel:
        raise EmrError(
            f"job {', '.join(runs)} is running on Serverless: wait for it (`fruitlake emr status`), or cancel it with "
            "`fruitlake emr down --cancel-jobs`"
        )
    return [
        *(Request("emr-serverless", "CancelJobRun", {"applicationId": application, "jobRunId": run}) for run in runs),
        Request("emr-serverless", "StopApplication", {"applicationId": application}),
    ]


def rest(request: Request) -> None:
    """Wait until no job is left, stop the application, and wait until it has stopped. Raises EmrError on timeout."""
    application = request.parameters["applicationId"]
    name = f"application {application}"
    _wait(lambda: not _runs(application, *_RUNNING, "CANCELLING"), f"{name} has jobs that are being cancelled")
    request.send()
    _wait(lambda: _rests(application), f"{name} has not stopped")


def _rests(application: str) -> bool:
    found = ask("emr-serverless", "GetApplication", applicationId=application)["application"]
    return found["state"] in ("CREATED", "STOPPED", "TERMINATED")


def _runs(application: str, *states: str) -> list[str]:
    found = ask("emr-serverless", "ListJobRuns", applicationId=application, states=states, maxResults=50)
    return [run["id"] for run in found["jobRuns"]]


def _wait(done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _LONGEST
    while not done():
        if time.monotonic() > deadline:
            raise EmrError(f"{what} after {_LONGEST / 60:.0f} minutes: `fruitlake emr status`, then try again")
        time.sleep(stack.POLL)
