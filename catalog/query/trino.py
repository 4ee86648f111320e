"""Make DuckDB return Trino's results: macros for functions that differ, and errors for what has no equivalent.

sqlglot renames functions and translates syntax; this module handles differences in values. `to_duckdb` rewrites a typed
query, innermost expressions first. DuckDB itself rejects functions unknown to both. The tests compare with the results
in Trino's documentation.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sqlglot import exp

from catalog.errors import QueryError

MACROS = """
CREATE MACRO trino_substr(x, start) AS
    CASE WHEN start = 0 OR start < -length(x) THEN CASE WHEN x IS NOT NULL THEN '' END ELSE substr(x, start) END,
  (x, start, n) AS
    CASE WHEN start = 0 OR start < -length(x) OR n <= 0
      THEN CASE WHEN x IS NOT NULL AND start IS NOT NULL AND n IS NOT NULL THEN '' END
      ELSE substr(x, start, n) END;
CREATE MACRO trino_split_part(x, delimiter, n) AS
    CASE WHEN n <= len(string_split(x, delimiter)) THEN split_part(x, delimiter, n) END;
CREATE MACRO trino_regexp_extract(x, pattern, g) AS
    CASE WHEN regexp_matches(x, pattern) THEN regexp_extract(x, pattern, g) END;
CREATE MACRO trino_bucket(x, low, high, n) AS
    CASE WHEN x < low THEN 0 WHEN x >= high THEN n + 1
      ELSE CAST(floor(n * (x - low) / (high - low) + 1) AS BIGINT) END;
CREATE MACRO trino_width_bucket(x, bins) AS
    CASE WHEN x IS NULL OR bins IS NULL THEN NULL
      WHEN isnan(CAST(x AS DOUBLE)) OR len(bins) = 0 OR bins <> list_sort(bins)
        THEN error('width_bucket takes a number and bins in ascending order')
      ELSE len(list_filter(bins, lambda bin : bin <= x)) END,
  (x, low, high, n) AS
    CASE WHEN x IS NULL OR low IS NULL OR high IS NULL OR n IS NULL THEN NULL
      WHEN n <= 0 OR low = high OR isnan(CAST(x AS DOUBLE)) OR NOT isfinite(CAST(low AS DOUBLE))
          OR NOT isfinite(CAST(high AS DOUBLE))
        THEN error('width_bucket takes a number, two finite bounds that differ, and a count above 0')
      WHEN low < high THEN trino_bucket(CAST(x AS DOUBLE), CAST(low AS DOUBLE), CAST(high AS DOUBLE), n)
      ELSE n + 1 - trino_bucket(CAST(x AS DOUBLE), CAST(high AS DOUBLE), CAST(low AS DOUBLE), n) END;
CREATE MACRO trino_any(truths) AS
    CASE WHEN list_contains(truths, true) THEN true WHEN list_count(truths) = len(truths) THEN false END;
CREATE MACRO trino_all(truths) AS
    CASE WHEN list_contains(truths, false) THEN false WHEN list_count(truths) = len(truths) THEN true END;
CREATE MACRO trino_contains(a, x) AS
    CASE WHEN list_contains(a, x) THEN true WHEN x IS NOT NULL AND list_count(a) = len(a) THEN false END;
CREATE MACRO trino_array_position(a, x) AS
    CASE WHEN a IS NOT NULL AND x IS NOT NULL THEN coalesce(list_position(a, x), 0) END;
CREATE MACRO trino_array_max(a) AS CASE WHEN list_count(a) = len(a) THEN list_max(a) END;
CREATE MACRO trino_array_min(a) AS CASE WHEN list_count(a) = len(a) THEN list_min(a) END;
CREATE MACRO trino_sequence(first, last) AS
    generate_series(first, last, CASE WHEN first <= last THEN 1 ELSE -1 END);
CREATE MACRO trino_slice(a, start, n) AS
    CASE WHEN start = 0 OR n < 0 THEN error('slice counts from 1 or from -1, and takes no negative length')
      WHEN start > 0 THEN list_slice(a, start, start + n - 1)
      WHEN start >= -len(a) THEN list_slice(a, len(a) + start + 1, len(a) + start + n)
      WHEN a IS NOT NULL THEN list_slice(a, 1, 0) END;
CREATE MACRO trino_map_agg(key, value) AS
    map_from_entries(list_filter(
      list({'k': key, 'v': value}) FILTER (WHERE key IS NOT NULL),
      lambda entry, i : list_position(list(key) FILTER (WHERE key IS NOT NULL), entry.k) = i));
