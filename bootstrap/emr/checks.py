"""Check an account, with read-only requests, for everything that `emr up` would fail on.

region, quotas, roles, release, instance types, endpoints, bucket, key, price ──▶ ✓, ✗ or ?, the finding, the remedy
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from bootstrap.emr.parameters import Row, check, quotas
from bootstrap.emr.plan import read_prices
from bootstrap.emr.requests import ask, look_up
from bootstrap.emr.stack import find, section, with_defaults
from bootstrap.settings import Settings
from catalog import aws
from catalog.bucket import check_catalog_region
from catalog.errors import AwsError

_SPOT = "AWSServiceRoleForEC2Spot"


def rows(settings: Settings, stack: str, wanted: Mapping[str, str]) -> list[Row]:
    """Run every check, in the order in which `up` would fail. Raises EmrError for a region or parameter that is not
    allowed, AwsError without credentials."""
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
    if look_up("NoSuchEntity", "iam", "GetRole", RoleName=_SPOT):
        return Row(what, True, _SPOT)
    remedy = "aws iam create-service-linked-role --aws-service-name spot.amazonaws.com"
    return Row(what, False, "Spot was never used in this account", remedy)


def _zone_name(zone: str) -> str:
    zones = ask("ec2", "DescribeAvailabilityZones")["AvailabilityZones"]
    return str(sorted(zone["ZoneName"] for zone in zones)["ab".index(zone)])


def _offered(what: str, instance: str, zone: str) -> Row:
    name = _zone_name(zone)
    filters = [{"Name": "instance-type", "Values": [instance]}, {"Name": "location", "Values": [name]}]
    found = ask("ec2", "DescribeInstanceTypeOfferings", LocationType="availability-zone", Filters=filters)
    if found["InstanceTypeOfferings"]:
        return Row(what, True, f"{name} has {instance}")
    return Row(what, False, f"{name} has no {instance}", "--zone, or --instance")


def _endpoints(what: str, zone: str) -> Row:
    services = [r["Properties"]["ServiceName"] for r in section("Resources").values() if "VPCEndpoint" in r["Type"]]
    wanted = [service.replace("${AWS::Region}", aws.region()) for service in services]
    name = _zone_name(zone)
    found = ask("ec2", "DescribeVpcEndpointServices")["ServiceDetails"]  # a few hundred in the region
    missing = {*wanted} - {s["ServiceName"] for s in found if name in s["AvailabilityZones"]}
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
    remedy = "" if state == "Enabled" else "aws kms enable-key, or cancel-key-deletion: without it the lake is lost"
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
    fine = abs(prices[0] - assumed["ec2"]) < 0.0005
    says = f"{prices[0]:g} USD per hour, prices.json has {assumed['ec2']:g}"
    return Row(what, fine, says, "" if fine else "correct bootstrap/emr/prices.json")
