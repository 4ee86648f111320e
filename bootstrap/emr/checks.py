"""Check parameters, and with read-only requests an account, for everything that `emr up` would fail on."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from bootstrap.emr.plan import read_prices, vcpus
from bootstrap.emr.requests import ask, look_up
from bootstrap.emr.stack import find, section, with_defaults
from bootstrap.settings import Settings
from catalog import aws
from catalog.bucket import check_catalog_region
from catalog.errors import AwsError, EmrError

_SPOT = "AWSServiceRoleForEC2Spot"


@dataclass(frozen=True)
class Row:
    """The result of one check, and what to do unless it is fine; fine is None if the check was not possible."""

    what: str
    fine: bool | None
    found: str
    remedy: str = ""


def check(values: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Raise EmrError unless a stack can have these values; wanted: those given as options."""
    vcpus(values["InstanceType"])
    least, most, small = int(values["MinimumNodes"]), int(values["MaximumNodes"]), values["Small"] == "true"
    if least > most:
        raise EmrError(f"--minimum-nodes {least} is more than --maximum-nodes {most}: lower the one or raise the other")
    if values["HighAvailability"] == "true" and (most < 4 or small):
        given = "--small" if small else f"--maximum-nodes {most}"
        raise EmrError(f"{given} is too little for --high-availability, whose HDFS takes four core nodes: drop one")
    if values["HighAvailability"] == "true" and "IdleSeconds" in wanted:
        raise EmrError("a cluster with three primaries does not end by itself: leave out --idle-minutes")


def quotas(values: Mapping[str, str]) -> list[Row]:
    """Whether the account's quotas allow the compute that a stack with these parameters starts with."""
    small, three = values["Small"] == "true", values["HighAvailability"] == "true"
    if values["Compute"] == "serverless":  # the quota's code is not confirmed (docs/aws.md, 1)
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
    return Row(what, allowed >= needed, f"{said}, {allowed} are allowed", remedy)


def show_checks(settings: Settings, stack: str, wanted: Mapping[str, str], console: Console) -> bool:
    """Print every check; returns whether nothing is missing, as far as it could be asked."""
    found = rows(settings, stack, wanted)
    table = Table("", "what", "found", "what to do")
    for row in found:
        table.add_row({True: "✓", False: "✗", None: "?"}[row.fine], row.what, row.found, "" if row.fine else row.remedy)
    console.print(table)
    return not any(row.fine is False for row in found)


def rows(settings: Settings, stack: str, wanted: Mapping[str, str]) -> list[Row]:
    """Run every check, in the order in which `up` would fail."""
    check_catalog_region(settings.regions)
    values = with_defaults(wanted)
    check(values, wanted)
    account, instance, zone = ask("sts", "GetCallerIdentity")["Account"], values["InstanceType"], values["Zone"]
    asked: list[tuple[str, Callable[[str], Row]]] = [
        (f"release {values['Release']}", lambda what: _release(what, values["Release"])),
        ("role of EC2 for Spot", _spot_role),
        (f"{instance} in zone {zone}", lambda what: _offered(what, instance, zone)),
        (f"endpoints in zone {zone}", lambda what: _endpoints(what, zone)),
        ("bucket and key", lambda what: _bucket(what, stack, f"{stack}-{account}-{aws.region()}")),
        (f"price of {instance}", lambda what: _price(what, instance)),
    ]
    if values["Compute"] == "serverless":
        asked = [(what, question) for what, question in asked if question is not _spot_role and instance not in what]
    region = Row("region", True, f"{aws.region()}, account {account}")
    return [region, *quotas(values), *(_row(what, question) for what, question in asked)]


def _row(what: str, question: Callable[[str], Row]) -> Row:
    try:
        return question(what)
    except AwsError as error:
        return Row(what, None, f"it cannot be asked: {error}", "have the right granted, or look in AWS' console")


