"""The command line. Every setting is an option and a FRUITLAKE_* variable; settings.py holds the defaults."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from importlib.metadata import version as version_of
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console

from bootstrap import catalog_cli, query_cli, upkeep_cli
from bootstrap import settings as settings_module
from bootstrap.emr import cli as emr_cli
from bootstrap.exits import exit_code
from bootstrap.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="A lake of fruit photos: bronze (raw photos), silver (MobileNetV2 features), gold (PCA vectors by label).",
    epilog="Start with [bold]fruitlake demo[/bold]. Every option of run is also a variable: --lake is FRUITLAKE_LAKE.",
)
console = Console()


class Layer(StrEnum):
    bronze = "bronze"
    silver = "silver"
    gold = "gold"
    all = "all"


def _help(name: str) -> str:
    field = Settings.model_fields[name]
    default = "" if field.default_factory or field.default in (None, False) else f" [dim](default: {field.default})[/]"
    return f"{field.description}{default}"


LakeOption = Annotated[str | None, typer.Option("--lake", metavar="URI", help=_help("lake"), show_default=False)]
ImagesOption = Annotated[str | None, typer.Option("--images", metavar="URI", help=_help("images"))]
WeightsOption = Annotated[str | None, typer.Option("--weights", metavar="NAME|FILE", help=_help("weights"))]
VarianceOption = Annotated[float | None, typer.Option("--variance", metavar="SHARE", help=_help("variance"))]
RefitOption = Annotated[bool | None, typer.Option("--refit", help=_help("refit"))]
EngineOption = Annotated[str | None, typer.Option("--engine", metavar="onnx|tensorflow", help=_help("engine"))]
PurposeOption = Annotated[str | None, typer.Option("--purpose", metavar="TEXT", help=_help("purpose"))]
BasisOption = Annotated[str | None, typer.Option("--legal-basis", metavar="BASIS", help=_help("legal_basis"))]
PrefixOption = query_cli.PrefixOption
QuarantineOption = Annotated[
    float | None, typer.Option("--max-quarantine-share", metavar="SHARE", help=_help("max_quarantine_share"))
]


def _show_version(asked: bool) -> None:
    if asked:
        console.print(f"fruitlake {version_of('fruitlake')}", highlight=False)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """What stands before a command."""


@app.command()
def demo(lake: LakeOption = None) -> None:
    """Draw sample photos, run every layer with the bundled weights, and show the result.

    Needs no account, no download and no photos. The lake is ./fruitlake-demo unless --lake says otherwise.
    """
    from bootstrap.demo import run_demo

    run_demo(settings_module.load(lake=lake or os.environ.get("FRUITLAKE_LAKE") or "fruitlake-demo"), console)


@app.command()
def run(
    layer: Annotated[Layer, typer.Argument(help="which layer to build")] = Layer.all,
    images: ImagesOption = None,
    lake: LakeOption = None,
    weights: WeightsOption = None,
    variance: VarianceOption = None,
    refit: RefitOption = None,
    engine: EngineOption = None,
    max_quarantine_share: QuarantineOption = None,
    purpose: PurposeOption = None,
    legal_basis: BasisOption = None,
    database_prefix: PrefixOption = None,
) -> None:
    """Bring a layer, or all of them, up to date with the photos.

    Only new photos are read and featurized; running again with the same photos publishes nothing.
    Gold uses the stored PCA unless --refit, or another --variance or model, asks for a new one.

    Example: fruitlake run --images photos/ --lake lake/ --weights imagenet

    [bold]On AWS[/], the lake in a bucket, its tables in Glue, in this order:

    1. aws configure  (or aws sso login, or the variables AWS_PROFILE, AWS_REGION, …)

    2. aws s3 mb s3://my-lake --region eu-west-3

    3. fruitlake run --images s3://my-photos/Training --lake s3://my-lake/fruits

    4. fruitlake query photos_per_label --lake s3://my-lake/fruits --output-location s3://my-lake/athena/
    """
    from bootstrap.pipeline import build
    from bootstrap.reporting import report_run
    from bootstrap.summary import print_run

    settings = settings_module.load(
        images=images,
        lake=lake,
        weights=weights,
        variance=variance,
        refit=refit,
        engine=engine,
        max_quarantine_share=max_quarantine_share,
        purpose=purpose,
        legal_basis=legal_basis,
        database_prefix=database_prefix,
    )
    done = build(settings, layer.value, console)
    print_run(done, console)
    report_run(done, console)


@app.command()
def status(lake: LakeOption = None, database_prefix: PrefixOption = None) -> None:
    """Show every published table: snapshot, rows, size. Starts no Spark."""
    from bootstrap.lakes import open_published
    from bootstrap.summary import print_status

    print_status(open_published(settings_module.load(lake=lake, database_prefix=database_prefix)), console)


@app.command()
def report(lake: LakeOption = None, database_prefix: PrefixOption = None) -> None:
    """Write the report of the last run again: a page to open in a browser. Every run writes it by itself."""
    from bootstrap.lakes import open_published
    from bootstrap.reporting import report_lake

    settings = settings_module.load(lake=lake, database_prefix=database_prefix)
    report_lake(settings, open_published(settings), console)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def dbt(
    context: typer.Context,
    images: ImagesOption = None,
    lake: LakeOption = None,
    weights: WeightsOption = None,
    variance: VarianceOption = None,
    refit: RefitOption = None,
    engine: EngineOption = None,
    max_quarantine_share: QuarantineOption = None,
    database_prefix: PrefixOption = None,
) -> None:
    """Run any dbt command over the lake: put it behind `--`.

    Examples: fruitlake dbt -- ls · fruitlake dbt -- build --select gold · fruitlake dbt -- docs generate
    """
    from bootstrap.pipeline import open_run
    from transforms.dbt import invoke, target_folder

    settings = settings_module.load(
        images=images,
        lake=lake,
        weights=weights,
        variance=variance,
        refit=refit,
        engine=engine,
        max_quarantine_share=max_quarantine_share,
        database_prefix=database_prefix,
    )
    if not context.args:
        raise typer.BadParameter("give a dbt command behind `--`, for example: fruitlake dbt -- ls")
    with open_run(settings, console) as opened:
        invoke(opened, context.args)
        console.print(f"dbt's artifacts: {target_folder(opened)}", soft_wrap=True)


@app.command()
def bench(
    photos: Annotated[int, typer.Option("--photos", metavar="N", min=100, help="how many photos N is")] = 3000,
    images: ImagesOption = None,
    weights: WeightsOption = None,
    full: Annotated[bool, typer.Option("--full", help="measure growth at 16N, too")] = False,
    scale: Annotated[
        int | None, typer.Option("--scale", metavar="ROWS", min=1000, help="only PCA and gold, on made-up features")
    ] = None,
    json: Annotated[Path, typer.Option("--json", metavar="FILE", help="where the figures go")] = Path("bench.json"),
) -> None:
    """Measure how close the pipeline comes to the machine's limit, and to what others do. Takes minutes.

    Uses the sample photos, repeated, and the bundled weights unless told otherwise.
    """
    from bootstrap.bench.run import Bench
    from bootstrap.bench.scale import measure
    from bootstrap.session import start

    settings = settings_module.load(images=images, weights=weights or "bundled")
    with TemporaryDirectory(prefix="fruitlake-bench-") as work:
        if scale:
            report = measure(start(settings), scale, settings.variance, Path(work))
        else:
            report = Bench(settings, photos, full, Path(work), console).run()
    report.show(console)
    report.write(json)


app.command()(query_cli.query)
app.command()(upkeep_cli.vacuum)
app.command()(upkeep_cli.erase)
app.add_typer(catalog_cli.app, name="catalog")
app.add_typer(emr_cli.app, name="emr")


def main() -> None:
    """What `fruitlake` on the command line starts."""
    sys.exit(exit_code(app))
