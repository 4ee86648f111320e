"""Evaluate IAM policies like AWS, for the operators and forms that this project's policies use.

documents + action + resource + context ──▶ an explicit Deny wins, then a matching Allow; the default is no
"""

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

Statement = Mapping[str, Any]
_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda said, wanted: said == wanted,
    "StringLike": fnmatchcase,
    "ArnLike": fnmatchcase,
    "Bool": lambda said, wanted: said.lower() == wanted.lower(),
    "NumericLessThan": lambda said, wanted: float(said) < float(wanted),
}


def allows(
    documents: Iterable[Mapping[str, Any]], action: str, resource: str, principal: str = "", **context: str
) -> bool:
    """Whether these policy documents allow the action. principal: a service or ARN, for policies that name one;
    context: condition keys, with `__` for `:` and `_` for `-` (`aws__SourceAccount`, `s3__prefix`)."""
    said = {name.replace("__", ":").replace("_", "-").lower(): value for name, value in context.items()}
    effects = {
        statement["Effect"]
        for document in documents
        for statement in document["Statement"]
        if _matches(statement, action, resource, principal, said)
    }
    return effects == {"Allow"}


def _matches(statement: Statement, action: str, resource: str, principal: str, context: Mapping[str, str]) -> bool:
    return (
        any(fnmatchcase(action.lower(), pattern.lower()) for pattern in listed(statement["Action"]))
        and any(fnmatchcase(resource, pattern) for pattern in listed(statement["Resource"]))
        and _is_principal(statement.get("Principal"), principal)
        and all(
            _holds(operator, key, listed(wanted), context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def _is_principal(named: Any, principal: str) -> bool:
    if named is None or named == "*":
        return True
    return any(n in ("*", principal) for kind in named.values() for n in listed(kind))


def _holds(operator: str, key: str, wanted: list[Any], context: Mapping[str, str]) -> bool:
    said = context.get(key.lower())
    if operator == "Null":
        return (said is None) == (str(wanted[0]).lower() == "true")
    if operator.endswith("IfExists"):
        if said is None:
            return True
        operator = operator.removesuffix("IfExists")
    if operator == "StringNotEquals":
        return said not in wanted
    return said is not None and any(_OPERATORS[operator](said, str(value)) for value in wanted)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
