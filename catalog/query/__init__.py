"""Ask the lake: the same SQL on Athena, and on DuckDB where there is no AWS.

    queries/*.sql ──named.py──▶ SQL and its parameters ──text.py──▶ one SELECT ─┬─athena.py──▶ Athena ─▶ Answer
                                                                                └─duck.py────▶ DuckDB ─▶ Answer

answer.py  what came back, and what it cost
price.py   what Athena asks for a query
sync.py    stores the files as Athena's named queries

The SQL is Athena's (Trino). Tables are named by layer, `gold.fruit_vectors`. A value is never put into the text: it
takes the place of a question mark when the query runs.
"""
