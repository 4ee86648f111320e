"""A fake EMR on loopback: moto deploys the template, and this module fills moto's gaps, with AWS' messages.

- EMR uses the request's region, not always us-east-1;
- an update creates or deletes resources whose condition changes;
- tags of a KMS key are Key and Value in CloudFormation, but TagKey and TagValue in KMS, where its policy is text;
- a cluster created by CloudFormation stays alive without steps, and is protected, if the template says so;
- AWS::EMRServerless::Application is supported: a started one can be neither changed nor deleted, one with jobs cannot
  be stopped, and stopping takes a moment;
- AWS::EMR::Studio is supported, with a Url;
- Service Quotas has those of EC2 and EMR Serverless: sufficient defaults, unless a test sets them;
- a failed step has FailureDetails.
Resource types that moto lacks entirely (listed in test_up.py) are only checked by cfn-lint and in the template.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from moto.backends import get_backend
from moto.cloudformation import parsing
from moto.core.common_models import CloudFormationModel
from moto.emr.models import Cluster, Step
from moto.emr.responses import ElasticMapReduceResponse
from moto.emrserverless.exceptions import ValidationException
from moto.emrserverless.models import EMRServerlessBackend
from moto.kms.models import Key
from moto.servicequotas.exceptions import NoSuchResource
from moto.servicequotas.models import ServiceQuotasBackend
from moto.servicequotas.responses import ServiceQuotasResponse

from tests.aws import REGION
from tests.template import ACCOUNT

_ENDED = ("SUCCESS", "FAILED", "CANCELLED")
_SERVICES = ("cloudformation", "emr", "emr-serverless", "ec2", "kms", "iam", "s3")


def forget_stacks() -> None:
    """Empty the fake AWS."""
    for service in _SERVICES:
        for backend in get_backend(service)[ACCOUNT].values():  # type: ignore[call-overload]
            backend.reset()


def the_step() -> Step:
    """The newest step of the newest cluster, whose state a test may set."""
    clusters = get_backend("emr")[ACCOUNT][REGION].clusters
    step: Step = list(clusters.values())[-1].steps[-1]
    return step


def fill_gaps(patch: pytest.MonkeyPatch) -> None:
    def key_tags(properties: dict[str, Any]) -> None:
        tags = properties.get("Tags", [])
        properties["KeyPolicy"] = json.dumps(properties["KeyPolicy"])
        properties["Tags"] = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in tags]

    def keep_alive(properties: dict[str, Any]) -> None:
        instances = properties["Instances"]
        instances["keep_job_flow_alive_when_no_steps"] = instances["KeepJobFlowAliveWhenNoSteps"]
        instances["termination_protected"] = instances["TerminationProtected"]

    for model, prepare in ((Key, key_tags), (Cluster, keep_alive)):
        patch.setattr(model, "create_from_cloudformation_json", classmethod(_prepared(model, prepare)))
    patch.setattr(Step, "status", property(_status_with_failure(Step.status.fget)))  # type: ignore[attr-defined]
    patch.delattr(ElasticMapReduceResponse, "get_region_from_url")
    patch.setattr(parsing.ResourceMap, "build_resource_diff", _diff_with_conditions)
    patch.setattr(ServiceQuotasBackend, "get_service_quota", _quota)
    patch.setattr(ServiceQuotasResponse, "get_aws_default_service_quota", _default_quota, raising=False)
    patch.setattr(EMRServerlessBackend, "stop_application", _stop)
    patch.setattr(EMRServerlessBackend, "get_application", _stopping(EMRServerlessBackend.get_application))
    patch.setattr(EMRServerlessBackend, "list_job_runs", _job_runs)
    allowed.clear()
    known = parsing.get_model_map()
    patch.setitem(known, "AWS::EMRServerless::Application", _Application)
    patch.setitem(known, "AWS::EMR::Studio", _Studio)


allowed: dict[str, float] = {}  # vCPUs by quota code, set by tests


def _quota(self: Any, service_code: str, quota_code: str) -> dict[str, Any]:
    if quota_code not in allowed:
        raise NoSuchResource
    return {"ServiceCode": service_code, "QuotaCode": quota_code, "Value": allowed[quota_code]}


def _default_quota(self: Any) -> str:
    known = json.loads(self.body)["QuotaCode"] in ("L-1216C47A", "L-34B43A08", "L-D05C8A75")
    return json.dumps({"Quota": {"Value": 1000.0 if known else 0.0}})


def _job_runs(self: Any, application_id: str, states: list[str] | None = None, **_: Any) -> list[Any]:
    runs = self.job_runs.get(application_id, [])
    return [run for run in runs if not states or run.state in states]


def _stop(self: Any, application_id: str) -> None:
    if [run for run in self.job_runs.get(application_id, []) if run.state not in _ENDED]:
        raise ValidationException(f"Application {application_id} has running jobs and cannot be stopped.")
    self.applications[application_id].state = "STOPPING"


def _stopping(get: Callable[..., Any]) -> Callable[..., Any]:
    """Report a stopping application as stopped from the second request on."""

    def answered(self: Any, application_id: str) -> Any:
        application = get(self, application_id)
        if application.state == "STOPPING":
            application.asked = getattr(application, "asked", 0) + 1
            if application.asked == 2:
                application.state = "STOPPED"
        return application

    return answered


_diff = parsing.ResourceMap.build_resource_diff


def _diff_with_conditions(resources: Any, template: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """Compute moto's difference between two templates, plus resources that appear or disappear by their condition."""
    found = _diff(resources, template, parameters)
    before = _conditioned(resources, template)
    given = resources.input_parameters
    resources.input_parameters = parameters
    after = _conditioned(resources, template)
    resources.input_parameters = given
    found["Add"] += sorted(after - before)
    found["Remove"] += sorted(before - after)
    for name in found["Add"]:
        resources._parsed_resources.pop(name, None)
    there = {n for n, r in template["Resources"].items() if "Condition" not in r} | (before & after)
    found["Modify"] = [name for name in found["Modify"] if name in there]
    return dict(found)


