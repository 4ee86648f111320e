"""Show what is deployed: the stack's state, its jobs, their logs, and the cluster's web pages."""

import gzip
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial

from rich.console import Console
from rich.table import Table

from bootstrap.emr.compute import cluster_of, compute_of
from bootstrap.emr.requests import ask, explained
from bootstrap.emr.stack import Stack
from catalog import aws
from catalog.errors import EmrError

# Ports on the primary node. With encryption in transit, Spark serves its history on the TLS port, and Livy uses TLS on
# its usual port: docs.aws.amazon.com/emr/latest/ManagementGuide/emr-encryption-support-matrix.html.
# YARN's port is not confirmed (docs/aws.md, 13).
_PAGES = {"history": 18480, "yarn": 8088, "livy": 8998}


def show_status(stack: Stack, console: Console) -> None:
    """Print the stack, its compute, and the last jobs, newest first."""
    say = partial(console.print, highlight=False, soft_wrap=True)
    say(f"stack {stack.name}: {stack.state}, bucket {stack.bucket}")
    if "Studio" in stack.outputs and stack.parameters.get("HighAvailability") != "true":  # cannot attach then
        say(f"notebooks: {stack.outputs['Studio']}")
    if cluster := cluster_of(stack):
        state, reason = cluster.state()
        say(f"cluster {cluster.id}: {state.lower()}" + (f" ({explained(reason)})" if reason else ""))
        if cluster.ended():
            say("its endpoints still cost some cents an hour: `fruitlake emr down` ends that, too")
    elif "ApplicationId" in stack.outputs:
        say(f"Serverless application {stack.outputs['ApplicationId']}")
    else:
        say("no compute: `fruitlake emr up` starts it")
        return
    table = Table("job", "name", "state", title="jobs", title_justify="left")
    for row in compute_of(stack).last_jobs():
        table.add_row(*row)
    console.print(table)


def show_logs(stack: Stack, job: str, console: Console) -> None:
    """Print the output of the job's driver, as far as EMR has copied it to the bucket. Raises EmrError if none is."""
    keys = list(_driver_logs(stack.bucket, job))
    if not keys:
        raise EmrError(
            f"there are no logs of {job} below s3://{stack.bucket}/logs/ yet: EMR brings them every five minutes "
            "(`fruitlake emr status` lists the jobs)"
        )
    for key in keys:
        console.rule(f"s3://{stack.bucket}/{key}", align="left")
        console.print(_read(stack.bucket, key), markup=False, highlight=False, soft_wrap=True)


def _driver_logs(bucket: str, job: str) -> Iterator[str]:
    """Keys of the logs of a step and its YARN driver, or of a Serverless driver, of deleted compute, too."""
    for application in _below(bucket, "logs/applications/", "/"):
        yield from _below(bucket, f"{application}jobs/{job}/SPARK_DRIVER/")
    for cluster in _below(bucket, "logs/j-", "/"):
        of_step = _below(bucket, f"{cluster}steps/{job}/")
        yield from of_step
        said = "".join(_read(bucket, key) for key in of_step)
        for yarn in dict.fromkeys(re.findall(r"application_\d+_\d+", said)):
            found = _below(bucket, f"{cluster}containers/{yarn}/")
            yield from (key for key in found if "_000001/" in key)  # YARN's first container holds the driver


def _below(bucket: str, prefix: str, delimiter: str = "") -> list[str]:
    """Keys with this prefix; with a delimiter, the folders."""
    with aws.explained(f"s3://{bucket}/{prefix} cannot be listed"):
        pages = aws.client("s3").get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=bucket, Prefix=prefix, Delimiter=delimiter)
        field = "CommonPrefixes[].Prefix" if delimiter else "Contents[].Key"
        return [key for key in found.search(field) if key]


def _read(bucket: str, key: str) -> str:
    with aws.explained(f"s3://{bucket}/{key} cannot be read"):
        content = aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return (gzip.decompress(content) if key.endswith(".gz") else content).decode(errors="replace")


def tunnel(stack: Stack, page: str, port: int | None) -> list[str]:
    """The command that forwards a page of the primary node to this machine. Raises EmrError without a running one."""
    cluster = cluster_of(stack)
    if cluster is None or cluster.ended():
        raise EmrError(f"stack '{stack.name}' has no running cluster: `fruitlake emr up` starts one")
    running = {"ClusterId": cluster.id, "InstanceGroupTypes": ["MASTER"], "InstanceStates": ["RUNNING"]}
    nodes = ask("emr", "ListInstances", **running)["Instances"]
    if not nodes:
        raise EmrError(f"cluster {cluster.id} has no running primary node yet: try again in a minute")
    ports = f"portNumber={_PAGES[page]},localPortNumber={port or _PAGES[page]}"
    command = ["aws", "ssm", "start-session", "--region", aws.region(), "--target", nodes[0]["Ec2InstanceId"]]
    document = ["--document-name", "AWS-StartPortForwardingSessionToRemoteHost"]
    return [*command, *document, "--parameters", f"host={nodes[0]['PrivateDnsName']},{ports}"]


def open_tunnel(stack: Stack, page: str, port: int | None, console: Console) -> None:
    """Run the command until it is stopped. Raises EmrError, also for a missing plugin, which AWS' client reports."""
    command = tunnel(stack, page, port)
    console.print(f"{page}: https://localhost:{port or _PAGES[page]} (http where it has no TLS)")
    if shutil.which("aws") is None:
        raise EmrError("a tunnel needs AWS' command line, `aws`, which is not installed: https://aws.amazon.com/cli/")
    if code := subprocess.run(command, check=False).returncode:
        raise EmrError(f"the tunnel was closed with code {code}")
