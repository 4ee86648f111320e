"""`fruitlake query`: asking the lake, on Athena or on this machine.

a lake in S3 ──▶ Athena        a local lake, or --engine duckdb ──▶ DuckDB        neither starts Spark
rows go to stdout or a file; how long it took and what it cost go to stderr
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bootstrap import settings as settings_module
from bootstrap.answers import Format, deliver, format_of
from bootstrap.lakes import open_catalog, open_published
from bootstrap.settings import Settings
from catalog.errors import QueryError, SettingsError
from catalog.location import check_bucket
from catalog.query.answer import Answer, Engine
from catalog.query.named import NamedQuery, named_queries, named_query
from catalog.storage import is_remote

console = Console()
aside = Console(stderr=True)

_DIGITS = 64  # of a whole image_id
_BY_START = "select image_id from gold.fruit_vectors where starts_with(image_id, ?) order by image_id limit 2"


class EngineName(StrEnum):
    athena = "athena"
    duckdb = "duckdb"


def _help(name: str) -> str:
    field = Settings.model_fields[name]
    return f"{field.description}" + (f" [dim](default: {field.default})[/]" if field.default else "")


LakeOption = Annotated[str | None, typer.Option("--lake", metavar="URI", help=_help("lake"))]
PrefixOption = Annotated[str | None, typer.Option("--database-prefix", metavar="PREFIX", help=_help("database_prefix"))]
WorkgroupOption = Annotated[str | None, typer.Option("--workgroup", metavar="NAME", help=_help("workgroup"))]


def query(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="one of the queries; none lists them")] = None,
    sql: Annotated[str | None, typer.Option("--sql", metavar="SELECT", help="your own, in Athena's SQL")] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="NAME=VALUE", help="a parameter; with --sql, in the question marks' order"),
    ] = None,
    image_id: Annotated[
        str | None, typer.Option("--image-id", metavar="ID", help="the photo, or the first digits of its id")
    ] = None,
    label: Annotated[str | None, typer.Option("--label", metavar="LABEL", help="only this variety")] = None,
    form: Annotated[
        Format | None, typer.Option("--format", help="what to make of the rows [dim](default: table)[/]")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="where to; .csv and .parquet say the format")
    ] = None,
    lake: LakeOption = None,
    engine: Annotated[
        EngineName | None, typer.Option("--engine", help="who answers; else Athena for a lake in S3, DuckDB for others")
    ] = None,
    workgroup: WorkgroupOption = None,
    output_location: Annotated[
        str | None, typer.Option("--output-location", metavar="S3URI", help=_help("output_location"))
    ] = None,
    database_prefix: PrefixOption = None,
) -> None:
    """Ask the lake: a query that comes with it, or your own. Without a name, list them. Starts no Spark.

    Tables are named by layer: gold.fruit_vectors. A lake in S3 is asked through Athena, whose price for the query is
    shown; a local one through DuckDB, which gets the same SQL, translated.

    Examples: fruitlake query nearest --image-id 1c0527a85c66 ·
    fruitlake query --sql "select count(*) from gold.fruit_vectors where label = ?" --param label=Kiwi
    """
    if name is None and sql is None:
        console.print(_listing())
        return
    if name is not None and sql is not None:
        raise QueryError(f"'{name}' and --sql are two questions: ask one at a time")
    format_ = format_of(form, output)
    settings = settings_module.load(
        lake=lake, workgroup=workgroup, output_location=output_location, database_prefix=database_prefix
    )
    given = _given(param or [], image_id=image_id, label=label)
    asked = named_query(name) if name is not None else None
    values = asked.values(given) if asked else list(given.values())
    try:
        with aside.status("asking") as status:
            chosen = engine_of(settings, engine, status.update)
            if asked and "image_id" in given:
                values = asked.values(given | {"image_id": _whole_id(given["image_id"], chosen)})
            answer = chosen.run(asked.sql if asked else str(sql), values)
            if asked and "image_id" in given and not answer.rows.num_rows:
                raise QueryError(f"gold has no photo {values[0]}, or no other: `fruitlake query outliers` shows some")
    except KeyboardInterrupt:
        aside.print("the query was cancelled")
        raise
    deliver(answer, format_, output, console)
    aside.print(_told(answer, output), highlight=False, soft_wrap=True)


def engine_of(settings: Settings, asked: EngineName | None, progress: Callable[[str], None]) -> Engine:
    """Who answers.

    Raises SettingsError if Athena is asked for a lake that it cannot see, or to write where it cannot; CatalogError if
    there is no such lake: Athena knows databases by name, and would answer from another lake's.
    """
    remote = is_remote(settings.lake)
    if asked is EngineName.athena and not remote:
        raise SettingsError(
            f"Athena reads lakes in S3, '{settings.lake}' is not: leave --engine out, or give --lake s3://…"
        )
    if asked is EngineName.duckdb or not remote:
        from catalog.query.duck import DuckDB

        return DuckDB(open_catalog(settings))
    if settings.output_location and not is_remote(settings.output_location):
        raise SettingsError(
            f"--output-location cannot be '{settings.output_location}': Athena writes to S3, give s3://bucket/folder"
        )
    check_bucket(settings.output_location or settings.lake, settings.regions)  # what it writes holds labels and ids
    open_published(settings)
    from catalog import aws
    from catalog.query.athena import Athena

    return Athena(aws.athena(), settings.database_prefix, settings.workgroup, settings.output_location, progress)


def _given(params: Sequence[str], **options: str | None) -> dict[str, str]:
    """Parameters by name, in the order given. Raises QueryError for one without a value, and for one given twice."""
    given: dict[str, str] = {}
    for name, value in [*(_pair(p) for p in params), *((n, v) for n, v in options.items() if v is not None)]:
        if name in given:
            raise QueryError(f"the parameter {name} is given twice: give it once")
        given[name] = value
    return given


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise QueryError(f"--param takes NAME=VALUE, not '{text}'")
    return name, value


def _whole_id(start: str, engine: Engine) -> str:
    """The one image_id that starts so; tables show only its first digits.

    Raises QueryError if no photo's does, or more than one.
    """
    digits = start.removesuffix("…").lower()
    if len(digits) == _DIGITS:
        return digits
    found: list[str] = engine.run(_BY_START, [digits]).rows["image_id"].to_pylist() if digits else []
    if not found:
        raise QueryError(
            f"no photo in gold has an id that starts with '{digits}': `fruitlake query outliers` shows some"
        )
    if len(found) > 1:
        raise QueryError(f"several photos' ids start with '{digits}', {found[0]} and {found[1]} among them: give more")
    return found[0]


def _listing() -> Table:
    table = Table("query", "what it answers", "parameters")
    for one in named_queries():
        table.add_row(one.name, escape(one.answers), _parameters(one))
    return table


def _parameters(one: NamedQuery) -> str:
    return ", ".join(p.name if p.default is None else f"[dim]{p.name}[/]" for p in one.parameters)


def _told(answer: Answer, output: Path | None) -> str:
    rows = f"{answer.rows.num_rows:,} row{'s' if answer.rows.num_rows != 1 else ''}"
    to = f" in {output}" if output else ""
    return escape("; ".join([f"{rows}{to}, {answer.engine}, {answer.seconds:.2f} s", *answer.facts]))
