"""`fruitlake emr check` on moto, which knows zones, instance types, roles and buckets; the rest is faked here."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from bootstrap.emr.checks import Row, rows
from bootstrap.settings import Settings
from catalog import aws
from catalog.errors import EmrError, RegionError
from tests.aws import REGION, AwsServer
from tests.bootstrap.emr.deployed import up
from tests.commands import fruitlake
from tests.emr import allowed
from tests.template import ACCOUNT

BUCKET = f"fruitlake-{ACCOUNT}-{REGION}"


class Told:
    """Fake clients for what moto lacks: the release, the endpoints' zones, the price."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.zones = [f"{REGION}a", f"{REGION}b"]
        self.price = "0.2240000000"
        self.may_look_at_zones = True
        self.asked: list[tuple[str, str | None]] = []

    def client(self, service: str, where: str | None = None) -> Any:
        self.asked.append((service, where))
        return self if service in ("emr", "pricing") else _Ec2(self) if service == "ec2" else self.real(service, where)

    def describe_release_label(self, ReleaseLabel: str) -> dict[str, Any]:
        if ReleaseLabel != "emr-spark-8.1.0":
            error = {"Error": {"Code": "InvalidRequestException", "Message": "is not a valid release label"}}
            raise ClientError(error, "DescribeReleaseLabel")  # type: ignore[arg-type]
        return {"ReleaseLabel": ReleaseLabel, "Applications": [{"Name": "Spark", "Version": "4.1.1"}]}

    def get_products(self, ServiceCode: str, Filters: list[dict[str, str]]) -> dict[str, Any]:
        said = {f["Field"]: f["Value"] for f in Filters}
        assert (ServiceCode, said["regionCode"]) == ("AmazonEC2", REGION)
        dimension = {"pricePerUnit": {"USD": self.price}}
        return {"PriceList": [json.dumps({"terms": {"OnDemand": {"a": {"priceDimensions": {"b": dimension}}}}})]}


class _Ec2:
    """moto's EC2 client, plus the endpoint services of the release."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._real = told.real("ec2")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def describe_availability_zones(self) -> Any:
        if self._told.may_look_at_zones:
            return self._real.describe_availability_zones()
        error = {"Error": {"Code": "UnauthorizedOperation", "Message": "You are not authorized"}}
        raise ClientError(error, "DescribeAvailabilityZones")  # type: ignore[arg-type]

    def describe_vpc_endpoint_services(self) -> dict[str, Any]:
        names = [f"com.amazonaws.{REGION}.{s}" for s in ("s3", "glue", "kms", "sqs", "ssm", "ssmmessages")]
        names.append(f"aws.api.{REGION}.emr-service-cell01")
        return {"ServiceDetails": [{"ServiceName": n, "AvailabilityZones": self._told.zones} for n in names]}


@pytest.fixture
def told(emr_aws: AwsServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    made = Told(aws.client)
    monkeypatch.setattr("catalog.aws.client", made.client)
    iam = boto3.client("iam", endpoint_url=emr_aws.url, region_name=REGION)
    trust = {"Version": "2012-10-17", "Statement": []}  # moto names service-linked roles differently from AWS
    iam.create_role(RoleName="AWSServiceRoleForEC2Spot", AssumeRolePolicyDocument=json.dumps(trust))
    yield made


def found(settings: Settings, **wanted: str) -> dict[str, Row]:
    return {row.what: row for row in rows(settings, "fruitlake", {"Compute": "cluster"} | wanted)}


def test_an_account_in_which_all_is_there(told: Told, pretended: Settings) -> None:
    said = found(pretended)
    assert [row for row in said.values() if not row.fine] == []


def test_it_says_what_would_fail_and_what_to_do(told: Told, pretended: Settings) -> None:
    allowed["L-1216C47A"] = 5
    told.zones, told.price = [f"{REGION}a"], "0.25"
    said = found(pretended, Zone="b", Release="emr-spark-8.9.0")
    assert "8 start at once, 5 are allowed" in said["vCPUs on demand"].found
    assert "request-service-quota-increase" in said["vCPUs on demand"].remedy
    assert said["release emr-spark-8.9.0"].fine is False
    assert f"{REGION}b does not have aws.api.{REGION}.emr-service-cell01" in said["endpoints in zone b"].found
    assert said["price of m6i.xlarge"].found == "0.25 USD per hour, prices.json has 0.224"
    assert ("pricing", "us-east-1") in told.asked, "only that region serves the price list"


def test_a_bucket_that_an_earlier_stack_has_left_is_told(told: Told, emr_aws: AwsServer, pretended: Settings) -> None:
    assert "is free" in found(pretended)["bucket and key"].found
    emr_aws.make_bucket(BUCKET)
    assert found(pretended)["bucket and key"].fine is False


def test_the_key_of_a_stack_is_looked_at(
    told: Told, emr_aws: AwsServer, pretended: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    up(pretended)
    assert found(pretended)["bucket and key"].found == f"{BUCKET}, key enabled"
    kms = boto3.client("kms", endpoint_url=emr_aws.url, region_name=REGION)
    (key,) = kms.list_keys()["Keys"]
    kms.disable_key(KeyId=key["KeyId"])
    row = found(pretended)["bucket and key"]
    assert (row.fine, row.found) == (False, f"{BUCKET}, key disabled")


def test_what_may_not_be_asked_is_a_question_mark(told: Told, pretended: Settings) -> None:
    told.may_look_at_zones = False
    said = found(pretended)
    assert said["m6i.xlarge in zone a"].fine is said["endpoints in zone a"].fine is None
    assert "no permission for DescribeAvailabilityZones" in said["endpoints in zone a"].found


def test_another_region_and_a_type_that_cannot_be_are_refused(
    told: Told, pretended: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EmrError, match="is ARM"):
        found(pretended, InstanceType="m7g.xlarge")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with pytest.raises(RegionError, match="AWS_REGION is us-east-1"):
        found(pretended)


def test_the_command_shows_a_table_and_fails_if_something_is_missing(emr_aws: AwsServer, tmp_path: Path) -> None:
    done = fruitlake("emr", "check", cwd=tmp_path, **(emr_aws.variables | {"COLUMNS": "200"}))
    assert done.code == 1, done.err
    assert "✗" in done.out
    assert "aws iam create-service-linked-role" in done.out
