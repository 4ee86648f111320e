"""Check combinations of the template's parameters, and the account's quotas for them.

CloudFormation only checks each parameter by itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bootstrap.emr.requests import ask, look_up
from catalog import aws
from catalog.errors import AwsError, EmrError


@dataclass(frozen=True)
class Row:
    """The result of one check, and what to do if it failed; fine is None if the check was not possible."""

    what: str
    fine: bool | None
    found: str
    remedy: str = ""


def check(values: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Raise EmrError unless a stack can have these parameters. wanted: those given as options."""
    vcpus(values["InstanceType"])
    least, most, small = int(values["MinimumNodes"]), int(values["MaximumNodes"]), values["Small"] == "true"
    if least > most:
        raise EmrError(f"--minimum-nodes {least} is more than --maximum-nodes {most}: lower the one or raise the other")
    if values["HighAvailability"] == "true" and (most < 4 or small):
        given = "--small" if small else f"--maximum-nodes {most}"
        raise EmrError(f"{given} is too little for --high-availability, whose HDFS takes four core nodes: drop one")
    if values["HighAvailability"] == "true" and "IdleSeconds" in wanted:
        raise EmrError("a cluster with three primaries does not end by itself: leave out --idle-minutes")


def vcpus(instance: str) -> int:
    """Number of vCPUs of an instance type, by its size. Raises EmrError for a type that cannot run jobs."""
    found = re.fullmatch(r"[a-z]+\d+([a-z-]*)\.(\d*)xlarge", instance)
    if found is None:
        raise EmrError(f"'{instance}' is no type for a node: give one of 4 vCPU and 16 GiB or more, like m6i.xlarge")
    if found[1].startswith("g"):
        raise EmrError(f"'{instance}' is ARM, and packages are made for x86-64: give a type like m6i.xlarge")
    return 4 * int(found[2] or 1)


def quotas(values: Mapping[str, str]) -> list[Row]:
    """Whether the account's quotas allow the compute that a stack with these parameters starts with.

    The code of Serverless' quota is not confirmed (docs/aws.md, 1).
    """
    small, three = values["Small"] == "true", values["HighAvailability"] == "true"
    if values["Compute"] == "serverless":
        return [_quota("vCPUs of EMR Serverless", 16 if small else 128, "emr-serverless", "L-D05C8A75")]
    node = vcpus(values["InstanceType"])
    rows = [_quota("vCPUs on demand", node * (1 if small else 7 if three else 2), "ec2", "L-1216C47A")]
    return rows if small else [*rows, _quota("vCPUs on Spot", node, "ec2", "L-34B43A08")]


def _quota(what: str, needed: int, service: str, code: str) -> Row:
    remedy = (
        f"aws service-quotas request-service-quota-increase --region {aws.region()} --service-code {service} "
        f"--quota-code {code} --desired-value {needed}"
    )
    said, quota = f"{needed} start at once", {"ServiceCode": service, "QuotaCode": code}
    try:  # AWS may only know the default of a quota that was never changed
        answer = look_up("NoSuchResourceException", "service-quotas", "GetServiceQuota", **quota)
        answer = answer or ask("service-quotas", "GetAWSDefaultServiceQuota", **quota)
    except AwsError as error:  # a user may start compute without the right to read quotas
        return Row(what, None, f"{said}; it cannot be asked how many are allowed ({error})", remedy)
    allowed = int(answer["Quota"]["Value"])
    return Row(what, allowed >= needed, f"{said}, {allowed} are allowed", "" if allowed >= needed else remedy)
