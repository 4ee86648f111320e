"""Convert Great Expectations' validation results to CheckResults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from expectations.check_result import CheckResult, Severity, in_words, key_in_words, short

if TYPE_CHECKING:
    from great_expectations.core import ExpectationValidationResult

_EXAMPLES = 5
_ABOUT_THE_BATCH = {"batch_id", "column", "column_A", "column_B", "column_list", "column_set"}


def check_result(result: ExpectationValidationResult) -> CheckResult:
    """Convert one validation result to a CheckResult."""
    configuration = result.expectation_config
    assert configuration is not None  # always set in a checkpoint's result
    kwargs = configuration.kwargs
    severity = cast(Severity, configuration.severity.value)  # checked by suite_file.py
    columns = [kwargs[name] for name in ("column", "column_A", "column_B") if name in kwargs]
    column = ", ".join(columns or kwargs.get("column_list", kwargs.get("column_set", []))) or None
    failed = _exception(result.exception_info)
    observed = f"no answer ({failed})" if failed else _observed(result.result, bool(result.success))
    examples = () if result.success else tuple(_examples(result.result))
    return CheckResult(
        configuration.type, severity, bool(result.success), observed, _expected(kwargs), column, examples[:_EXAMPLES]
    )


def _observed(result: Mapping[str, Any], success: bool) -> float | str:
    if "unexpected_count" in result:
        rows = f"{result['element_count']:,} rows"
        return rows if success and not result["unexpected_count"] else f"{result['unexpected_count']:,} of {rows}"
    value = result.get("observed_value")
    if value is None and "missing_count" in result:
        return f"{result['missing_count']:,} missing"
    if isinstance(value, list | dict):
        return f"{len(value):,} values" if isinstance(value, list) else str(value)
    if value is None:
        return "nothing"
    return int(value) if float(value).is_integer() else float(value)


def _expected(kwargs: Mapping[str, Any]) -> str:
    """Describe the arguments: `≤ 0.05`, `1`, `0.9 to 1.1`, `value set a, b`; `in every row` if there are none."""
    least, most = kwargs.get("min_value"), kwargs.get("max_value")
    words = []
    if least is not None and most is not None:
        words.append(in_words(least) if least == most else f"{in_words(least)} to {in_words(most)}")
    elif least is not None:
        words.append(f"≥ {in_words(least)}")
    elif most is not None:
        words.append(f"≤ {in_words(most)}")
    for name, value in kwargs.items():
        if name not in _ABOUT_THE_BATCH | {"min_value", "max_value"} and value is not None:
            words.append(f"{name.replace('_', ' ')} {_list(value) if isinstance(value, list) else value}")
    return ", ".join(words) or "in every row"


def _list(values: list[Any]) -> str:
    shown = ", ".join(short(v) for v in values[:_EXAMPLES])
    return shown if len(values) <= _EXAMPLES else f"{shown} and {len(values) - _EXAMPLES:,} more"


def _examples(result: Mapping[str, Any]) -> Iterable[str]:
    """Keys of unexpected rows or, if there are none, the missing and unexpected values."""
    if keys := result.get("partial_unexpected_index_list"):
        return map(key_in_words, keys)
    return map(short, [*(result.get("partial_missing_list") or []), *(result.get("partial_unexpected_list") or [])])


def _exception(info: Mapping[str, Any] | None) -> str | None:
    """Why an expectation could not be evaluated; GX reports this per metric or for the whole expectation."""
    for found in [info, *[v for v in (info or {}).values() if isinstance(v, dict)]]:
        if found and found.get("raised_exception"):
            return " ".join(str(found.get("exception_message")).split())
    return None
