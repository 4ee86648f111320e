"""Make DuckDB return Trino's results: macros for functions that differ, and errors for what has no equivalent.

sqlglot renames functions and translates syntax; this module handles differences in values. DuckDB itself rejects
functions unknown to both. The tests compare with the results in Trino's documentation.
"""

import re
from importlib.resources import files

from sqlglot import exp

from catalog.errors import QueryError

MACROS = (files("catalog.query") / "trino.sql").read_text(encoding="utf-8")
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
    """Rewrite a typed query so that DuckDB returns Trino's results. Raises QueryError if that is impossible."""
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
    match node:
        case exp.Anonymous():
            return _function(node)
        case exp.Cast():
            return _cast(node)
        case exp.RegexpReplace():
            return _regexp_replace(node)
        case exp.Length() if node.this.is_type(*_BYTES):
            return exp.ByteLength(this=node.this)
    return _time(_array(node))


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


def _zip_with(left: exp.Expr, right: exp.Expr, both: exp.Expr) -> exp.Expr:
    """zip_with as a transform of list_zip, whose pairs hold the lambda's two arguments."""
    pair = exp.to_identifier("pair")
    elements = {
        name.name: exp.Bracket(this=pair.copy(), expressions=[exp.Literal.number(index)])
        for index, name in enumerate(both.expressions)  # sqlglot counts from 0 in every dialect
    }

    def element(node: exp.Expr) -> exp.Expr:
        argument = isinstance(node, exp.Identifier) and not isinstance(node.parent, exp.Column)  # not the x of `t.x`
        return elements[node.name].copy() if argument and node.name in elements else node

    zipped = exp.Anonymous(this="list_zip", expressions=[left, right])
    return exp.Transform(this=zipped, expression=exp.Lambda(this=both.this.transform(element), expressions=[pair]))


def _cast(node: exp.Cast) -> exp.Expr:
    if node.to.is_type(*_WHOLE) and node.this.is_type(*_FLOAT):
        node.set("this", exp.Round(this=node.this))  # 2.5 to 3; DuckDB would round half to even
    elif node.to.is_type(*_TEXT) and node.this.is_type(*_FLOAT):
        raise _only_athena("a double as text (1.5 is '1.5E0' there): cast it to decimal(18, 6) first")
    elif node.to.is_type("varchar") and node.to.expressions:
        return _call("left", exp.cast(node.this, "varchar"), node.to.expressions[0].this)
    return node


def _regexp_replace(node: exp.RegexpReplace) -> exp.Expr:
    r"""regexp_replace with groups: $1 is \1 in DuckDB."""
    new = node.args.get("replacement")
    if new is None or not new.is_string:
        raise _only_athena("regexp_replace by anything but a literal text")
    groups = re.sub(r"\$(\d)", r"\\\1", new.name.replace("\\$", "\0")).replace("\0", "$")
    node.set("replacement", exp.Literal.string(groups))
    return node


def _array(node: exp.Expr) -> exp.Expr:
    match node:
        case exp.GenerateSeries() if not node.args.get("step"):
            return _call("trino_sequence", node.args["start"], node.args["end"])
        case exp.Reverse() if not node.this.is_type(*_TEXT):
            return _call("list_reverse", node.this)
        case exp.ArgMax() | exp.ArgMin() if not node.args.get("count"):  # DuckDB's arg_max and arg_min skip nulls
            return _call("arg_max_null" if isinstance(node, exp.ArgMax) else "arg_min_null", node.this, node.expression)
        case exp.Reduce(args={"finish": exp.Lambda() as finish}) if [finish.this] == finish.expressions:
            node.set("finish", None)  # DuckDB has no such argument, and this one does nothing
    return node


def _time(node: exp.Expr) -> exp.Expr:
    match node:
        case exp.DateDiff():  # counts complete units; DuckDB's counts boundaries between units
            return _call("datesub", exp.Literal.string(node.text("unit") or "day"), node.expression, node.this)
        case exp.Extract() if node.name.upper() in ("DOW", "DAY_OF_WEEK"):
            node.set("this", exp.var("isodow"))  # Sunday is 7, not 0
        case exp.Sub() if not isinstance(node.expression, exp.Interval):
            return node
        case exp.DateAdd() | exp.DateSub() | exp.DateTrunc() | exp.Add() | exp.Sub() if node.this.is_type("date"):
            return exp.cast(node.copy(), "date")  # in DuckDB it is a timestamp
    return node


def _is_decimal(*sides: exp.Expr) -> bool:
    """Whether a side is a decimal, such as 1.0, and none is a double or of unknown type."""
    literal = [s.unnest().is_number and "." in s.unnest().name and "e" not in s.unnest().name.lower() for s in sides]
    decimal = [is_literal or s.is_type("decimal") for is_literal, s in zip(literal, sides, strict=True)]
    return any(decimal) and all(d or s.is_type(*_WHOLE) for d, s in zip(decimal, sides, strict=True))


def _call(name: str, *arguments: exp.Expr | None) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=[a for a in arguments if a is not None])


def _only_athena(what: str) -> QueryError:
    return QueryError(f"DuckDB cannot run this, only Athena: {what}")
