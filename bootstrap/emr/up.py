"""Compute up and down: the stack with a cluster, with a Serverless application, or with neither.

up:   the stack without compute, if it is new ─▶ artifacts, certificate, notebook into its bucket ─▶ compute
down: termination protection off ─▶ the stack without compute; bucket, key, tables and workgroup stay
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import as_file, files
from pathlib import Path

from botocore.exceptions import ClientError
from rich.console import Console

from bootstrap.emr import artifacts
from bootstrap.emr.certificates import certificates
from bootstrap.emr.package import folder, packaged
from bootstrap.emr.parameters import check
from bootstrap.emr.requests import Request, check_region, show
from bootstrap.emr.stack import POLL, Stack, deletion, deploy, deployment, existing, find
from bootstrap.settings import Settings
from catalog import aws
from catalog.errors import EmrError

ENDED = ("TERMINATING", "TERMINATED", "TERMINATED_WITH_ERRORS")


def bring_up(
    settings: Settings,
    name: str,
    wanted: Mapping[str, str],
    console: Console,
    dry_run: bool = False,
    poll: float = POLL,
) -> Stack | None:
    """Deploy the stack with compute; wanted are its parameters. None if it was only shown.

    Raises EmrError for a region that is not allowed, a parameter that cannot be, nothing packaged, or what
    CloudFormation could not do.
    """
    check_region(settings)
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,29}", name):
        raise EmrError(f"'{name}' cannot name the stack and its bucket: up to 30 of a-z, 0-9 and -, a letter first")
    made, here = packaged(settings), folder(settings)
    stack = find(name)
    failed = deletion(name) if stack and stack.failed_at_birth else None
    if failed:
        stack = None
    check(wanted, stack.parameters if stack else {})
    base = {
        "AllowedRegion": aws.region(),  # which has been checked
        "DatabasePrefix": settings.database_prefix,
        **({"Release": wanted["Release"], "ReleaseLine": _line(wanted["Release"])} if "Release" in wanted else {}),
    }
    ready = {**wanted, **base}
    alive = _alive(stack)
    if not alive:  # CloudFormation does not see that a cluster has ended: another name makes another one
        ready |= {
            "Launch": f"{datetime.now(UTC):%Y%m%dT%H%M%S}",
            "Bootstrap": artifacts.key(made.bootstrap),  # of a running cluster these stay: they would replace it
            "Environment": artifacts.key(made.environment),
            "Project": artifacts.key(made.project),
        }
    if stack is None:
        born = base | {"Databases": _databases(settings.database_prefix)}
        before = [*([failed] if failed else []), deployment(name, None, born)]
        if dry_run:
            bucket = f"{name}-{_account()}-{aws.region()}"
            after = Stack(name, "CREATE_COMPLETE", born, {"Bucket": bucket})
            show([*before, *_content(made.names(), here, bucket), deployment(name, after, ready)], console)
            return None
        for request in before:
            deploy(request, console, poll)
        stack = existing(name)
    requests = [*artifacts.uploads(made, here, stack.bucket), *_content((), here, stack.bucket, not alive)]
    if dry_run:
        show([*requests, deployment(name, stack, ready)], console)
        return None
    for request in requests:
        with console.status(f"uploading {request.parameters['Key']}"):
            request.send()
    deploy(deployment(name, stack, ready), console, poll)
    return existing(name)


def take_down(name: str, everything: bool, console: Console, dry_run: bool = False, poll: float = POLL) -> None:
    """The stack without compute, or no stack; bucket, key and databases outlive even that. Raises EmrError."""
    stack = existing(name)
    requests = []
    cluster = stack.outputs.get("ClusterId")
    if cluster and _protected(cluster):  # three primaries are; CloudFormation could not end them
        requests.append(
            Request("emr", "SetTerminationProtection", {"JobFlowIds": [cluster], "TerminationProtected": False})
        )
    last = deletion(name) if everything or stack.failed_at_birth else deployment(name, stack, {"Compute": "none"})
    if dry_run:
        show([*requests, last], console)
        return
    for request in requests:
        request.send()
    deploy(last, console, poll)


def cluster_state(cluster: str) -> tuple[str, str]:
    """The cluster's state, and why, in EMR's words. Raises AwsError."""
    with aws.explained("the cluster cannot be looked at"):
        status = aws.client("emr").describe_cluster(ClusterId=cluster)["Cluster"]["Status"]
    return status["State"], status.get("StateChangeReason", {}).get("Message", "")


def _alive(stack: Stack | None) -> bool:
    cluster = stack.outputs.get("ClusterId") if stack else None
    return cluster is not None and cluster_state(cluster)[0] not in ENDED


def _databases(prefix: str) -> str:
    """Whether the stack makes the Glue databases: "found" if a lake, or an earlier stack, has made one of them."""
    with aws.explained("Glue cannot be looked at"):
        for layer in ("bronze", "silver", "gold"):
            try:
                aws.glue().get_database(Name=f"{prefix}_{layer}")
            except ClientError as error:
                if aws.code_of(error) != "EntityNotFoundException":
                    raise
            else:
                return "found"
    return "made"


def _line(release: str) -> str:
    """Which line of releases it is. Raises EmrError for one that the template does not know."""
    line = next((line for line in ("emr-spark-8", "emr-7") if release.startswith(f"{line}.")), None)
    if line is None:
        raise EmrError(f"release '{release}' is neither of emr-spark-8 (layer jobs) nor of emr-7 (notebooks only)")
    return line


def _content(names: tuple[str, ...] | list[str], here: Path, bucket: str, new_cluster: bool = True) -> list[Request]:
    """What goes into the bucket besides artifacts that are there: the example notebook, a new cluster's certificate.

    A running cluster keeps its own: nodes that join it later must be known to those that are there.
    """
    with as_file(files("bootstrap.emr") / "gold.ipynb") as notebook:
        kept = {artifacts.key(n): here / n for n in names} | {"notebooks/examples/gold.ipynb": notebook}
    kept_requests = [Request("s3", "PutObject", {"Bucket": bucket, "Key": k, "Body": v}) for k, v in kept.items()]
    if not new_cluster:
        return kept_requests
    certificate = {"Bucket": bucket, "Key": "certificates/in-transit.zip", "Body": certificates(aws.region())}
    return [*kept_requests, Request("s3", "PutObject", certificate)]


def _protected(cluster: str) -> bool:
    with aws.explained("the cluster cannot be looked at"):
        found = aws.client("emr").describe_cluster(ClusterId=cluster)["Cluster"]
    return bool(found.get("TerminationProtected")) and found["Status"]["State"] not in ENDED


def _account() -> str:
    with aws.explained("AWS cannot be used"):
        return str(aws.client("sts").get_caller_identity()["Account"])
