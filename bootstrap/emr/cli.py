"""`fruitlake emr`: layer jobs on AWS, from packaging to taking the cluster down again."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bootstrap import settings as settings_module
from bootstrap.emr.plan import RATE

app = typer.Typer(
    no_args_is_help=True,
    help="Layer jobs on Amazon EMR: package, up, submit, status, logs, tunnel, down, plan. Credentials and region are "
    "AWS' own: AWS_PROFILE, AWS_REGION.",
)
console = Console()

StackOption = Annotated[str, typer.Option("--stack", metavar="NAME", help="name of the CloudFormation stack")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="only print the requests that would be sent, as JSON")]
_STACK = "fruitlake"


class Layer(StrEnum):
    bronze = "bronze"
    silver = "silver"
    gold = "gold"
    all = "all"


class Page(StrEnum):
    history = "history"
    yarn = "yarn"
    livy = "livy"
    jupyterhub = "jupyterhub"


class Compute(StrEnum):
    cluster = "cluster"
    serverless = "serverless"


@app.command()
def package(
    weights: Annotated[
        str | None, typer.Option("--weights", metavar="NAME|FILE", help="imagenet, bundled, or a file of MobileNetV2")
    ] = None,
) -> None:
    """Make what a cluster needs: packages without TensorFlow, this project, the exported model. Needs no account.

    Everything is named by its content; what is there is not made again. Run it after every change of the code.
    """
    from bootstrap.emr.package import folder
    from bootstrap.emr.package import package as make

    settings = settings_module.load(weights=weights)
    with console.status("packaging: a minute the first time"):
        made = make(settings)
    for name in made.names():
        size = (folder(settings) / name).stat().st_size
        console.print(f"{folder(settings) / name}  {size / 1e6:,.1f} MB", highlight=False, soft_wrap=True)


@app.command()
def up(
    stack: StackOption = _STACK,
    compute: Annotated[Compute, typer.Option("--compute", help="a cluster, or EMR Serverless")] = Compute.cluster,
    release: Annotated[str | None, typer.Option("--release", metavar="LABEL", help="emr-spark-8.0.0, …")] = None,
    instance: Annotated[
        str | None, typer.Option("--instance", metavar="TYPE", help="of all nodes; 4 vCPU and 16 GiB or more")
    ] = None,
    minimum_nodes: Annotated[
        int | None, typer.Option("--minimum-nodes", metavar="N", min=1, help="core and task nodes; 1 at first")
    ] = None,
    maximum_nodes: Annotated[
        int | None, typer.Option("--maximum-nodes", metavar="N", min=1, help="core and task nodes; 30 at first")
    ] = None,
    high_availability: Annotated[
        bool | None,
        typer.Option(
            "--high-availability/--one-primary",
            help="three primaries: never ends by itself, only by `fruitlake emr down`",
        ),
    ] = None,
    idle_minutes: Annotated[
        int | None,
        typer.Option("--idle-minutes", metavar="N", min=1, help="the cluster ends after so long idle; 30 at first"),
    ] = None,
    gpu: Annotated[
        str | None,
        typer.Option("--gpu", metavar="TYPE", help="GPU task nodes of this type, too; layer jobs themselves use CPUs"),
    ] = None,
    zone: Annotated[str | None, typer.Option("--zone", metavar="a|b", help="the other zone, if one is full")] = None,
    images_bucket: Annotated[
        str | None, typer.Option("--images-bucket", metavar="NAME", help="a bucket to read photos from, too")
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", metavar="NAME=VALUE", help="any other parameter of bootstrap/emr/stack.yaml"),
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Bring up the stack with a cluster, which takes some minutes, or with EMR Serverless. Run `package` first.

    What is not given stays as it is. The cluster is private, encrypted, scales by itself and ends when idle.

    Example: fruitlake emr up --maximum-nodes 10
    """
    from bootstrap.emr.up import bring_up

    given = {
        "Compute": compute.value,
        "Release": release,
        "PrimaryType": instance,
        "CoreType": instance,
        "TaskType": instance,
        "MinimumNodes": minimum_nodes,
        "MaximumNodes": maximum_nodes,
        "HighAvailability": None if high_availability is None else str(high_availability).lower(),
        "IdleSeconds": idle_minutes * 60 if idle_minutes else None,
        "GpuTaskType": gpu,
        "Zone": zone,
        "ImagesBucket": images_bucket,
        **dict(_pair(text) for text in parameter or ()),
    }
    wanted = {name: str(value) for name, value in given.items() if value is not None}
    deployed = bring_up(settings_module.load(), stack, wanted, console, dry_run)
    if deployed:
        console.print(
            f"stack {stack} is up; photos: aws s3 sync photos/ s3://{deployed.bucket}/images/", soft_wrap=True
        )
        console.print("then: fruitlake emr submit all")


