"""Start and stop compute: deploy the stack with a cluster, with a Serverless application, or with neither.

up:   quotas ─▶ the stack without compute, if it is new ─▶ artifacts, certificate, notebook into its bucket ─▶ compute
down: protection off, Serverless stopped ─▶ the stack without compute; bucket, key, tables and workgroup stay
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from bootstrap.emr import serverless
from bootstrap.emr.certificates import certificates
from bootstrap.emr.checks import check, quotas
from bootstrap.emr.compute import cluster_of
from bootstrap.emr.package import folder, key, packaged, uploads
from bootstrap.emr.requests import Request, ask, show
from bootstrap.emr.stack import Stack, deploy, deployment, existing, find, with_defaults
from bootstrap.settings import Settings
from catalog import aws
from catalog.bucket import check_catalog_region
from catalog.errors import EmrError


def bring_up(
    settings: Settings, name: str, wanted: Mapping[str, str], console: Console, dry_run: bool = False
) -> Stack | None:
    """Deploy the stack with compute. wanted: its parameters. Returns None for a dry run.

    Raises EmrError for an invalid parameter, a missing package, a quota that is too small, a running job on Serverless,
    or a failure in CloudFormation; RegionError for a region that is not allowed.
    """
    check_catalog_region(settings.regions)
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,29}", name):
        raise EmrError(f"'{name}' cannot name the stack and its bucket: up to 30 of a-z, 0-9 and -, a letter first")
    made, stack, requests = packaged(settings), find(name), list[Request]()
    places = {"AllowedRegion": aws.region(), "DatabasePrefix": settings.database_prefix}
    values = with_defaults({**(stack.parameters if stack else {}), **wanted, **places})
    check(values, wanted)
    cluster = cluster_of(stack)
    alive = cluster is not None and not cluster.ended()
    if not alive:
        _check_quotas(values, console)
        values |= {
            "Launch": f"{datetime.now(UTC):%Y%m%dT%H%M%S}",  # a new name replaces the cluster
            "Bootstrap": key(made.bootstrap),  # a change would replace a running cluster
            "Environment": key(made.environment),
            "Project": key(made.project),
        }
    if stack is None:
        requests.append(deployment("CreateStack", name, values | {"Compute": "none"}))
    bucket = f"{name}-{ask('sts', 'GetCallerIdentity')['Account']}-{aws.region()}"
    requests += [*uploads(made, folder(settings), bucket), *_content(bucket, new_cluster=not alive)]
    if stack and "ApplicationId" in stack.outputs:
        requests += serverless.stop(stack.outputs["ApplicationId"], cancel=False)
    requests.append(deployment("UpdateStack", name, values))
    _carry_out(requests, console, dry_run)
    return None if dry_run else existing(name)


def take_down(name: str, console: Console, dry_run: bool = False, cancel_jobs: bool = False) -> None:
    """Deploy the stack without compute. Raises EmrError."""
    stack, requests = existing(name), list[Request]()
    if (cluster := cluster_of(stack)) and stack.parameters.get("HighAvailability") == "true" and not cluster.ended():
        unprotected = {"JobFlowIds": [cluster.id], "TerminationProtected": False}  # or CloudFormation cannot end it
        requests.append(Request("emr", "SetTerminationProtection", unprotected))
    if "ApplicationId" in stack.outputs:
        requests += serverless.stop(stack.outputs["ApplicationId"], cancel_jobs)
    requests.append(deployment("UpdateStack", name, {**stack.parameters, "Compute": "none"}))
    _carry_out(requests, console, dry_run)


def _carry_out(requests: list[Request], console: Console, dry_run: bool) -> None:
    """Send the requests one after the other, each when the previous one is done; or only show them."""
    if dry_run:
        show(requests, console)
        return
    for request in requests:
        if request.service == "cloudformation":
            deploy(request, console)
            continue
        with console.status(f"{request.operation} {request.parameters.get('Key', '')}"):
            if request.operation == "StopApplication":
                serverless.rest(request)
            else:
                request.send()


def _check_quotas(values: Mapping[str, str], console: Console) -> None:
    """Print quotas that could not be checked. Raises EmrError if a quota is smaller than what starts at once."""
    rows = quotas(values)
    short = "; ".join(f"{row.what}: {row.found} ({row.remedy})" for row in rows if row.fine is False)
    if short:
        small = "" if values["Small"] == "true" else "; or start with --small, which a new account's quotas allow"
        raise EmrError(short + small)
    for row in rows:
        if row.fine is None:
            console.print(f"{row.what}: {row.found}", highlight=False, soft_wrap=True)


def _content(bucket: str, new_cluster: bool) -> list[Request]:
    """Requests for the bucket's other content."""
    content: dict[str, Path | bytes] = {
        "notebooks/examples/gold.ipynb": Path(__file__).with_name("gold.ipynb"),
        "spark-events/.keep": b"",  # for Spark, a folder exists only if it has an object
    }
    if new_cluster:  # a running one keeps its certificate, because nodes that join later must have the same one
        content["certificates/in-transit.zip"] = certificates(aws.region())
    return [Request("s3", "PutObject", {"Bucket": bucket, "Key": name, "Body": body}) for name, body in content.items()]
