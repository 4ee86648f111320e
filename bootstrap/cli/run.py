"""`fruitlake run`, `ignored`, `status`, `report` and `dbt`: build a lake and look at it."""

from contextlib import nullcontext, suppress
from typing import Annotated, Literal

import typer

from bootstrap.cli.options import console, say, takes
from bootstrap.settings import Settings

Layer = Literal["bronze", "silver", "gold", "all"]


@takes(
    "images include exclude lake weights variance refit engine precision device commit_every max_quarantine_share "
    "purpose legal_basis database_prefix"
)
def run(settings: Settings, layer: Annotated[Layer, typer.Argument(help="which layer to build")] = "all") -> None:
    """Bring one layer or all layers up to date with the photos.

    Only new photos are read and featurized; running again with the same photos publishes nothing.
    Gold uses the stored PCA unless --refit, or another --variance or model, asks for a new one.

    Example: fruitlake run --images photos/ --lake lake/ --weights imagenet

    [bold]On AWS[/], with the lake in a bucket and its tables in Glue:

    1. aws configure  (or aws sso login, or the variables AWS_PROFILE, AWS_REGION, …)

    2. aws s3 mb s3://my-lake --region eu-west-3

    3. fruitlake run --images s3://my-photos/Training --lake s3://my-lake/fruits

    4. fruitlake query photos_per_label --lake s3://my-lake/fruits --output-location s3://my-lake/athena/
    """
    from bootstrap.session import launch_ahead
    from bootstrap.source import source_of

    if layer in ("bronze", "all"):
        source_of(settings)  # a missing folder is reported before anything is fetched or started
    if not settings.open_lake().has_catalog():  # then there is something to build
        launch_ahead(settings)
    from bootstrap.pipeline import build  # while Java starts
    from bootstrap.reporting import report_run
    from bootstrap.standing import find_standing
    from bootstrap.summary import print_run, print_standing

    if standing := find_standing(settings, layer):
        return print_standing(standing.lake, standing.counts, console)
    done = build(settings, layer, console)
    print_run(done, console)
    report_run(done, console)


@takes("images include exclude")
def ignored(settings: Settings) -> None:
    """List the files below --images that a run ignores, each with the rule. Starts no Spark.

    Example: fruitlake ignored --images photos/ --exclude "*thumbnail*"
    """
    from ingestion.source import check_folder

    source = settings.source()
    check_folder(source.root)
    for file in source.walk(source.root, deep=True):
        if file.ignored is not None:
            say(f"{file.ignored}\t{file.source_path}")


@takes("lake database_prefix")
def status(settings: Settings) -> None:
    """Show every published table: snapshot, rows, size. Starts no Spark."""
    from bootstrap.summary import print_status

    print_status(settings.published_lake(), console)


@takes("lake database_prefix")
def report(settings: Settings) -> None:
    """Write the HTML report of the last run again. Starts no Spark.

    Every run that publishes something writes it automatically.
    """
    from bootstrap.reporting import report_lake

    report_lake(settings.published_lake(), console)


@takes("images lake weights variance refit engine precision device commit_every max_quarantine_share database_prefix")
def dbt(context: typer.Context, settings: Settings) -> None:
    """Run any dbt command on the lake: put it after `--`.

    With --full-refresh, silver and gold are rebuilt; bronze is kept, because its photos may exist nowhere else. For a
    Python model, `dbt show` shows its published table.

    Examples: fruitlake dbt -- ls · fruitlake dbt -- build --select gold · fruitlake dbt -- docs generate
    """
    from bootstrap.pipeline import open_run
    from transforms.dbt import invoke, target_folder

    if not context.args:
        raise typer.BadParameter("give a dbt command after `--`, for example: fruitlake dbt -- ls")
    serving = context.args[:2] == ["docs", "serve"]  # runs until Ctrl-C; if quiet, dbt then prints no traceback
    with open_run(settings, console) as opened:
        with suppress(KeyboardInterrupt) if serving else nullcontext():
            invoke(opened, context.args, quiet=serving)
        if not {"-q", "--quiet"} & {*context.args}:
            console.print(f"dbt's artifacts: {target_folder(opened)}", soft_wrap=True)