@app.command()
def submit(
    layer: Annotated[Layer, typer.Argument(help="which layer to build")] = Layer.all,
    stack: StackOption = _STACK,
    images: Annotated[
        str | None, typer.Option("--images", metavar="URI", help="photos in S3; else the stack's bucket, images/")
    ] = None,
    lake: Annotated[
        str | None, typer.Option("--lake", metavar="URI", help="the lake in S3; else the stack's bucket, lake/")
    ] = None,
    variance: Annotated[
        float | None, typer.Option("--variance", metavar="SHARE", help="share of the variance PCA keeps")
    ] = None,
    refit: Annotated[bool | None, typer.Option("--refit", help="fit the PCA anew")] = None,
    dry_run: DryRun = False,
) -> None:
    """Run a layer on the cluster, or on Serverless, and wait for it. Exits as the job does.

    Any other setting goes along as a FRUITLAKE_* variable. Stopping the command does not stop the job.
    """
    from bootstrap.emr.submit import submit as run

    settings = settings_module.load(images=images, lake=lake, variance=variance, refit=refit)
    run(settings, stack, layer.value, console, dry_run)


@app.command()
def status(stack: StackOption = _STACK) -> None:
    """The stack, its cluster or application, and the last jobs."""
    from bootstrap.emr.stack import existing
    from bootstrap.emr.watch import show_status

    show_status(existing(stack), console)


@app.command()
def logs(
    job: Annotated[str, typer.Argument(help="id of a step or job run, as submit and status show it")],
    stack: StackOption = _STACK,
) -> None:
    """What a job's driver printed. EMR brings logs to the bucket every few minutes."""
    from bootstrap.emr.stack import existing
    from bootstrap.emr.watch import show_logs

    show_logs(existing(stack), job, console)


@app.command()
def tunnel(
    page: Annotated[Page, typer.Argument(help="which page of the cluster")] = Page.history,
    stack: StackOption = _STACK,
    port: Annotated[int | None, typer.Option("--port", metavar="N", help="here; else the same as there")] = None,
    dry_run: DryRun = False,
) -> None:
    """Open a page of the cluster on this machine, through Session Manager: no open port, no SSH key.

    Needs AWS' command line and its session-manager-plugin. Stop it with Ctrl-C.
    """
    from bootstrap.emr.requests import show
    from bootstrap.emr.stack import existing
    from bootstrap.emr.watch import PAGES, hold_open
    from bootstrap.emr.watch import tunnel as make

    request = make(existing(stack), page.value, port)
    if dry_run:
        show([request], console)
        return
    console.print(f"{page.value}: https://localhost:{port or PAGES[page.value]} (http where it has no TLS)")
    hold_open(request)


@app.command()
def down(
    stack: StackOption = _STACK,
    everything: Annotated[
        bool,
        typer.Option(
            "--everything",
            help="the network and roles, too; bucket, key and tables stay even then; the next stack needs another name",
        ),
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Take the compute down. The lake, its tables and the Athena workgroup stay, and cost no machine hour."""
    from bootstrap.emr.up import take_down

    take_down(stack, everything, console, dry_run)
    if not dry_run:
        console.print(f"stack {stack}: nothing runs any more; the lake is where it was")


@app.command()
def plan(
    photos: Annotated[int, typer.Option("--photos", metavar="N", min=1, help="how many photos")],
    instance: Annotated[str, typer.Option("--instance", metavar="TYPE", help="type of all nodes")] = "m5.xlarge",
    rate: Annotated[
        float, typer.Option("--rate", metavar="N", min=0.1, help="photos/s a core, as `fruitlake bench` measures")
    ] = RATE,
    hours: Annotated[float, typer.Option("--hours", metavar="N", min=0.01, help="how long the work may take")] = 1.0,
    nodes: Annotated[
        int | None, typer.Option("--nodes", metavar="N", min=1, help="core and task nodes; else the fewest in time")
    ] = None,
    spot: Annotated[
        float, typer.Option("--spot", metavar="SHARE", min=0, max=1, help="Spot price, as a share of on demand")
    ] = 1.0,
) -> None:
    """Nodes, hours and cost of featurizing N photos, with all that is assumed. Asks nobody; needs no account."""
    from bootstrap.emr.plan import plan as make

    made = make(photos, instance, rate, hours, spot, nodes)
    table = Table("photos", "nodes", "work", "cluster", "cost", title=f"plan for {instance}", title_justify="left")
    table.add_row(
        f"{made.photos:,}",
        f"1 primary + {made.nodes}",
        f"{made.work_hours:.2f} h",
        f"{made.hours:.2f} h",
        f"{made.cost:,.2f} {made.currency}",
    )
    console.print(table)
    for line in made.assumed:
        console.print(f"assumed: {line}", highlight=False, soft_wrap=True)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"'{text}' is no NAME=VALUE")
    return name, value
