"""The CloudFormation template for tests: as written, and with its parameters and conditions resolved."""

import re
from pathlib import Path
from typing import Any

from cfnlint.decode.cfn_yaml import load  # type: ignore[import-untyped]

import bootstrap.emr
from tests.aws import REGION

ACCOUNT = "123456789012"
TEMPLATE = Path(bootstrap.emr.__file__).with_name("stack.yaml")
_NOTHING = object()  # AWS::NoValue


def resources() -> dict[str, dict[str, Any]]:
    """The template's resources, by name; `!Ref x` is {"Ref": "x"}."""
    found: dict[str, dict[str, Any]] = load(str(TEMPLATE))["Resources"]
    return found


def rendered(**parameters: str) -> dict[str, dict[str, Any]]:  # noqa: C901  # one closure per intrinsic function
    """The template's resources as CloudFormation would create them, for a stack `fruitlake` with these parameters.

    A resource's Ref is its name, unless AWS derives it from the template; its Arn has the form for its type.
    """
    template = load(str(TEMPLATE))
    values: dict[str, Any] = {name: rule["Default"] for name, rule in template["Parameters"].items()} | parameters
    values |= {"AWS::StackName": "fruitlake", "AWS::AccountId": ACCOUNT, "AWS::Region": REGION, "AWS::Partition": "aws"}
    values |= {"Bucket": f"fruitlake-{ACCOUNT}-{REGION}", "Workgroup": "fruitlake"}
    arns = {"AWS::KMS::Key": f"kms:{REGION}:{ACCOUNT}:key/", "AWS::IAM::Role": f"iam::{ACCOUNT}:role/"}
    arns |= {"AWS::SQS::Queue": f"sqs:{REGION}:{ACCOUNT}:", "AWS::Events::Rule": f"events:{REGION}:{ACCOUNT}:rule/"}

    def arn(name: str) -> str:
        kind = template["Resources"][name]["Type"]
        return f"arn:aws:s3:::{values[name]}" if kind == "AWS::S3::Bucket" else f"arn:aws:{arns[kind]}{name}"

    def text(found: re.Match[str]) -> str:
        name = found[1]
        return arn(name.removesuffix(".Arn")) if name.endswith(".Arn") else str(values.get(name, name))

    def holds(condition: Any) -> bool:
        if isinstance(condition, str):
            return holds(template["Conditions"][condition])
        ((function, given),) = condition.items()
        if function == "Fn::And":
            return all(map(holds, given))
        if function == "Fn::Not":
            return not holds(given[0])
        if function == "Fn::Equals":
            return len({str(render(g)) for g in given}) == 1
        raise NotImplementedError(function)

    def render(value: Any) -> Any:  # noqa: PLR0911  # one return per intrinsic function
        if isinstance(value, list):
            return [made for v in value if (made := render(v)) is not _NOTHING]
        if not isinstance(value, dict):
            return value
        given: Any
        function, given = next(iter(value.items())) if len(value) == 1 else ("", None)
        if function == "Ref":
            return _NOTHING if given == "AWS::NoValue" else values.get(given, given)
        if function == "Fn::GetAtt":
            return arn(given[0]) if given[1] == "Arn" else f"{given[0]}.{given[1]}"
        if function == "Fn::Sub":
            return re.sub(r"\$\{([\w:.]+)\}", text, given)
        if function == "Fn::If":
            return render(given[1] if holds(given[0]) else given[2])
        return {key: made for key, v in value.items() if (made := render(v)) is not _NOTHING}

    there = {n: r for n, r in template["Resources"].items() if "Condition" not in r or holds(r["Condition"])}
    return {name: render(r.get("Properties", {})) | {"Type": r["Type"]} for name, r in there.items()}
