"""`fruitlake demo`, `run`, `ignored`, `status`, `report` and `dbt`: build a lake and look at it."""

from __future__ import annotations

import os
from contextlib import nullcontext, suppress
from typing import Annotated

import typer

from bootstrap.cli.options import (
    BasisOption,
    CommitOption,
    DeviceOption,
    EngineOption,
    ExcludeOption,
    ImagesOption,
    IncludeOption,
    LakeOption,
    Layer,
    PrecisionOption,
    PrefixOption,
    PurposeOption,
    QuarantineOption,
    RefitOption,
    VarianceOption,
    WeightsOption,
    console,
    say,
    settings_of,
)
from bootstrap.settings import load
from catalog.storage import check_allowed


def demo(lake: LakeOption = None) -> None:
    """Run every layer on sample photos with the bundled weights, and show the result.

    Needs no account, no download and no photos. The lake is ./fruitlake-demo unless --lake is given.
    """
    from bootstrap.demo import run_demo

    run_demo(load(lake=lake or os.environ.get("FRUITLAKE_LAKE") or "fruitlake-demo"), console)


def run(
    context: typer.Context,
    layer: Annotated[Layer, typer.Argument(help="which layer to build")] = Layer.all,
    images: ImagesOption = None,
    include: IncludeOption = None,
    exclude: ExcludeOption = None,
    lake: LakeOption = None,
    weights: WeightsOption = None,
    variance: VarianceOption = None,
    refit: RefitOption = None,
    engine: EngineOption = None,
    precision: PrecisionOption = None,
    device: DeviceOption = None,
    commit_every: CommitOption = None,
    max_quarantine_share: QuarantineOption = None,
    purpose: PurposeOption = None,
    legal_basis: BasisOption = None,
    database_prefix: PrefixOption = None,
) -> None:
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
    from bootstrap.pipeline import build
    from bootstrap.reporting import report_run
    from bootstrap.standing import find_standing
    from bootstrap.summary import print_run, print_standing

    settings = settings_of(context)
    if standing := find_standing(settings, layer.value):
        return print_standing(standing.lake, standing.counts, console)
    done = build(settings, layer.value, console)
    print_run(done, console)
    report_run(done, console)


def ignored(images: ImagesOption = None, include: IncludeOption = None, exclude: ExcludeOption = None) -> None:
    """List the files below --images that a run ignores, each with the rule. Starts no Spark.

    Example: fruitlake ignored --images photos/ --exclude "*thumbnail*"
    """
    from ingestion.source import ignored_files

    settings = load(images=images, include=include, exclude=exclude)
    if settings.images is None:
        raise typer.BadParameter("give --images FOLDER")
    check_allowed(settings.images, settings.regions)
    for path, rule in ignored_files(settings.images, settings.include, settings.exclude):
        say(f"{rule}\t{path}")


def status(lake: LakeOption = None, database_prefix: PrefixOption = None) -> None:
    """Show every published table: snapshot, rows, size. Starts no Spark."""
    from bootstrap.summary import print_status

    opened = load(lake=lake, database_prefix=database_prefix).open_lake()
    opened.check_published()
    print_status(opened, console)


def report(lake: LakeOption = None, database_prefix: PrefixOption = None) -> None:
    """Write the HTML report of the last run again. Every run that publishes something writes it automatically."""
    from bootstrap.reporting import report_lake

    settings = load(lake=lake, database_prefix=database_prefix)
    opened = settings.open_lake()
    opened.check_published()
    report_lake(settings, opened, console)


def dbt(
    context: typer.Context,
    images: ImagesOption = None,
    lake: LakeOption = None,
    weights: WeightsOption = None,
    variance: VarianceOption = None,
    refit: RefitOption = None,
    engine: EngineOption = None,
    precision: PrecisionOption = None,
    device: DeviceOption = None,
    commit_every: CommitOption = None,
    max_quarantine_share: QuarantineOption = None,
    database_prefix: PrefixOption = None,
) -> None:
    """Run any dbt command on the lake: put it after `--`.

    With --full-refresh, silver and gold are rebuilt; bronze is kept, because its photos may exist nowhere else. For a
    Python model, `dbt show` shows its published table.

    Examples: fruitlake dbt -- ls · fruitlake dbt -- build --select gold · fruitlake dbt -- docs generate
    """
    from bootstrap.pipeline import open_run
    from transforms.dbt import invoke, target_folder

    settings = settings_of(context)
    if not context.args:
        raise typer.BadParameter("give a dbt command after `--`, for example: fruitlake dbt -- ls")
    serving = context.args[:2] == ["docs", "serve"]  # runs until Ctrl-C; if quiet, dbt then prints no traceback
    with open_run(settings, console) as opened:
        with suppress(KeyboardInterrupt) if serving else nullcontext():
            invoke(opened, context.args, quiet=serving)
        if not {"-q", "--quiet"} & {*context.args}:
            console.print(f"dbt's artifacts: {target_folder(opened)}", soft_wrap=True)