def _release(what: str, release: str) -> Row:
    refusals = "InvalidRequestException ValidationException"
    found = look_up(refusals, "emr", "DescribeReleaseLabel", ReleaseLabel=release)
    if found is None:
        return Row(what, False, f"{aws.region()} does not have it", "take a later one: --release")
    return Row(what, True, ", ".join(f"{a['Name']} {a['Version']}" for a in found.get("Applications", [])))


def _spot_role(what: str) -> Row:
    used = look_up("NoSuchEntity", "iam", "GetRole", RoleName=_SPOT) is not None
    remedy = "aws iam create-service-linked-role --aws-service-name spot.amazonaws.com"
    return Row(what, used, _SPOT if used else "Spot was never used in this account", remedy)


def _zone_name(zone: str) -> str:
    zones = ask("ec2", "DescribeAvailabilityZones")["AvailabilityZones"]
    return str(sorted(zone["ZoneName"] for zone in zones)["ab".index(zone)])


def _offered(what: str, instance: str, zone: str) -> Row:
    name = _zone_name(zone)
    filters = [{"Name": "instance-type", "Values": [instance]}, {"Name": "location", "Values": [name]}]
    found = ask("ec2", "DescribeInstanceTypeOfferings", LocationType="availability-zone", Filters=filters)
    has = bool(found["InstanceTypeOfferings"])
    return Row(what, has, f"{name} has {'' if has else 'no '}{instance}", "--zone, or --instance")


def _endpoints(what: str, zone: str) -> Row:
    services = [r["Properties"]["ServiceName"] for r in section("Resources").values() if "VPCEndpoint" in r["Type"]]
    wanted = {service.replace("${AWS::Region}", aws.region()) for service in services}
    name = _zone_name(zone)
    found = ask("ec2", "DescribeVpcEndpointServices")["ServiceDetails"]  # a few hundred in the region
    missing = wanted - {s["ServiceName"] for s in found if name in s["AvailabilityZones"]}
    if missing:
        return Row(what, False, f"{name} does not have {', '.join(sorted(missing))}", "--zone")
    return Row(what, True, f"{name} has all {len(wanted)}")


def _bucket(what: str, stack: str, name: str) -> Row:
    if look_up("404 NoSuchBucket", "s3", "HeadBucket", Bucket=name) is None:
        return Row(what, True, f"{name} is free: the stack makes it, and its key")
    if find(stack) is None:
        return Row(what, False, f"{name} is an earlier stack's", "another --stack: its bucket stays its own")
    rules = ask("s3", "GetBucketEncryption", Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    key = rules[0]["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"]
    state = ask("kms", "DescribeKey", KeyId=key)["KeyMetadata"]["KeyState"]
    remedy = "aws kms enable-key, or cancel-key-deletion: without it the lake is lost"
    return Row(what, state == "Enabled", f"{name}, key {state.lower()}", remedy)


def _price(what: str, instance: str) -> Row:
    assumed = read_prices()["instances"].get(instance)
    if assumed is None:
        return Row(what, None, "not in prices.json", "add it there, for `fruitlake emr plan`")
    wanted = {"instanceType": instance, "regionCode": aws.region(), "operatingSystem": "Linux", "tenancy": "Shared"}
    wanted |= {"capacitystatus": "Used", "preInstalledSw": "NA"}
    filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in wanted.items()]
    with aws.explained("pricing"):  # only a few regions have the price list
        found = aws.client("pricing", "us-east-1").get_products(ServiceCode="AmazonEC2", Filters=filters)["PriceList"]
    terms = [term for text in found for term in json.loads(text)["terms"]["OnDemand"].values()]
    prices = [float(d["pricePerUnit"]["USD"]) for term in terms for d in term["priceDimensions"].values()]
    if not prices:
        return Row(what, None, "AWS' price list does not have it", "look at https://aws.amazon.com/ec2/pricing/")
    says = f"{prices[0]:g} USD per hour, prices.json has {assumed['ec2']:g}"
    return Row(what, abs(prices[0] - assumed["ec2"]) < 0.0005, says, "correct bootstrap/emr/prices.json")
