"""The CloudFormation template: cfn-lint's findings, and the resources it would create."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bootstrap.emr.plan import ENDPOINTS
from bootstrap.emr.stack import deployment
from tests.aws import REGION
from tests.template import ACCOUNT, TEMPLATE, rendered, resources

RESOURCES = resources()
CLUSTER = rendered(Compute="cluster")
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/Key"


def of_type(kind: str, made: dict[str, dict[str, Any]] = CLUSTER) -> list[dict[str, Any]]:
    return [r for r in made.values() if r["Type"] == kind]


def configured(cluster: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {c["Classification"]: c["ConfigurationProperties"] for c in cluster["Configurations"]}


def test_cfn_lint_finds_nothing() -> None:
    command = [str(Path(sys.executable).with_name("cfn-lint")), "-r", REGION, "-t", str(TEMPLATE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_fits_into_a_request() -> None:
    assert TEMPLATE.stat().st_size <= 51_200, "the limit of CloudFormation's TemplateBody"


def test_a_cluster_uses_the_releases_own_iceberg_over_glue() -> None:
    (cluster,) = of_type("AWS::EMR::Cluster")
    assert cluster["ReleaseLabel"] == "emr-spark-8.1.0"
    said = configured(cluster)
    assert said["iceberg-defaults"] == {"iceberg.enabled": "true"}
    spark = said["spark-defaults"]
    catalog = {k.removeprefix("spark.sql.catalog.lake."): v for k, v in spark.items() if ".catalog.lake." in k}
    assert catalog == {
        "type": "glue",
        "warehouse": f"s3://fruitlake-{ACCOUNT}-{REGION}/lake",
        "io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        "client.region": REGION,
    }
    assert spark["spark.sql.defaultCatalog"] == "lake"
    assert spark["spark.hadoop.fs.s3a.endpoint.region"] == REGION, "otherwise S3A asks us-east-1 first"
    assert spark["spark.sql.extensions"].startswith("org.apache.iceberg.")
    assert not [k for k in spark if k in ("spark.jars", "spark.jars.packages")], "the release includes the jars"


def test_a_driver_does_not_sit_on_spot() -> None:
    """EMR labels nodes by market; drivers require the market that the core nodes, which always exist, have."""
    labels = configured(CLUSTER["Cluster"])["yarn-site"]
    drivers = labels["yarn.node-labels.am.default-node-label-expression"]
    groups = CLUSTER["Cluster"]["Instances"]
    assert labels["yarn.node-labels.enabled"] == "true"
    assert groups["CoreInstanceGroup"]["Market"] == drivers
    assert drivers not in [g["Market"] for g in groups["TaskInstanceGroups"]]


def test_every_node_is_of_the_type_that_was_asked_for_and_counted() -> None:
    """There are no groups of other instance types, such as GPUs: `plan` and the quotas assume a single type."""
    instances = rendered(Compute="cluster", InstanceType="m7i.2xlarge")["Cluster"]["Instances"]
    groups = [instances["MasterInstanceGroup"], instances["CoreInstanceGroup"], *instances["TaskInstanceGroups"]]
    assert [g["InstanceType"] for g in groups] == ["m7i.2xlarge"] * 3


def test_a_small_cluster_is_one_node_that_a_job_fits_on() -> None:
    cluster = rendered(Compute="cluster", Small="true")["Cluster"]
    assert cluster["Instances"].keys() & {"CoreInstanceGroup", "TaskInstanceGroups"} == set()
    assert "ManagedScalingPolicy" not in cluster
    said = configured(cluster)
    assert "yarn-site" not in said, "the driver would wait forever for a node with the label"
    kinds = ("driver.memory", "driver.memoryOverhead", "executor.memory", "executor.memoryOverhead")
    gigabytes = [int(said["spark-defaults"][f"spark.{kind}"].removesuffix("g")) for kind in kinds]
    assert sum(gigabytes) <= 12, "memory that YARN offers on 16 GiB"


def test_three_primaries_come_with_four_core_nodes_and_without_studio() -> None:
    cluster = rendered(Compute="cluster", HighAvailability="true")["Cluster"]
    groups, limits = cluster["Instances"], cluster["ManagedScalingPolicy"]["ComputeLimits"]
    assert groups["MasterInstanceGroup"]["InstanceCount"] == 3
    assert groups["CoreInstanceGroup"]["InstanceCount"] == 4, "from four nodes on, HDFS keeps two copies"
    assert limits["MinimumCapacityUnits"] == limits["MaximumCoreCapacityUnits"] == 4
    assert groups["TerminationProtected"] is True
    assert "AutoTerminationPolicy" not in cluster
    assert "JupyterEnterpriseGateway" not in [a["Name"] for a in cluster["Applications"]]


@pytest.mark.parametrize("compute", ["none", "cluster", "serverless"])
def test_the_studio_is_there_whatever_runs(compute: str) -> None:
    (studio,) = of_type("AWS::EMR::Studio", rendered(Compute=compute))
    assert studio["DefaultS3Location"] == f"s3://fruitlake-{ACCOUNT}-{REGION}/notebooks"
    assert studio["EncryptionKeyArn"] == KEY


def test_logs_have_the_key_that_the_bucket_asks_for_and_no_copy_leaves_the_account() -> None:
    assert CLUSTER["Cluster"]["LogEncryptionKmsKeyId"] == KEY
    spark = configured(CLUSTER["Cluster"])["spark-defaults"]
    bucket = f"s3://fruitlake-{ACCOUNT}-{REGION}"
    assert spark["spark.eventLog.dir"] == spark["spark.history.fs.logDirectory"] == f"{bucket}/spark-events"
    (application,) = of_type("AWS::EMRServerless::Application", rendered(Compute="serverless"))
    monitoring = application["MonitoringConfiguration"]
    assert monitoring["S3MonitoringConfiguration"] == {"LogUri": f"{bucket}/logs/", "EncryptionKeyArn": KEY}
    assert monitoring["ManagedPersistenceMonitoringConfiguration"]["Enabled"] is False


def test_a_small_application_stays_below_a_new_accounts_quota() -> None:
    small, large = (rendered(Compute="serverless", Small=s)["Serverless"]["MaximumCapacity"] for s in ("true", "false"))
    assert (small["Cpu"], large["Cpu"]) == ("16 vCPU", "128 vCPU")


def test_the_instance_profile_is_named_like_its_role() -> None:
    (profile,) = of_type("AWS::IAM::InstanceProfile")
    assert [profile["InstanceProfileName"]] == profile["Roles"]


def test_nothing_is_open_to_the_world() -> None:
    types = {r["Type"] for r in RESOURCES.values()}
    assert not types & {"AWS::EC2::InternetGateway", "AWS::EC2::NatGateway", "AWS::EC2::EIP"}
    rules = [r for g in of_type("AWS::EC2::SecurityGroup") for r in g.get("SecurityGroupIngress", [])]
    rules += of_type("AWS::EC2::SecurityGroupIngress")
    assert {r.get("CidrIp", "10.21.0.0/16") for r in rules} == {"10.21.0.0/16"}
    assert not any("CidrIpv6" in r for r in rules)
    assert not any(subnet["MapPublicIpOnLaunch"] for subnet in of_type("AWS::EC2::Subnet"))
    (bucket,) = of_type("AWS::S3::Bucket")
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}


def test_old_logs_versions_and_broken_uploads_go_and_the_lake_stays() -> None:
    (bucket,) = of_type("AWS::S3::Bucket")
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
    expiring = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules.values() if "ExpirationInDays" in rule}
    assert expiring == {"logs/": 90, "spark-events/": 30, "athena-results/": 30}, "nothing else may expire"
    assert {"versions", "uploads"} <= rules.keys()


def test_what_holds_data_outlives_the_stack_unless_it_could_not_be_made() -> None:
    for name in ("Key", "Bucket", "BucketPolicy"):
        assert RESOURCES[name]["DeletionPolicy"] == "RetainExceptOnCreate", "leftovers would block a retry"
        assert RESOURCES[name]["UpdateReplacePolicy"] == "Retain"


def test_a_private_cluster_waits_for_its_endpoints_and_finds_the_rule_that_emr_asks_for() -> None:
    endpoints = {n: r for n, r in CLUSTER.items() if r["Type"] == "AWS::EC2::VPCEndpoint"}
    assert endpoints.keys() <= {*RESOURCES["Cluster"]["DependsOn"]}
    interfaces = [r for r in endpoints.values() if r["VpcEndpointType"] == "Interface"]
    assert len(interfaces) == ENDPOINTS, "the plan's price counts them"
    manager = endpoints["ManagerEndpoint"]
    assert manager["ServiceName"] == f"aws.api.{REGION}.emr-service-cell01"
    assert manager["SecurityGroupIds"] == [CLUSTER["Cluster"]["Instances"]["ServiceAccessSecurityGroup"]]
    rules = of_type("AWS::EC2::SecurityGroupIngress")
    assert ("ServiceGroup", "PrimaryGroup", 9443) in [
        (r["GroupId"], r["SourceSecurityGroupId"], r["FromPort"]) for r in rules
    ]


def test_events_are_an_option_and_only_the_rule_may_send_them() -> None:
    made = rendered(Compute="serverless", Events="true")
    names = {"EventQueue", "DeadLetterQueue", "EventRule", "EventQueuePolicy", "EventReading", "SqsEndpoint"}
    assert made.keys() - rendered(Compute="serverless").keys() == names
    assert "NotificationConfiguration" not in CLUSTER["Bucket"]
    assert made["Bucket"]["NotificationConfiguration"]["EventBridgeConfiguration"]["EventBridgeEnabled"] is True
    assert made["EventRule"]["EventPattern"]["detail"]["bucket"]["name"] == [made["Bucket"]["BucketName"]]
    days = {made[name]["MessageRetentionPeriod"] / 86400 for name in ("EventQueue", "DeadLetterQueue")}
    assert days == {4}, "docs/gdpr.md says so"
    assert "SqsEndpoint" not in rendered(Compute="none", Events="true"), "it costs by the hour"


def test_everything_is_tagged_with_the_stack() -> None:
    """CloudFormation propagates the stack's tags; resources that policies identify by tag also set them explicitly."""
    tags = deployment("CreateStack", "fruitlake", {}).parameters["Tags"]
    assert {"Key": "stack", "Value": "fruitlake"} in tags
    assert {"Key": "stack", "Value": "fruitlake"} in CLUSTER["Cluster"]["Tags"]
    assert {"Key": "stack", "Value": "fruitlake"} in rendered(Compute="serverless")["Serverless"]["Tags"]


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
    assert (disks["EnableEbsEncryption"], disks["AwsKmsKey"]) == (True, KEY)
    assert configuration["InstanceMetadataServiceConfiguration"]["MinimumInstanceMetadataServiceVersion"] == 2


def test_athenas_results_go_where_they_expire_and_no_query_scans_without_a_limit() -> None:
    (group,) = of_type("AWS::Athena::WorkGroup")
    configuration = group["WorkGroupConfiguration"]
    assert configuration["EnforceWorkGroupConfiguration"] is True
    assert 10**9 < configuration["BytesScannedCutoffPerQuery"] < 10**11
    (bucket,) = of_type("AWS::S3::Bucket")
    expiring = [rule["Prefix"] for rule in bucket["LifecycleConfiguration"]["Rules"] if "ExpirationInDays" in rule]
    place = configuration["ResultConfiguration"]["OutputLocation"]
    assert place.removeprefix(f"s3://{bucket['BucketName']}/") in expiring
