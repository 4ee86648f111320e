"""The template: what cfn-lint says of it, and what must hold over every resource in it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bootstrap.emr.plan import ENDPOINTS
from tests.aws import REGION
from tests.emr import TEMPLATE, resources

RESOURCES = resources()
UNTAGGED = {  # CloudFormation takes no tags for these
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EMR::SecurityConfiguration",
    "AWS::Glue::Database",
    "AWS::IAM::InstanceProfile",
    "AWS::IAM::ManagedPolicy",
    "AWS::S3::BucketPolicy",
}


def of_type(kind: str) -> list[dict[str, Any]]:
    return [r["Properties"] for r in RESOURCES.values() if r["Type"] == kind]


def statements() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every policy statement of the template, wherever it stands."""

    def walk(value: Any) -> Iterator[dict[str, Any]]:
        if isinstance(value, dict):
            if "Effect" in value:
                yield value
            for part in value.values():
                yield from walk(part)
        elif isinstance(value, list):
            for part in value:
                yield from walk(part)

    for name, resource in RESOURCES.items():
        for statement in walk(resource["Properties"]):
            yield name, statement


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_cfn_lint_finds_nothing() -> None:
    command = [str(Path(sys.executable).with_name("cfn-lint")), "-r", REGION, "-t", str(TEMPLATE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_fits_into_a_request() -> None:
    assert TEMPLATE.stat().st_size <= 51_200, "CloudFormation takes no longer TemplateBody"


def test_no_wildcard_action_on_a_wildcard_resource() -> None:
    checked = 0
    for name, statement in statements():
        if statement["Effect"] == "Allow":
            checked += 1
            wild = [a for a in listed(statement["Action"]) if "*" in a]
            assert not wild, f"{name}: {wild}"
    assert checked > 15


def test_a_wildcard_resource_is_only_for_actions_that_know_no_other() -> None:
    allowed = {"TheAccountsPoliciesDecide", "SessionManagerHasNoResources", "Looking"}  # key policy; no ARNs; Describe*
    for name, statement in statements():
        if statement["Effect"] == "Allow" and "*" in listed(statement.get("Resource", [])):
            assert statement["Sid"] in allowed, name


def test_nothing_is_open_to_the_world() -> None:
    types = {r["Type"] for r in RESOURCES.values()}
    assert not types & {"AWS::EC2::InternetGateway", "AWS::EC2::NatGateway", "AWS::EC2::EIP"}
    rules = [r for g in of_type("AWS::EC2::SecurityGroup") for r in g.get("SecurityGroupIngress", [])]
    rules += of_type("AWS::EC2::SecurityGroupIngress")
    assert len(rules) > 10
    for rule in rules:
        assert "CidrIpv6" not in rule
        assert rule.get("CidrIp", "10.21.0.0/16") == "10.21.0.0/16"
    assert not any(subnet["MapPublicIpOnLaunch"] for subnet in of_type("AWS::EC2::Subnet"))


def test_the_bucket_takes_no_other_encryption_and_no_plain_connection() -> None:
    (bucket,) = of_type("AWS::S3::Bucket")
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    (policy,) = of_type("AWS::S3::BucketPolicy")
    denied = {s["Sid"]: s for s in policy["PolicyDocument"]["Statement"]}
    assert {s["Effect"] for s in denied.values()} == {"Deny"}
    assert denied["TlsOnly"]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert len(denied["TlsOnly"]["Resource"]) == 2
    # a header that is not there means the bucket's own encryption: only another one is refused
    header = "s3:x-amz-server-side-encryption"
    assert denied["NoOtherEncryption"]["Condition"] == {
        "Null": {header: "false"},
        "StringNotEquals": {header: "aws:kms"},
    }
    assert "NoOtherKey" in denied


def test_old_logs_versions_and_broken_uploads_go() -> None:
    (bucket,) = of_type("AWS::S3::Bucket")
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
    assert {"logs", "versions", "uploads"} <= rules.keys()
    assert not any("lake" in rule.get("Prefix", "") for rule in rules.values())
    assert all("Prefix" in r for r in rules.values() if "ExpirationInDays" in r), "nothing but these prefixes expires"


def test_what_holds_data_outlives_the_stack_unless_it_could_not_be_made() -> None:
    for name in ("Key", "Bucket", "BucketPolicy", "Bronze", "Silver", "Gold"):
        assert RESOURCES[name]["DeletionPolicy"] == "RetainExceptOnCreate", "else a second try meets what is left"
        assert RESOURCES[name]["UpdateReplacePolicy"] == "Retain"


def test_a_private_cluster_reaches_its_manager_and_what_its_nodes_install() -> None:
    """What AWS documents for emr-spark-8 in a private subnet: release notes, and "Sample policies for private
    subnets that access Amazon S3"."""
    manager = RESOURCES["ManagerEndpoint"]
    assert manager["Properties"]["ServiceName"] == {"Fn::Sub": "aws.api.${AWS::Region}.emr-service-cell01"}
    assert manager["Properties"]["SecurityGroupIds"] == [{"Ref": "ServiceGroup"}]
    assert manager["Condition"] == RESOURCES["Cluster"]["Condition"]
    (rule,) = RESOURCES["ServiceGroup"]["Properties"]["SecurityGroupIngress"]
    assert (rule["FromPort"], rule["ToPort"], rule["CidrIp"]) == (443, 443, "10.21.0.0/16")
    endpoints = {n for n, r in RESOURCES.items() if r["Type"] == "AWS::EC2::VPCEndpoint"}
    assert endpoints <= {*RESOURCES["Cluster"]["DependsOn"]}
    allowed = {
        (s["Sid"], resource["Fn::Sub"].split(":::")[1])
        for n, s in statements()
        if n == "S3Endpoint" and s["Sid"] not in ("TheLake", "ThePhotos")
        for resource in s["Resource"]
    }
    assert allowed == {
        ("WhatNodesInstall", "al2023-repos-${AWS::Region}-de612dc2/*"),
        ("WhatNodesInstall", "repo.${AWS::Region}.emr.amazonaws.com/*"),
        ("WhatNodesInstall", "aws157-instance-data-0-prod-${AWS::Region}/*"),
        ("WhatNodesInstall", "aws157-instance-data-1-prod-${AWS::Region}/*"),
        ("LogsAndSparkHistoryThatEmrKeeps", "aws157-logs-prod-${AWS::Region}/*"),
        ("LogsAndSparkHistoryThatEmrKeeps", "prod.${AWS::Region}.appinfo.src/*"),
    }


def test_the_plan_counts_the_endpoints_of_a_cluster() -> None:
    counted = [r for r in of_type("AWS::EC2::VPCEndpoint") if r["VpcEndpointType"] == "Interface"]
    assert len(counted) == ENDPOINTS


def test_every_resource_is_tagged() -> None:
    for name, resource in RESOURCES.items():
        if resource["Type"] not in UNTAGGED:
            assert {"Key": "project", "Value": "fruitlake"} in resource["Properties"]["Tags"], name


def test_no_secret_is_written_in_it() -> None:
    words = ("password", "secret", "accesskey", "privatekey", "token")
    text = yaml.safe_dump(yaml.load(TEMPLATE.read_text(), Loader=yaml.BaseLoader)).lower()
    assert [word for word in words if word in text] == []


def test_disks_and_wires_are_encrypted_and_metadata_needs_a_token() -> None:
    (security,) = of_type("AWS::EMR::SecurityConfiguration")
    configuration = security["SecurityConfiguration"]
    encryption = configuration["EncryptionConfiguration"]
    assert encryption["EnableAtRestEncryption"] is encryption["EnableInTransitEncryption"] is True
    disks = encryption["AtRestEncryptionConfiguration"]["LocalDiskEncryptionConfiguration"]
    assert disks["EnableEbsEncryption"] is True
    assert configuration["InstanceMetadataServiceConfiguration"]["MinimumInstanceMetadataServiceVersion"] == 2


def test_three_primaries_are_protected_and_never_idle_out() -> None:
    (cluster,) = of_type("AWS::EMR::Cluster")
    condition, without, limit = cluster["AutoTerminationPolicy"]["Fn::If"]
    assert condition == "ThreePrimaries"
    assert without == {"Ref": "AWS::NoValue"}
    assert "IdleTimeout" in limit
    instances = cluster["Instances"]
    assert instances["TerminationProtected"]["Fn::If"] == ["ThreePrimaries", True, False]
    assert instances["MasterInstanceGroup"]["InstanceCount"]["Fn::If"] == ["ThreePrimaries", 3, 1]


def test_workers_scale_and_task_nodes_are_spot() -> None:
    (cluster,) = of_type("AWS::EMR::Cluster")
    limits = cluster["ManagedScalingPolicy"]["ComputeLimits"]
    assert limits["UnitType"] == "Instances"
    assert {"MinimumCapacityUnits", "MaximumCapacityUnits", "MaximumOnDemandCapacityUnits"} <= limits.keys()
    assert cluster["Instances"]["TaskInstanceGroups"][0]["Market"] == "SPOT"


def test_athena_encrypts_and_limits() -> None:
    (group,) = of_type("AWS::Athena::WorkGroup")
    configuration = group["WorkGroupConfiguration"]
    assert configuration["EnforceWorkGroupConfiguration"] is True
    assert "BytesScannedCutoffPerQuery" in configuration
    assert configuration["ResultConfiguration"]["EncryptionConfiguration"]["EncryptionOption"] == "SSE_KMS"


@pytest.mark.parametrize("line", ["emr-spark-8", "emr-7"])
def test_notebooks_are_kept_on_both_release_lines(line: str) -> None:
    if line == "emr-spark-8":  # it has no JupyterHub
        (studio,) = of_type("AWS::EMR::Studio")
        assert studio["DefaultS3Location"] == {"Fn::Sub": "s3://${Bucket}/notebooks"}
        return
    (cluster,) = of_type("AWS::EMR::Cluster")
    _, persistence, _ = cluster["Configurations"][1]["Fn::If"]
    assert persistence["Classification"] == "jupyter-s3-conf"
    assert persistence["ConfigurationProperties"]["s3.persistence.enabled"] == "true"
