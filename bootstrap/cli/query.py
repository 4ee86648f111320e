"""`fruitlake query`: run a query on Athena or, with DuckDB, on this machine.

a lake in S3 ──▶ Athena        a local lake, or --engine duckdb ──▶ DuckDB        neither starts Spark
rows go to stdout or a file; time and cost go to stderr
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from bootstrap.cli.options import console, stderr, takes
from bootstrap.settings import Settings
from catalog.errors import QueryError, SettingsError
from catalog.query.answer import Answer
from catalog.query.as_of import moment_of
from catalog.query.named import named_queries, named_query
from catalog.query.output import Format, deliver, format_of
from catalog.storage import check_allowed

if TYPE_CHECKING:
    from catalog.query.athena import Athena
    from catalog.query.duck import DuckDB

_DIGITS = 64  # length of an image_id
_BY_START = "select image_id from gold.fruit_vectors where starts_with(image_id, ?) order by image_id limit 2"
EngineName = Literal["athena", "duckdb"]


@takes("lake workgroup output_location database_prefix")
def query(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="a query's name; without it, list them")] = None,
    sql: Annotated[str | None, typer.Option(metavar="SELECT", help="your own query, in Athena's SQL")] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="value of a parameter; with --sql, in the order of the question marks"),
    ] = None,
    image_id: Annotated[str | None, typer.Option(metavar="ID", help="the photo, or the first digits of its id")] = None,
    label: Annotated[str | None, typer.Option(metavar="LABEL", help="only this variety")] = None,
    form: Annotated[Format | None, typer.Option("--format", help="output format [dim](default: table)[/]")] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="write to this file; .csv and .parquet imply the format")
    ] = None,
    *,
    settings: Settings,
    engine: Annotated[
        EngineName | None, typer.Option(help="query engine; by default Athena for a lake in S3, DuckDB for others")
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            metavar="TIME|SNAPSHOT|RUN",
            help="read every table as of then; a time is ISO 8601, in UTC unless it has an offset",
        ),
    ] = None,
) -> None:
    """Run one of Fruitlake's queries, or your own SQL. Without a name, list the queries. Starts no Spark.

    Name tables by layer (gold.fruit_vectors) or by database (fruits_gold.fruit_vectors). Athena answers for a lake in
    S3, and its price is shown; DuckDB answers for a local lake, with the same SQL, translated.

    Examples: fruitlake query nearest --image-id 1c0527a85c66 ·
    fruitlake query --sql "select count(*) from gold.fruit_vectors where label = ?" --param label=Kiwi ·
    fruitlake query photos_per_label --as-of 2026-11-22T18:45
    """
    if name is None and sql is None:
        console.print(_listing())
        return
    if name is not None and sql is not None:
        raise QueryError(f"'{name}' and --sql are two queries: run one at a time")
    format_ = format_of(form, output)
    given = _given(param or [], image_id=image_id, label=label)
    asked = named_query(name) if name is not None else None
    values = asked.values(given) if asked else list(given.values())
    try:
        with stderr.status("asking") as status:
            chosen = _engine_of(settings, engine, as_of, status.update)
            if asked and "image_id" in given:
                values = asked.values(given | {"image_id": _whole_id(given["image_id"], chosen)})
            answer = chosen.run(asked.sql if asked else str(sql), values)
            if asked and "image_id" in given and not answer.rows.num_rows:
                raise QueryError(f"gold has no photo {values[0]}, or no other: `fruitlake query outliers` shows some")
    except KeyboardInterrupt:
        stderr.print("the query was cancelled")
        raise
    deliver(answer, format_, output, console)
    stderr.print(_told(answer, output), highlight=False, soft_wrap=True)


def _engine_of(
    settings: Settings, asked: EngineName | None, as_of: str | None, progress: Callable[[str], None]
) -> "Athena | DuckDB":
    """Choose the engine that answers. Raises SettingsError if Athena cannot see the lake."""
    lake = settings.published_lake()  # must exist: Athena knows databases only by name, and would query another lake
    moment = moment_of(as_of, lake) if as_of else None
    if (asked or lake.default_engine) == "duckdb":
        from catalog.query.duck import DuckDB

        return DuckDB(lake, moment)
    if lake.default_engine != "athena":
        raise SettingsError(
            f"Athena reads lakes in S3 whose tables are in AWS Glue, '{lake.uri}' is not: leave --engine out, "
            "or give --lake s3://…"
        )
    output = settings.output_location
    if output and not output.startswith("s3://"):
        raise SettingsError(f"--output-location cannot be '{output}': Athena writes to S3, give s3://bucket/folder")
    check_allowed(output or lake.uri, settings.regions)  # query results hold labels and ids
    from catalog.query.athena import Athena

    return Athena(lake, settings.workgroup, output, moment, progress)


def _given(params: Sequence[str], **options: str | None) -> dict[str, str]:
    """Parameters by name, in the order given. Raises QueryError for a missing value or a repeated name."""
    given: dict[str, str] = {}
    for text in [*params, *(f"{name}={value}" for name, value in options.items() if value is not None)]:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise QueryError(f"--param takes NAME=VALUE, not '{text}'")
        if name in given:
            raise QueryError(f"the parameter {name} is given twice: give it once")
        given[name] = value
    return given


def _whole_id(start: str, engine: "Athena | DuckDB") -> str:
    """The one image_id that starts with these digits, as tables abbreviate them. Raises QueryError unless it is one."""
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
        parameters = [p.name if p.default is None else f"[dim]{p.name}[/]" for p in one.parameters]
        table.add_row(one.name, escape(one.answers), ", ".join(parameters))
    return table


def _told(answer: Answer, output: Path | None) -> str:
    rows = f"{answer.rows.num_rows:,} row{'s' if answer.rows.num_rows != 1 else ''}"
    to = f" in {output}" if output else ""
    return escape("; ".join([f"{rows}{to}, {answer.engine}, {answer.seconds:.2f} s", *answer.facts]))
