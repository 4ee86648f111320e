"""Athena's SQL gives the same values on DuckDB as on Trino (compared in test_trino.py), or is refused."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from catalog.errors import QueryError
from catalog.lake import Lake, open_lake
from catalog.query.duck import DuckDB
from tests.lakes_by_hand import append

NULL = None
VALUES: dict[str, Any] = {
    # bytes and characters
    "length(to_utf8('é'))": 2,
    "length(cast('ab' as varbinary))": 2,
    "length(from_hex('AABBCC'))": 3,
    "length('é🍎')": 2,
    "substr('abc', 0)": "",
    "substr('abc', 0, 2)": "",
    "substr('abc', 2)": "bc",
    "substr('abc', 2, 1)": "b",
    "substr('abc', -2)": "bc",
    "substr('abc', -2, 1)": "b",
    "substr('abc', -4)": "",
    "substr('abc', 4)": "",
    "substr('abc', 2, -1)": "",
    "substr(cast(null as varchar), 0)": NULL,
    "substr('abc', cast(null as integer), 0)": NULL,
    "substring('abc' from 2 for 1)": "b",
    "substr(substr('abc', 0), 0)": "",
    "split_part('a,b', ',', 2)": "b",
    "split_part('a,b', ',', 3)": NULL,
    "regexp_extract('1a 2b', '(\\d+)([a-z]+)', 2)": "a",
    "regexp_extract('abc', '\\d')": NULL,
    "regexp_replace('1a 2b', '(\\d+)([ab])', '3c$2')": "3ca 3cb",
    "regexp_replace('1a 2b', '\\d', '\\$0')": "$0a $0b",
    "cast('abc' as varchar(2))": "ab",
    # numbers
    "7 / 2": 3,
    "-7 / 2": -3,
    "7 / 2e0": 3.5,
    "cast(2.5e0 as integer)": 3,
    "try_cast(-2.5e0 as bigint)": -3,
    "width_bucket(5.35e0, 0.024e0, 10.06e0, 5)": 3,
    "width_bucket(-1, 0, 10, 5)": 0,
    "width_bucket(0, 0, 10, 5)": 1,
    "width_bucket(10, 0, 10, 5)": 6,
    "width_bucket(1, 10, 0, 5)": 5,
    "width_bucket(10, 10, 0, 5)": 0,
    "width_bucket(11, 10, 0, 5)": 0,
    "width_bucket(-1, 10, 0, 5)": 6,
    "width_bucket(cast(null as double), 0, 10, 5)": NULL,
    "width_bucket(3, array[1, 2, 4])": 2,
    "width_bucket(4, array[1, 2, 4])": 3,
    "width_bucket(0, array[1, 2, 4])": 0,
    # arrays
    "any_match(array[1, 2], x -> x > 1)": True,
    "any_match(array[1, 2], x -> x > 2)": False,
    "any_match(cast(array[] as array(integer)), x -> x > 2)": False,
    "any_match(array[1, null], x -> x > 2)": NULL,
    "any_match(array[3, null], x -> x > 2)": True,
    "any_match(cast(null as array(integer)), x -> x > 2)": NULL,
    "any_match(array['abc'], x -> substr(x, 0) = '')": True,
    "all_match(array[1, 2], x -> x > 0)": True,
    "all_match(cast(array[] as array(integer)), x -> x > 2)": True,
    "all_match(array[1, null], x -> x > 0)": NULL,
    "all_match(array[1, null], x -> x > 1)": False,
    "none_match(array[1, 2], x -> x > 2)": True,
    "none_match(array[1, null], x -> x > 2)": NULL,
    "contains(array[1, 2], 2)": True,
    "contains(array[1, null], 2)": NULL,
    "contains(array[1], 2)": False,
    "array_position(array[1, 2], 9)": 0,
    "array_max(array[1, null])": NULL,
    "array_max(array[1, 3])": 3,
    "array_min(array[3, 1])": 1,
    "sequence(3, 1)": [3, 2, 1],
    "sequence(1, 5, 2)": [1, 3, 5],
    "slice(array[1, 2, 3, 4], 2, 2)": [2, 3],
    "slice(array[1, 2, 3, 4], -2, 2)": [3, 4],
    "slice(array[1, 2, 3, 4], -9, 2)": [],
    "reverse(array[1, 2])": [2, 1],
    "reverse('abc')": "cba",
    "element_at(array[1, 2], -1)": 2,
    "element_at(array[1, 2], 5)": NULL,
    "cardinality(array[1, 2])": 2,
    "reduce(array[1, 2], 0, (t, x) -> t + x, t -> t)": 3,
    "zip_with(array[1, 2], array[10, 20], (x, y) -> y - x)": [9, 18],
    "reduce(zip_with(array['abc'], array[1], (x, n) -> length(substr(x, 0))), 0, (t, x) -> t + x, t -> t)": 0,
    # maps
    "cardinality(map(array['a'], array[1]))": 1,
    "element_at(map(array['a'], array[1]), 'a')": 1,
    "element_at(map(array['a'], array[1]), 'b')": NULL,
    # times
    "date_diff('day', timestamp '2026-01-01 23:00:00', timestamp '2026-01-02 01:00:00')": 0,
    "date_diff('day', date '2026-01-01', date '2026-01-31')": 30,
    "date_diff('month', date '2026-01-31', date '2026-02-01')": 0,
    "date_diff('year', date '2025-12-31', date '2026-12-31')": 1,
    "date_add('month', 1, date '2026-01-31')": date(2026, 2, 28),
    "date '2026-01-31' + interval '1' day": date(2026, 2, 1),
    "date_trunc('month', date '2026-01-31')": date(2026, 1, 1),
    "date_trunc('hour', timestamp '2026-01-31 05:06:07 UTC')": datetime(2026, 1, 31, 5, tzinfo=UTC),
    "extract(dow from date '2026-01-04')": 7,
    "day_of_week(date '2026-01-04')": 7,
    "cast(timestamp '2026-01-01 23:30:00 UTC' at time zone 'Europe/Paris' as date)": date(2026, 1, 2),
}
ROWS = "(values ('a', 1), ('a', 2), ('b', 3), (null, 4), (null, 5)) as t (name, n)"
AGGREGATES: dict[str, Any] = {
    "map_agg(name, n)": [("a", 1), ("b", 3)],  # the first value of each key; null keys are skipped
    "element_at(map_agg(name, n), 'b')": 3,
    "cardinality(map_agg(name, n))": 2,
    "sum(n)": 15,
    "sum(n) / count(*)": 3,
    "sum(n) filter (where n > 2)": 12,
    "count_if(n > 2)": 3,
    "array_agg(n order by n desc)": [5, 4, 3, 2, 1],
    "max_by(name, n)": NULL,
    "max_by(name, n) filter (where n < 4)": "b",
    "min_by(name, n)": "a",
    "approx_distinct(name)": 2,
}
REFUSED: dict[str, str] = {
    "1.0 / 3": "only Athena: it divides decimals to few digits.*write 1e0",
    "cast(1.5e0 as varchar)": "only Athena: a double as text",
    "typeof(1)": "only Athena: TYPEOF",
    "format('%s', 1)": "only Athena: FORMAT",
    "split('a,b,c', ',', 2)": "only Athena: split with a limit",
    "to_base(255, 16)": "only Athena: to_base",
    "regexp_replace('a', 'a', x -> upper(x[1]))": "only Athena: regexp_replace by",
    "timestamp '2026-01-01 00:00:00' at time zone 'Europe/Paris'": "only Athena: AT TIME ZONE",
    "reduce(array[1], 0, (t, x) -> t + x, t -> t * 2)": "only Athena",
    "soundex('a')": "only Athena",
    "ngrams(array['a', 'b'], 2)": "ngrams does not exist",
    "cosine_similarity(array[1e0], array[1e0])": "cosine_similarity does not exist",
    "substr(to_utf8('abc'), 1)": "DuckDB: Binder Error",
    "width_bucket(1, 5, 5, 3)": "width_bucket takes a number, two finite bounds that differ",
    "width_bucket(1, 0, 5, 0)": "a count above 0",
    "width_bucket(1, array[2, 1])": "bins in ascending order",
}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    made = open_lake(str(tmp_path_factory.mktemp("lake")))
    append(made, "bronze.images", [{"image_id": "1", "content": b"\xff\xd8\x00\xe9", "label": "Fig"}])
    append(made, "gold.label_summary", [])
    return made


def value(lake: Lake, expression: str, source: str = "") -> Any:
    (found,) = DuckDB(lake).run(f"select {expression} as it {source}").rows["it"].to_pylist()
    return found


@pytest.mark.parametrize("expression", VALUES)
def test_the_value_is_trino_s(expression: str, lake: Lake) -> None:
    found, expected = value(lake, expression), VALUES[expression]
    assert (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize("expression", AGGREGATES)
def test_the_aggregate_is_trino_s(expression: str, lake: Lake) -> None:
    found, expected = value(lake, expression, f"from {ROWS}"), AGGREGATES[expression]
    assert (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize("expression", REFUSED)
def test_what_would_be_another_value_is_refused(expression: str, lake: Lake) -> None:
    with pytest.raises(QueryError, match=REFUSED[expression]):
        value(lake, expression)


def test_functions_take_the_lake_s_columns(lake: Lake, tmp_path: Path) -> None:
    source = "from bronze.images"
    assert value(lake, "length(content)", source) == 4
    assert value(lake, "length(label)", source) == 3
    assert value(lake, "map_agg(image_id, label)", "from fruits_bronze.images") == [("1", "Fig")]
    assert value(lake, "map_agg(label, photos)", "from gold.label_summary") is None, "an aggregate of no rows"