"""
_MACROS: dict[type[exp.Expr], tuple[str, tuple[str, ...]]] = {  # sqlglot's function → our macro and its arguments
    exp.ArrayContains: ("trino_contains", ("this", "expression")),
    exp.ArrayMax: ("trino_array_max", ("this",)),
    exp.ArrayMin: ("trino_array_min", ("this",)),
    exp.ArrayPosition: ("trino_array_position", ("this", "expression")),
    exp.ArraySize: ("cardinality", ("this",)),  # also works on maps
    exp.ArraySlice: ("trino_slice", ("this", "start", "end")),
    exp.RegexpExtract: ("trino_regexp_extract", ("this", "expression", "group")),
    exp.SplitPart: ("trino_split_part", ("this", "delimiter", "part_index")),
    exp.Substring: ("trino_substr", ("this", "start", "length")),
    exp.WidthBucket: ("trino_width_bucket", ("this", "min_value", "max_value", "num_buckets")),
}
_MATCHES = {"any_match": "trino_any", "all_match": "trino_all", "none_match": "trino_any"}
_REFUSED = ("entropy", "to_base")
_WHOLE, _FLOAT, _TEXT = exp.DataType.INTEGER_TYPES, exp.DataType.FLOAT_TYPES, exp.DataType.TEXT_TYPES
_BYTES = (exp.DataType.Type.BINARY, exp.DataType.Type.VARBINARY)


def to_duckdb(query: exp.Expr) -> exp.Expr:
    """Rewrite the query so that DuckDB returns Trino's results. Raises QueryError if that is impossible."""
    for node in reversed(list(query.walk())):  # children before their parents
        new = _rewritten(node)
        if new is not node:
            new.type = new.type or node.type
            query = new if node is query else query
            node.replace(new)
    return query


def _rewritten(node: exp.Expr) -> exp.Expr:
    if macro := _MACROS.get(type(node)):
        name, arguments = macro
        return _call(name, *(node.args.get(a) for a in arguments))
    _check_has_an_equal(node)
    rewrite = next((_REWRITES[kind] for kind in type(node).__mro__ if kind in _REWRITES), None)  # TryCast is a Cast
    return rewrite(node) if rewrite else node


def _check_has_an_equal(node: exp.Expr) -> None:
    """Raise QueryError for expressions that DuckDB would evaluate differently, or not at all."""
    match node:
        case exp.Div() if _is_decimal(node.left, node.right):
            raise _only_athena("it divides decimals to few digits (1.0 / 3 is 0.3): write 1e0 for a double")
        case exp.Split() if node.args.get("limit"):
            raise _only_athena("split with a limit")
        case exp.AtTimeZone() if not node.this.is_type("timestamptz"):
            raise _only_athena("AT TIME ZONE of a time that has no zone")
        case exp.Format() | exp.Typeof():
            raise _only_athena(node.sql("athena"))


def _reduce(node: exp.Expr) -> exp.Expr:
    if _does_nothing(node.args.get("finish")):
        node.set("finish", None)  # DuckDB has no such argument
    return node


def _sequence(node: Any) -> exp.Expr:
    return node if node.args.get("step") else _call("trino_sequence", node.args["start"], node.args["end"])


def _arg_extreme(node: Any) -> exp.Expr:
    """max_by and min_by, which also return nulls, unlike DuckDB's arg_max and arg_min."""
    name = "arg_max_null" if isinstance(node, exp.ArgMax) else "arg_min_null"
    return node if node.args.get("count") else _call(name, node.this, node.expression)


def _length(node: Any) -> exp.Expr:
    return exp.ByteLength(this=node.this) if node.this.is_type(*_BYTES) else node


def _reverse(node: Any) -> exp.Expr:
    return node if node.this.is_type(*_TEXT) else _call("list_reverse", node.this)


def _date_diff(node: Any) -> exp.Expr:
    """date_diff, which counts complete units; DuckDB's counts boundaries between units."""
    return _call("datesub", exp.Literal.string(node.text("unit") or "day"), node.expression, node.this)


def _extract(node: exp.Expr) -> exp.Expr:
    if node.name.upper() in ("DOW", "DAY_OF_WEEK"):
        node.set("this", exp.var("isodow"))  # Sunday is 7, not 0
    return node


