"""Access rights: the template's policies, evaluated like IAM does for the requests that matter."""

import json
from typing import Any

import pytest

from bootstrap.emr.compute import Serverless
from bootstrap.emr.package import Artifacts
from tests.aws import REGION
from tests.policies import allows, listed
from tests.template import ACCOUNT, rendered

STACK = rendered(Compute="cluster")
BUCKET = f"arn:aws:s3:::fruitlake-{ACCOUNT}-{REGION}"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/Key"
GLUE = f"arn:aws:glue:{REGION}:{ACCOUNT}"
EC2 = f"arn:aws:ec2:{REGION}:{ACCOUNT}"
SPOT = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot"


def of_policy(*names: str) -> list[dict[str, Any]]:
    return [STACK[name]["PolicyDocument"] for name in names]


def of_role(name: str) -> list[dict[str, Any]]:
    """Policies of a role: its inline policies, and the stack's managed policies attached to it."""
    attached = [a for a in STACK[name].get("ManagedPolicyArns", []) if a in STACK]
    return [p["PolicyDocument"] for p in STACK[name].get("Policies", [])] + of_policy(*attached)


def key_policy() -> list[dict[str, Any]]:
    return [STACK["Key"]["KeyPolicy"]]


@pytest.mark.parametrize(
    "service", ["elasticmapreduce.amazonaws.com", "persistentappui.elasticmapreduce.amazonaws.com"]
)
def test_emr_encrypts_logs_with_the_key_for_this_account_only(service: str) -> None:
    for action in ("kms:GenerateDataKey", "kms:Decrypt"):
        assert allows(key_policy(), action, KEY, service)
        assert allows(key_policy(), action, KEY, service, aws__SourceAccount=ACCOUNT)
        assert not allows(key_policy(), action, KEY, service, aws__SourceAccount="999999999999")
    assert not allows(key_policy(), "kms:ScheduleKeyDeletion", KEY, service)


def test_serverless_encrypts_logs_with_the_key_for_this_accounts_applications_only() -> None:
    service, ours = "emr-serverless.amazonaws.com", f"arn:aws:emr-serverless:{REGION}:{ACCOUNT}:/applications/00f1"
    assert allows(key_policy(), "kms:GenerateDataKey", KEY, service, aws__SourceArn=ours)
    theirs = ours.replace(ACCOUNT, "999999999999")
    assert not allows(key_policy(), "kms:GenerateDataKey", KEY, service, aws__SourceArn=theirs)


