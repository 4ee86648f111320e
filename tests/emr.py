"""EMR on loopback: moto deploys the template for real, with six gaps that are filled here, in AWS' own words.

- EMR's region is the request's, not always us-east-1;
- a resource whose condition changes in an update comes or goes;
- tags of a KMS key are Key and Value in CloudFormation, TagKey and TagValue in KMS;
- a cluster made by CloudFormation stays alive without steps, and is protected, if the template says so;
- AWS::EMRServerless::Application is a resource;
- a failed step has FailureDetails.
Types that moto does not model at all (test_up.py lists them) are only checked by cfn-lint and over the template.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode.cfn_yaml import load  # type: ignore[import-untyped]
from moto.backends import get_backend
from moto.cloudformation import parsing
from moto.core.common_models import CloudFormationModel
from moto.emr.models import Cluster, Step
from moto.emr.responses import ElasticMapReduceResponse
from moto.kms.models import Key

import bootstrap.emr
from tests.aws import REGION

ACCOUNT = "123456789012"
TEMPLATE = Path(bootstrap.emr.__file__).with_name("stack.yaml")
_SERVICES = ("cloudformation", "emr", "emr-serverless", "ec2", "kms", "iam", "s3")


def resources() -> dict[str, dict[str, Any]]:
    """Those of the template, by name; `!Ref x` is {"Ref": "x"}."""
    found: dict[str, dict[str, Any]] = load(str(TEMPLATE))["Resources"]
    return found


def forget_stacks() -> None:
    """AWS with nothing in it."""
    for service in _SERVICES:
        for backend in get_backend(service)[ACCOUNT].values():  # type: ignore[call-overload]
            backend.reset()


def the_step() -> Step:
    """The newest step of the newest cluster, to be driven by a test."""
    clusters = get_backend("emr")[ACCOUNT][REGION].clusters
    step: Step = list(clusters.values())[-1].steps[-1]
    return step


def fill_gaps(patch: pytest.MonkeyPatch) -> None:
    def key_tags(properties: dict[str, Any]) -> None:
        tags = properties.get("Tags", [])
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
    known = parsing.get_model_map()
    patch.setitem(known, "AWS::EMRServerless::Application", _Application)


_diff = parsing.ResourceMap.build_resource_diff


def _diff_with_conditions(resources: Any, template: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """moto's difference between two templates, and what comes and goes by its condition."""
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
    """Names of the resources that are there because their condition holds."""
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
    """AWS::EMRServerless::Application over moto's own EMR Serverless."""

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
    ) -> _Application:
        properties = cloudformation_json["Properties"]
        nothing: Any = None  # moto's own defaults, which it types otherwise
        made = get_backend("emr-serverless")[account_id][region_name].create_application(
            name=properties["Name"],
            release_label="emr-6.6.0",  # moto knows no other line
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
        backend = get_backend("emr-serverless")[account_id][region_name]
        backend.stop_application(resource_name)
        backend.delete_application(resource_name)
