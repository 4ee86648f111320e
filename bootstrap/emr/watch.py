"""Looking at what is deployed: the stack's state, its jobs, their logs, and the cluster's own pages."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from bootstrap.emr.reasons import explained
from bootstrap.emr.requests import Request
from bootstrap.emr.stack import Stack
from bootstrap.emr.up import ENDED, cluster_state
from catalog import aws
from catalog.errors import EmrError

# On the primary node. With encryption in transit Spark serves its history on the TLS port, and Livy speaks TLS on its
# own: docs.aws.amazon.com/emr/latest/ManagementGuide/emr-encryption-support-matrix.html. YARN's is not confirmed.
PAGES = {"history": 18480, "yarn": 8088, "livy": 8998, "jupyterhub": 9443}
_JOBS = 10  # shown by status


def show_status(stack: Stack, console: Console) -> None:
    """The stack, its compute, and the last jobs, newest first."""
    console.print(f"stack {stack.name}: {stack.state}, bucket {stack.bucket}", highlight=False, soft_wrap=True)
    cluster, application = stack.outputs.get("ClusterId"), stack.outputs.get("ApplicationId")
    if cluster:
        state, reason = cluster_state(cluster)
        why = f" ({explained(reason)})" if reason else ""
        console.print(f"cluster {cluster}: {state.lower()}{why}", highlight=False, soft_wrap=True)
        if state in ENDED:
            console.print("its endpoints still cost some cents an hour: `fruitlake emr down` ends that, too")
    if application:
        console.print(f"Serverless application {application}", highlight=False)
    if "Studio" in stack.outputs:
        console.print(f"notebooks: {stack.outputs['Studio']}", highlight=False, soft_wrap=True)
    if not cluster and not application:
        console.print("no compute: `fruitlake emr up` starts it")
        return
    table = Table("job", "name", "state", title="jobs", title_justify="left")
    for row in _steps(cluster) if cluster else _job_runs(str(application)):
        table.add_row(*row)
    console.print(table)


def _steps(cluster: str) -> list[tuple[str, str, str]]:
    with aws.explained("the steps cannot be listed"):
        found = aws.client("emr").list_steps(ClusterId=cluster)["Steps"]
    return [(s["Id"], s["Name"], s["Status"]["State"].lower()) for s in found[:_JOBS]]


def _job_runs(application: str) -> list[tuple[str, str, str]]:
    with aws.explained("the job runs cannot be listed"):
        found = aws.client("emr-serverless").list_job_runs(applicationId=application, maxResults=_JOBS)["jobRuns"]
    return [(r["id"], r.get("name", ""), r["state"].lower()) for r in found]


def show_logs(stack: Stack, job: str, console: Console) -> None:
    """What the job's driver printed, as far as EMR has brought it to the bucket. Raises EmrError if there is none."""
    keys = list(_driver_logs(stack, job))
    if not keys:
        raise EmrError(
            f"there are no logs of {job} below s3://{stack.bucket}/logs/ yet: EMR brings them every five minutes "
            "(`fruitlake emr status` lists the jobs)"
        )
    for key in keys:
        console.rule(f"s3://{stack.bucket}/{key}", align="left")
        console.print(_read(stack.bucket, key), markup=False, highlight=False, soft_wrap=True)


def _driver_logs(stack: Stack, job: str) -> Iterator[str]:
    """Keys of a step's own output and of its YARN driver's, or of a Serverless driver's: wherever it ran, since
    clusters and applications that are gone have left their logs."""
    for application in _folders(stack.bucket, "logs/applications/"):
        yield from _keys(stack.bucket, f"{application}jobs/{job}/SPARK_DRIVER/")
    for cluster in _folders(stack.bucket, "logs/j-"):
        of_step = list(_keys(stack.bucket, f"{cluster}steps/{job}/"))
        yield from of_step
        said = "".join(_read(stack.bucket, key) for key in of_step)
        for yarn in dict.fromkeys(re.findall(r"application_\d+_\d+", said)):
            found = _keys(stack.bucket, f"{cluster}containers/{yarn}/")
            yield from (key for key in found if "_000001/" in key)  # YARN's first container holds the driver


def _folders(bucket: str, prefix: str) -> list[str]:
    with aws.explained(f"s3://{bucket}/{prefix} cannot be listed"):
        pages = aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
        return [folder["Prefix"] for page in pages for folder in page.get("CommonPrefixes", [])]


def _keys(bucket: str, prefix: str) -> Iterator[str]:
    with aws.explained(f"s3://{bucket}/{prefix} cannot be listed"):
        pages = aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        yield from (entry["Key"] for page in pages for entry in page.get("Contents", []))


def _read(bucket: str, key: str) -> str:
    with aws.explained(f"s3://{bucket}/{key} cannot be read"):
        content = aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return (gzip.decompress(content) if key.endswith(".gz") else content).decode(errors="replace")


def tunnel(stack: Stack, page: str, port: int | None) -> Request:
    """The session that forwards a page of the primary node to this machine: no open port, no SSH key.

    Raises EmrError if there is no running cluster.
    """
    if page == "jupyterhub" and stack.parameters.get("ReleaseLine") != "emr-7":
        raise EmrError(
            f"{stack.parameters['Release']} has no JupyterHub: its notebooks are in EMR Studio, "
            "`fruitlake emr status` shows where"
        )
    cluster = stack.outputs.get("ClusterId")
    state = cluster_state(cluster)[0] if cluster else "none"
    if not cluster or state in ENDED:
        raise EmrError(f"stack '{stack.name}' has no running cluster ({state.lower()}): `fruitlake emr up` starts one")
    with aws.explained("the cluster's nodes cannot be listed"):
        nodes = aws.client("emr").list_instances(
            ClusterId=cluster, InstanceGroupTypes=["MASTER"], InstanceStates=["RUNNING"]
        )["Instances"]
    if not nodes:
        raise EmrError(f"cluster {cluster} has no running primary node yet ({state.lower()}): try again in a minute")
    there = str(PAGES[page])
    return Request(
        "ssm",
        "StartSession",
        {
            "Target": nodes[0]["Ec2InstanceId"],
            "DocumentName": "AWS-StartPortForwardingSessionToRemoteHost",
            "Parameters": {
                "host": [nodes[0]["PrivateDnsName"]],
                "portNumber": [there],
                "localPortNumber": [str(port or PAGES[page])],
            },
        },
    )


def hold_open(request: Request) -> None:
    """Run the session until it is stopped, by AWS' own client. Raises EmrError if that is not installed."""
    for program in ("aws", "session-manager-plugin"):
        if shutil.which(program) is None:
            raise EmrError(
                f"a tunnel needs `{program}`, which is not installed: see https://docs.aws.amazon.com/"
                "systems-manager/latest/userguide/session-manager-working-with-install-plugin.html"
            )
    said = request.parameters
    values = ",".join(f"{name}={value}" for name, (value,) in said["Parameters"].items())
    command = ["aws", "ssm", "start-session", "--region", aws.region(), "--target", said["Target"]]
    done = subprocess.run([*command, "--document-name", said["DocumentName"], "--parameters", values], check=False)
    if done.returncode:
        raise EmrError(f"the tunnel to {said['Target']} was closed with code {done.returncode}")
