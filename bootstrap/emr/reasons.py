"""Why AWS could not do it, with the next step: what people meet first, each known by AWS' own words."""

from __future__ import annotations

import re

_STEPS = (
    (
        r"insufficient.?(instance)?.?capacity|no capacity|not have sufficient .* capacity"
        r"|not supported in your requested",
        "this zone has no such machines now: try `--zone b`, or other instance types",
    ),
    (
        r"limit ?exceeded|exceeded.*(limit|quota)|(limit|quota).*exceeded|vcpu limit",
        "ask for a higher quota in the console under Service Quotas, or set a lower `--maximum-nodes`",
    ),
    (
        r"service.linked role.*spot",
        "Spot was never used in this account: run `aws iam create-service-linked-role --aws-service-name "
        "spot.amazonaws.com` once",
    ),
    (
        r"(service role|instance profile|role|profile).*(invalid|not exist|cannot be found|insufficient|assum)"
        r"|(invalid|no such).*(role|profile)|not authorized|access ?denied",
        "a role or permission is missing: deploy the stack with rights on IAM (`fruitlake emr up`), or have it granted",
    ),
    (r"already exists", "something of that name is there already: choose another `--stack`, or remove it"),
    (
        r"_in_progress state and can ?not be updated",
        "somebody, or a stopped command, is changing the stack: `fruitlake emr status` shows when it is done",
    ),
)


def explained(reason: str) -> str:
    """AWS' reason in a line, with what to do about it if that is known."""
    said = " ".join(reason.split()).rstrip(". ")[:400] or "AWS gave no reason"
    step = next((step for pattern, step in _STEPS if re.search(pattern, said, re.IGNORECASE)), None)
    return f"{said}: {step}" if step else said
