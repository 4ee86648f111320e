"""Store the queries of catalog/queries as named queries in Athena, for its console.

Only named queries with the lake's database and one of our names are touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from catalog.query.athena import told
from catalog.query.named import named_queries
from catalog.query.text import for_athena

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient
    from mypy_boto3_athena.type_defs import NamedQueryTypeDef

Done = Literal["created", "updated", "unchanged"]
_PER_CALL = 50  # limit of BatchGetNamedQuery


def sync_queries(client: AthenaClient, prefix: str, workgroup: str) -> dict[str, Done]:
    """Create or update the stored queries. Returns created, updated or unchanged by name in Athena.

    Raises QueryError if there is no such workgroup, or no permission.
    """
    home = f"{prefix}_gold"
    with told(workgroup):
        stored = {q["Name"]: q for q in _stored(client, workgroup) if q["Database"] == home}
        done: dict[str, Done] = {}
        for query in named_queries():
            name, sql = f"{prefix}_{query.name}", for_athena(query.sql, prefix)
            old = stored.get(name)
            if old is None:
                client.create_named_query(
                    Name=name, Description=query.answers, Database=home, QueryString=sql, WorkGroup=workgroup
                )
                done[name] = "created"
            elif (old["QueryString"], old.get("Description")) != (sql, query.answers):
                client.update_named_query(
                    NamedQueryId=old["NamedQueryId"], Name=name, Description=query.answers, QueryString=sql
                )
                done[name] = "updated"
            else:
                done[name] = "unchanged"
        return done


def _stored(client: AthenaClient, workgroup: str) -> Iterator[NamedQueryTypeDef]:
    pages = client.get_paginator("list_named_queries").paginate(WorkGroup=workgroup)
    ids = [id_ for page in pages for id_ in page["NamedQueryIds"]]
    for start in range(0, len(ids), _PER_CALL):
        yield from client.batch_get_named_query(NamedQueryIds=ids[start : start + _PER_CALL])["NamedQueries"]