def _of_date(node: Any) -> exp.Expr:
    """A date plus or minus an interval, which is a date; in DuckDB it is a timestamp."""
    shifts = not isinstance(node, exp.Sub) or isinstance(node.expression, exp.Interval)
    return exp.cast(node.copy(), "date") if node.this.is_type("date") and shifts else node


def _function(node: exp.Anonymous) -> exp.Expr:
    """A function that has no class in sqlglot."""
    name, arguments = node.name.lower(), node.expressions
    if name in _REFUSED:
        raise _only_athena(name)
    if name == "map_agg":
        return _call("trino_map_agg", *arguments)
    if name in _MATCHES and len(arguments) == 2:
        matches = _call(_MATCHES[name], exp.Transform(this=arguments[0], expression=arguments[1]))
        return exp.not_(matches) if name == "none_match" else matches
    if name == "zip_with" and len(arguments) == 3:
        return _zip_with(*arguments)
    return node


def _cast(node: exp.Cast) -> exp.Expr:
    if node.to.is_type(*_WHOLE) and node.this.is_type(*_FLOAT):
        node.set("this", exp.Round(this=node.this))  # 2.5 to 3; DuckDB would round half to even
    elif node.to.is_type(*_TEXT) and node.this.is_type(*_FLOAT):
        raise _only_athena("a double as text (1.5 is '1.5E0' there): cast it to decimal(18, 6) first")
    elif node.to.is_type("varchar") and node.to.expressions:
        return _call("left", exp.cast(node.this, "varchar"), node.to.expressions[0].this)
    return node


def _zip_with(left: exp.Expr, right: exp.Expr, both: exp.Expr) -> exp.Expr:
    """zip_with as a transform of list_zip, whose pairs hold the lambda's two arguments."""
    pair = exp.to_identifier("pair")
    elements = {
        name.name: exp.Bracket(this=pair.copy(), expressions=[exp.Literal.number(index)])
        for index, name in enumerate(both.expressions)  # sqlglot counts from 0 in every dialect
    }
    body = both.this.transform(lambda e: elements[e.name].copy() if _is_any_of(e, elements) else e)
    zipped = exp.Anonymous(this="list_zip", expressions=[left, right])
    return exp.Transform(this=zipped, expression=exp.Lambda(this=body, expressions=[pair]))


def _regexp_replace(node: exp.RegexpReplace) -> exp.Expr:
    r"""regexp_replace with groups: $1 is \1 in DuckDB."""
    new = node.args.get("replacement")
    if new is None or not new.is_string:
        raise _only_athena("regexp_replace by anything but a literal text")
    groups = re.sub(r"\$(\d)", r"\\\1", new.name.replace("\\$", "\0")).replace("\0", "$")
    node.set("replacement", exp.Literal.string(groups))
    return node


def _is_decimal(*sides: exp.Expr) -> bool:
    """Whether a side is a decimal, such as 1.0, and none is a double or of unknown type."""
    literal = [s.unnest().is_number and "." in s.unnest().name and "e" not in s.unnest().name.lower() for s in sides]
    decimal = [is_literal or s.is_type("decimal") for is_literal, s in zip(literal, sides, strict=True)]
    return any(decimal) and all(d or s.is_type(*_WHOLE) for d, s in zip(decimal, sides, strict=True))


def _does_nothing(function: exp.Expr | None) -> bool:
    return isinstance(function, exp.Lambda) and [function.this] == function.expressions


def _is_any_of(node: exp.Expr, names: dict[str, exp.Bracket]) -> bool:
    """Whether the node is a lambda's argument and not the name of a column, such as x in `t.x`."""
    return isinstance(node, exp.Identifier) and node.name in names and not isinstance(node.parent, exp.Column)


def _call(name: str, *arguments: exp.Expr | None) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=[a for a in arguments if a is not None])


def _only_athena(what: str) -> QueryError:
    return QueryError(f"DuckDB cannot run this, only Athena: {what}")


_REWRITES: dict[type[exp.Expr], Callable[[Any], exp.Expr]] = {
    exp.Anonymous: _function,
    exp.Cast: _cast,
    exp.Reduce: _reduce,
    exp.GenerateSeries: _sequence,
    exp.ArgMax: _arg_extreme,
    exp.ArgMin: _arg_extreme,
    exp.Length: _length,
    exp.Reverse: _reverse,
    exp.DateDiff: _date_diff,
    exp.Extract: _extract,
    **dict.fromkeys((exp.DateAdd, exp.DateSub, exp.DateTrunc, exp.Add, exp.Sub), _of_date),
    exp.RegexpReplace: _regexp_replace,
}
