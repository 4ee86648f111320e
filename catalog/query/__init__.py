"""Queries: the same SQL runs on Athena, or on DuckDB for a local lake.

    queries/*.sql ──named.py──▶ SQL and its parameters ──text.py──▶ one SELECT ─┬─athena.py──▶ Athena ─▶ Answer
                                                                                └─duck.py────▶ DuckDB ─▶ Answer

as_of.py   resolves --as-of to a time, and to each table's snapshot at that time
trino.py   gives functions in DuckDB the results they have in Trino, with the macros of trino.sql
answer.py  rows, time and cost of a query; output.py writes them
sync.py    stores the files as Athena's named queries

The SQL is Athena's (Trino). Tables are named by layer, `gold.fruit_vectors`, or as in the catalog,
`fruits_gold.fruit_vectors`. Values are never inserted into the text: they are parameters, written as question marks.
"""