def test_spot_starts_nodes_whose_disks_have_the_key_and_nobody_else_does() -> None:
    def may(action: str, who: str, account: str = ACCOUNT) -> bool:
        return allows(key_policy(), action, KEY, who, aws__PrincipalArn=who, kms__CallerAccount=account)

    for action in ("kms:CreateGrant", "kms:Decrypt", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptTo"):
        assert may(action, SPOT)
        assert not may(action, f"arn:aws:iam::{ACCOUNT}:role/somebody")
        assert not may(action, SPOT, account="999999999999")


def test_the_bucket_takes_no_other_encryption_and_no_plain_connection() -> None:
    def takes(**context: str) -> bool:
        ways = {"aws__SecureTransport": "true", "s3__TlsVersion": "1.3"} | context
        identity = [{"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}]
        return allows([*identity, *of_policy("BucketPolicy")], "s3:PutObject", f"{BUCKET}/lake/a", "x", **ways)

    how, key = "s3__x_amz_server_side_encryption", "s3__x_amz_server_side_encryption_aws_kms_key_id"
    assert takes(), "requests without encryption use the bucket's default"
    results = STACK["Workgroup"]["WorkGroupConfiguration"]["ResultConfiguration"]["EncryptionConfiguration"]
    monitoring = rendered(Compute="serverless")["Serverless"]["MonitoringConfiguration"]["S3MonitoringConfiguration"]
    keys = STACK["Cluster"]["LogEncryptionKmsKeyId"], monitoring["EncryptionKeyArn"], results["KmsKey"]
    for used in (*keys, STACK["Studio"]["EncryptionKeyArn"]):
        assert takes(**{how: "aws:kms", key: used}), "logs, results and notebooks can be written"
    assert not takes(**{how: "AES256"})
    assert not takes(**{how: "aws:kms", key: KEY.replace("Key", "other")})
    assert not takes(aws__SecureTransport="false")
    assert not takes(s3__TlsVersion="1.1")


@pytest.mark.parametrize("role", ["NodeRole", "JobRole"])
def test_jobs_keep_iceberg_tables_in_their_own_databases(role: str) -> None:
    """The actions that Iceberg's Glue catalog uses; Iceberg does not register partitions in Glue."""
    tables, database = f"{GLUE}:table/fruits_gold/fruit_vectors", f"{GLUE}:database/fruits_gold"
    for action in ("CreateTable", "GetTable", "GetTables", "UpdateTable", "DeleteTable"):
        assert allows(of_role(role), f"glue:{action}", tables), action
        assert not allows(of_role(role), f"glue:{action}", f"{GLUE}:table/payroll/people"), action
    for action in ("CreateDatabase", "GetDatabase", "UpdateDatabase"):
        assert allows(of_role(role), f"glue:{action}", database), action
    assert not allows(of_role(role), "glue:DeleteDatabase", database)
    assert not allows(of_role(role), "glue:BatchCreatePartition", tables)
    for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"):
        assert allows(of_role(role), action, f"{BUCKET}/lake/gold/fruit_vectors/metadata/1.json")
    assert not allows(of_role(role), "s3:DeleteObjectVersion", f"{BUCKET}/lake/a"), "only for data protection"
    assert allows(of_role(role), "kms:GenerateDataKey", KEY)


def test_a_bucket_of_photos_is_read_only() -> None:
    others = rendered(ImagesBucket="album")["DataPolicy"]["PolicyDocument"]
    assert allows([others], "s3:GetObject", "arn:aws:s3:::album/Kiwi/1.jpg")
    assert not allows([others], "s3:DeleteObject", "arn:aws:s3:::album/Kiwi/1.jpg")
    assert not allows(of_role("NodeRole"), "s3:GetObject", "arn:aws:s3:::album/Kiwi/1.jpg")


def test_studio_connects_workspaces_to_clusters() -> None:
    """AWS' documentation: ModifyNetworkInterfaceAttribute "must remain as-is"; Studio also revokes its own rules."""
    for kind in ("instance/i-1", "network-interface/eni-1", "security-group/sg-1"):
        assert allows(of_role("StudioRole"), "ec2:ModifyNetworkInterfaceAttribute", f"{EC2}:{kind}"), kind
    for action in ("AuthorizeSecurityGroupEgress", "RevokeSecurityGroupEgress"):
        assert allows(of_role("StudioRole"), f"ec2:{action}", f"{EC2}:security-group/EngineGroup")
        assert not allows(of_role("StudioRole"), f"ec2:{action}", f"{EC2}:security-group/sg-of-others")
    assert allows(of_role("StudioRole"), "s3:PutObject", f"{BUCKET}/notebooks/a.ipynb")
    assert not allows(of_role("StudioRole"), "s3:GetObject", f"{BUCKET}/lake/a")


def test_nodes_reach_what_they_install_and_emr_no_copy_of_sparks_history() -> None:
    """AWS' list of buckets for private subnets, without the one that EMR copies event logs to."""
    endpoint = of_policy("S3Endpoint")
    assert allows(endpoint, "s3:GetObject", f"arn:aws:s3:::al2023-repos-{REGION}-de612dc2/a.rpm", "x")
    assert allows(endpoint, "s3:GetObject", f"arn:aws:s3:::repo.{REGION}.emr.amazonaws.com/a", "x")
    assert allows(endpoint, "s3:PutObject", f"{BUCKET}/logs/a", "x")
    assert not allows(endpoint, "s3:PutObject", f"arn:aws:s3:::prod.{REGION}.appinfo.src/a", "x")
    assert not allows(endpoint, "s3:PutObject", "arn:aws:s3:::somebody-elses/a", "x")


OURS = {"aws__ResourceTag/stack": "fruitlake"}
CLUSTER = f"arn:aws:elasticmapreduce:{REGION}:{ACCOUNT}:cluster/j-1"
APPLICATION = f"arn:aws:emr-serverless:{REGION}:{ACCOUNT}:/applications/00f1"
OPERATOR = of_policy("OperatorPolicy")


@pytest.mark.parametrize(
    ("action", "resource", "context"),
    [
        ("cloudformation:UpdateStack", f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/fruitlake/1", {}),
        ("s3:PutObject", f"{BUCKET}/artifacts/environment-1.tar.gz", {}),
        ("s3:PutObject", f"{BUCKET}/images/Kiwi/1.jpg", {}),
        ("s3:PutObject", f"{BUCKET}/spark-events/.keep", {}),
        ("s3:GetObject", f"{BUCKET}/logs/j-1/steps/s-1/stderr.gz", {}),
        ("kms:GenerateDataKey", KEY, {}),
        ("elasticmapreduce:RunJobFlow", f"arn:aws:elasticmapreduce:{REGION}:{ACCOUNT}:cluster/*",
         {"aws__RequestTag/stack": "fruitlake"}),
        ("elasticmapreduce:AddJobFlowSteps", CLUSTER, OURS),
        ("elasticmapreduce:TerminateJobFlows", CLUSTER, OURS),
        ("emr-serverless:StartJobRun", APPLICATION, OURS),
        ("emr-serverless:StopApplication", APPLICATION, OURS),
        ("ssm:TerminateSession", f"arn:aws:ssm:{REGION}:{ACCOUNT}:session/${{aws:userid}}-0a1", {}),
        ("s3:GetEncryptionConfiguration", BUCKET, {}),
        ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/NodeRole", {"iam__PassedToService": "ec2.amazonaws.com"}),
        ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/JobRole",
         {"iam__PassedToService": "emr-serverless.amazonaws.com"}),
        ("ec2:CreateVpcEndpoint", f"{EC2}:vpc/Network", {}),
        ("ec2:CreateVpcEndpoint", f"{EC2}:security-group/ServiceGroup", {}),
        ("ec2:CreateTags", f"{EC2}:vpc-endpoint/vpce-1", {"ec2__CreateAction": "CreateVpcEndpoint"}),
        ("ec2:DeleteVpcEndpoints", f"{EC2}:vpc-endpoint/vpce-1", OURS),
        ("ssm:StartSession", f"{EC2}:instance/i-1", OURS),
        ("servicequotas:GetServiceQuota", "*", {}),
        ("servicequotas:GetAWSDefaultServiceQuota", "*", {}),
    ],
)  # fmt: skip
def test_an_operator_brings_up_submits_and_takes_down(action: str, resource: str, context: dict[str, str]) -> None:
    assert allows(OPERATOR, action, resource, **context)


@pytest.mark.parametrize(
    ("action", "resource", "context"),
    [
        ("s3:GetObject", f"{BUCKET}/lake/bronze/images/a.parquet", {}),
        ("s3:GetObject", f"{BUCKET}/images/Kiwi/1.jpg", {}),
        ("s3:DeleteObject", f"{BUCKET}/lake/a", {}),
        ("glue:GetTable", f"{GLUE}:table/fruits_gold/fruit_vectors", {}),
        ("elasticmapreduce:TerminateJobFlows", CLUSTER, {"aws__ResourceTag/stack": "production"}),
        ("elasticmapreduce:RunJobFlow", CLUSTER, {}),
        ("emr-serverless:StopApplication", APPLICATION, {"aws__ResourceTag/stack": "production"}),
        ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/admin", {"iam__PassedToService": "ec2.amazonaws.com"}),
        ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/NodeRole", {"iam__PassedToService": "lambda.amazonaws.com"}),
        ("iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/NodeRole", {}),
        ("iam:PutRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/NodeRole", {}),
        ("ec2:DeleteVpcEndpoints", f"{EC2}:vpc-endpoint/vpce-2", {"aws__ResourceTag/stack": "production"}),
        ("cloudformation:UpdateStack", f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/production/1", {}),
        ("kms:ScheduleKeyDeletion", KEY, {}),
    ],
)
def test_an_operator_sees_no_data_and_touches_nothing_else(action: str, resource: str, context: dict[str, str]) -> None:
    assert not allows(OPERATOR, action, resource, **context)


def test_an_operator_starts_jobs_on_serverless_and_cancels_them() -> None:
    """Job runs are identified by their own tags, which StartJobRun sets."""
    made = Artifacts("environment", "project", "model", "entry", "bootstrap")
    request = Serverless("00f1", "bucket", "role", "fruitlake").request(made, ["all"])
    given = {f"aws__RequestTag/{name}": value for name, value in request.parameters["tags"].items()}
    has = {f"aws__ResourceTag/{name}": value for name, value in request.parameters["tags"].items()}
    assert allows(OPERATOR, "emr-serverless:TagResource", f"{APPLICATION}/jobruns/1", **given)
    for action in ("GetJobRun", "CancelJobRun", "GetDashboardForJobRun"):
        assert allows(OPERATOR, f"emr-serverless:{action}", f"{APPLICATION}/jobruns/1", **has)
        assert not allows(OPERATOR, f"emr-serverless:{action}", f"{APPLICATION}/jobruns/1")


def test_an_analyst_reads_gold_through_athena_and_nothing_else() -> None:
    analyst = of_policy("AnalystPolicy")
    workgroup = f"arn:aws:athena:{REGION}:{ACCOUNT}:workgroup"
    for action in ("StartQueryExecution", "GetQueryResults", "StopQueryExecution", "GetWorkGroup"):
        assert allows(analyst, f"athena:{action}", f"{workgroup}/fruitlake")
        assert not allows(analyst, f"athena:{action}", f"{workgroup}/primary"), "it lacks limit and encryption"
    assert allows(analyst, "s3:GetObject", f"{BUCKET}/lake/gold/fruit_vectors/data/a.parquet")
    assert allows(analyst, "s3:PutObject", f"{BUCKET}/athena-results/a.csv")
    assert allows(analyst, "s3:ListBucket", BUCKET, s3__prefix="lake/gold/fruit_vectors")
    assert allows(analyst, "kms:Decrypt", KEY)
    for layer, sees in (("gold", True), ("silver", False), ("bronze", False)):
        assert allows(analyst, "glue:GetTable", f"{GLUE}:table/fruits_{layer}/a") is sees
        assert allows(analyst, "s3:GetObject", f"{BUCKET}/lake/{layer}/images/a") is sees
        assert not allows(analyst, "s3:PutObject", f"{BUCKET}/lake/{layer}/images/a")
        assert not allows(analyst, "glue:UpdateTable", f"{GLUE}:table/fruits_{layer}/a")
    assert not allows(analyst, "s3:ListBucket", BUCKET, s3__prefix="lake/bronze/images")
    assert not allows(analyst, "s3:ListBucket", BUCKET)


def test_data_protection_erases_with_every_version() -> None:
    """The rights listed in docs/gdpr.md, in addition to the policy for tables and objects."""
    protection = of_policy("DataPolicy", "DataProtectionPolicy")
    for action in ("GetBucketVersioning", "ListBucketVersions", "ListBucketMultipartUploads", "ListBucket"):
        assert allows(protection, f"s3:{action}", BUCKET), action
    for action in ("DeleteObject", "DeleteObjectVersion", "AbortMultipartUpload", "GetObject", "PutObject"):
        assert allows(protection, f"s3:{action}", f"{BUCKET}/lake/bronze/images/a"), action
    assert allows(protection, "glue:UpdateTable", f"{GLUE}:table/fruits_bronze/images")
    assert not allows(protection, "s3:DeleteObjectVersion", f"{BUCKET}/artifacts/a")
    assert not allows(protection, "elasticmapreduce:TerminateJobFlows", CLUSTER, **OURS)


@pytest.mark.parametrize("name", [n for n, r in STACK.items() if r["Type"] == "AWS::IAM::ManagedPolicy"])
def test_a_policy_fits_into_iam(name: str) -> None:
    """The limit is 6,144 characters; names generated by AWS, and a longer stack name, take more room than here."""
    assert len(json.dumps(STACK[name]["PolicyDocument"], separators=(",", ":"))) < 6144 - 800


def test_every_wildcard_is_for_actions_that_know_no_resource() -> None:
    alone = ("Describe", "List", "Get", "AssociateVPC", "ssm", "CreateControl", "CreateData", "Open")
    for name, resource in STACK.items():
        documents = [resource.get("PolicyDocument"), *[p["PolicyDocument"] for p in resource.get("Policies", [])]]
        for statement in [s for d in documents if d for s in d["Statement"] if s["Effect"] == "Allow"]:
            for action in listed(statement["Action"]):
                assert "*" not in action, f"{name}: {action}"
                if "*" in listed(statement["Resource"]):
                    service, called = action.split(":")
                    assert called.startswith(alone) or service in ("ssm", "ssmmessages"), f"{name}: {action}"
