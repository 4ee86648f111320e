"""Store the queries of catalog/queries as named queries in Athena, for its console.

Only named queries with the lake's database and one of our names are touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from catalog.query.athena import told
from catalog.query.named import named_queries
from catalog.query.text import for_athena

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient
    from mypy_boto3_athena.type_defs import NamedQueryTypeDef


def sync_queries(client: AthenaClient, prefix: str, workgroup: str) -> dict[str, str]:
    """Create or update the stored queries. Returns created, updated or unchanged by name in Athena.

    Raises QueryError if there is no such workgroup, or no permission.
    """
    home = f"{prefix}_gold"
    done: dict[str, str] = {}
    with told(workgroup):
        stored = {q["Name"]: q for q in _stored(client, workgroup) if q["Database"] == home}
        for query in named_queries():
            name, sql = f"{prefix}_{query.name}", for_athena(query.sql, prefix)
            new, old = {"Name": name, "Description": query.answers, "QueryString": sql}, stored.get(name)
            if old is None:
                client.create_named_query(**new, Database=home, WorkGroup=workgroup)
                done[name] = "created"
            elif (old["QueryString"], old.get("Description")) != (sql, query.answers):
                client.update_named_query(**new, NamedQueryId=old["NamedQueryId"])
                done[name] = "updated"
            else:
                done[name] = "unchanged"
    return done


def _stored(client: AthenaClient, workgroup: str) -> Iterator[NamedQueryTypeDef]:
    pages = client.get_paginator("list_named_queries").paginate(
        WorkGroup=workgroup,
        PaginationConfig={"PageSize": 50},  # as many as BatchGetNamedQuery takes
    )
    for page in pages:
        if ids := page["NamedQueryIds"]:
            yield from client.batch_get_named_query(NamedQueryIds=ids)["NamedQueries"]