def _conditioned(resources: Any, template: dict[str, Any]) -> set[str]:
    """Names of the resources with a condition that is true."""
    resources.load_parameters()
    resources.load_conditions()
    return {n for n, r in template["Resources"].items() if resources.lazy_condition_map.get(r.get("Condition"))}


def _prepared(model: Any, prepare: Callable[[dict[str, Any]], None]) -> Callable[..., Any]:
    create = model.create_from_cloudformation_json.__func__

    def prepared(cls: Any, resource_name: str, cloudformation_json: Any, *rest: Any, **more: Any) -> Any:
        prepare(cloudformation_json["Properties"])
        return create(cls, resource_name, cloudformation_json, *rest, **more)

    return prepared


def _status_with_failure(status: Callable[[Step], dict[str, Any]]) -> Callable[[Step], dict[str, Any]]:
    def with_failure(step: Step) -> dict[str, Any]:
        failure = getattr(step, "failure", None)
        return status(step) | ({"FailureDetails": failure} if failure else {})

    return with_failure


class _Application(CloudFormationModel):
    """AWS::EMRServerless::Application on top of moto's EMR Serverless."""

    def __init__(self, application: Any) -> None:
        self._application = application

    @property
    def physical_resource_id(self) -> str:
        return str(self._application.id)

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::EMRServerless::Application"

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **kwargs: Any
    ) -> "_Application":
        properties = cloudformation_json["Properties"]
        nothing: Any = None  # moto's default, despite its type hints
        made = get_backend("emr-serverless")[account_id][region_name].create_application(
            name=properties["Name"],
            release_label="emr-6.6.0",  # moto only knows emr-6
            application_type=properties["Type"],
            client_token="",
            initial_capacity=nothing,
            maximum_capacity=nothing,
            tags={tag["Key"]: tag["Value"] for tag in properties["Tags"]},
            auto_start_configuration=nothing,
            auto_stop_configuration=nothing,
            network_configuration=None,
        )
        made.release_label = properties["ReleaseLabel"]
        return cls(made)

    @classmethod
    def delete_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> None:
        get_backend("emr-serverless")[account_id][region_name].delete_application(resource_name)


class _Studio(CloudFormationModel):
    """AWS::EMR::Studio, as far as the stack's outputs need it."""

    physical_resource_id = "es-1"

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::EMR::Studio"

    @staticmethod
    def cloudformation_name_type() -> str:
        return "Name"

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return attr == "Url"

    def get_cfn_attribute(self, attribute_name: str) -> str:
        return "https://es-1.emrstudio-prod.eu-west-3.amazonaws.com"

    @classmethod
    def create_from_cloudformation_json(cls, *_: Any, **__: Any) -> "_Studio":
        return cls()

    @classmethod
    def delete_from_cloudformation_json(cls, *_: Any, **__: Any) -> None:
        pass
