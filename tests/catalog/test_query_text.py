"""SQL as text: which statements are allowed, how tables are named for Athena, and how query files are described."""

import pytest
import sqlglot
from sqlglot import exp

from catalog.errors import QueryError
from catalog.query.athena import cost, literal, price
from catalog.query.named import NamedQuery, named_queries, named_query
from catalog.query.text import for_athena, parse
from catalog.tables import TABLES


@pytest.mark.parametrize("query", named_queries(), ids=lambda q: q.name)
def test_a_file_says_what_it_answers_its_grain_and_its_parameters(query: NamedQuery) -> None:
    first, grain, parameters = query.sql.splitlines()[:3]
    assert first == f"-- {query.answers}"
    assert first.endswith(".")
    assert grain.startswith("-- Grain: one row per ")
    assert parameters.startswith("-- Parameters")
    assert query.sql.count("?") == len(query.parameters), "Athena's console may count those in comments"
    parsed = parse(query.sql, [""] * len(query.parameters))
    named = {f"{t.db}.{t.name}" for t in parsed.find_all(exp.Table) if t.db}
    assert named
    assert named <= set(TABLES)
    for mark in parsed.find_all(exp.Placeholder):
        assert mark.find_ancestor(exp.Where), "Athena only accepts question marks in WHERE"


@pytest.mark.parametrize("query", named_queries(), ids=lambda q: q.name)
def test_athena_gets_the_same_text_with_its_own_names(query: NamedQuery) -> None:
    text = for_athena(query.sql, "my_lake")
    assert text.replace("my_lake_", "") == query.sql
    tables = {f"{t.db}.{t.name}" for t in sqlglot.parse_one(text, read="athena").find_all(exp.Table) if t.db}
    assert tables
    assert all(t.startswith("my_lake_") for t in tables)


def test_only_names_of_the_lake_s_tables_change() -> None:
    sql = """select gold.label, 'gold.pca' as "gold.pca" -- gold.pca
        from "GOLD"."pca" as gold join silver.image_features on gold.pca_id = 'é' join other.pca on true"""
    assert for_athena(sql, "f") == sql.replace('"GOLD"."pca"', 'f_gold."pca"').replace("silver.", "f_silver.")


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("", "one SELECT"),
        ("drop table gold.pca", "only reads"),
        ("select 1; select 2", "one SELECT"),
        ("select 1; drop table gold.pca", "only reads"),
        ("create table x as select 1", "only reads"),
        ("insert into gold.pca select * from gold.pca", "only reads"),
        ("show tables", "only reads"),
        ("select from where", "not SQL that Athena takes"),
        ("select * from gold.pca where k = ?", "1 question marks and was given 0"),
    ],
)
def test_what_is_no_question_is_refused(sql: str, says: str) -> None:
    with pytest.raises(QueryError, match=says):
        parse(sql)


def test_parameters_come_in_the_order_of_the_question_marks() -> None:
    assert named_query("photos-per-label") == named_query("photos_per_label")
    assert named_query("nearest").values({"image_id": "a"}) == ["a"]
    assert named_query("outliers").values({}) == [""]
    with pytest.raises(QueryError, match=r"needs image_id.*--image-id"):
        named_query("nearest").values({})
    with pytest.raises(QueryError, match="no parameter 'label': it takes image_id"):
        named_query("nearest").values({"image_id": "a", "label": "b"})
    with pytest.raises(QueryError, match="no query 'closest': choose one of explained_variance"):
        named_query("closest")


@pytest.mark.parametrize("text", ["", "Kiwi", "Pêche d'été", "' or 1 = 1 --", "''", "?"])
def test_a_value_stays_one_literal(text: str) -> None:
    parsed = sqlglot.parse_one(f"select {literal(text)}", read="trino").expressions
    assert [(e.name, e.is_string) for e in parsed] == [(text, True)]


def test_the_price() -> None:
    assert cost(2**40) == 5.0
    assert cost(1) == cost(0) == pytest.approx(5 * 10 / 2**20)
    assert cost(10 * 2**20 + 1) == pytest.approx(5 * 11 / 2**20), "whole megabytes are billed"
    assert "3,400,000 bytes scanned, about $0.00005 ($5.00 a TB" in price(3_400_000, "us-east-1")
    assert "nowhere-1 may ask more" in price(0, "nowhere-1")
    assert "may ask" not in price(0, "us-east-1")
