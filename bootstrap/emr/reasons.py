"""Add the next step to AWS' messages about common failures, which are recognized by their wording."""

from __future__ import annotations

import re

_SPOT = "aws iam create-service-linked-role --aws-service-name spot.amazonaws.com"
_STEPS = {  # the first match counts
    "exceed.*(limit|quota)|(limit|quota).*exceed|vcpu limit": "ask Service Quotas for more, see `fruitlake emr check`",
    "capacity|not supported in your requested": "this zone has no such machines: try `--zone b`, or `--instance`",
    "service.linked role.*spot": f"Spot was never used in this account: run `{_SPOT}` once",
    "already exists": "something of that name is there already: choose another `--stack`, or remove it",
    "role|profile|not authorized|access ?denied": "a role or permission is missing: have an administrator run this",
    "_in_progress state": "somebody, or a stopped command, is changing the stack: see `fruitlake emr status`",
}


def explained(reason: str) -> str:
    """AWS' reason in one line, with the next step if it is known."""
    said = " ".join(reason.split()).rstrip(". ")[:400] or "AWS gave no reason"
    step = next((step for pattern, step in _STEPS.items() if re.search(pattern, said, re.IGNORECASE)), None)
    return f"{said}: {step}" if step else said
