"""`fruitlake emr`: run the layers on Amazon EMR, from packaging to taking the cluster down."""

from __future__ import annotations

from typing import Annotated, Literal

import typer
from rich.table import Table

from bootstrap.cli.options import RefitOption, VarianceOption, WeightsOption, console, say
from bootstrap.emr.plan import RATE
from bootstrap.settings import load

app = typer.Typer(
    no_args_is_help=True,
    help="Layer jobs on Amazon EMR: check, package, up, submit, status, logs, tunnel, down, plan. Credentials and "
    "region are AWS' own: AWS_PROFILE, AWS_REGION.",
)

StackOption = Annotated[str, typer.Option("--stack", metavar="NAME", help="name of the CloudFormation stack")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="only print the requests that would be sent, as JSON")]
ComputeOption = Annotated[Literal["cluster", "serverless"], typer.Option("--compute", help="a cluster, or Serverless")]
SmallOption = Annotated[
    bool | None,
    typer.Option("--small/--large", help="one node, or 16 vCPUs of Serverless: what a new account may start"),
]
InstanceOption = Annotated[
    str | None, typer.Option("--instance", metavar="TYPE", help="of all nodes, x86-64; 4 vCPU and 16 GiB or more")
]
ZoneOption = Annotated[Literal["a", "b"] | None, typer.Option("--zone", help="the other zone, if one is full")]
_STACK = "fruitlake"


@app.command()
def package(weights: WeightsOption = None) -> None:
    """Package the Python environment (without TensorFlow), this project and the exported model. Needs no AWS account.

    Files are named by a hash of their content, and existing ones are kept. Run it again after every change of the code.
    """
    from bootstrap.emr.package import folder
    from bootstrap.emr.package import package as make

    settings = load(weights=weights)
    with console.status("packaging: a minute the first time"):
        made = make(settings)
    for name in made.names():
        size = (folder(settings) / name).stat().st_size
        say(f"{folder(settings) / name}  {size / 1e6:,.1f} MB")


@app.command()
def check(
    stack: StackOption = _STACK,
    compute: ComputeOption = "cluster",
    small: SmallOption = None,
    instance: InstanceOption = None,
    zone: ZoneOption = None,
) -> None:
    """Check this account for everything `up` would fail on, and say what to do. Only reads.

    Exits with 1 if something is missing.
    """
    from bootstrap.emr.checks import rows

    wanted = _given(Compute=compute, Small=small, InstanceType=instance, Zone=zone)
    found = rows(load(), stack, wanted)
    table = Table("", "what", "found", "what to do")
    for row in found:
        table.add_row({True: "✓", False: "✗", None: "?"}[row.fine], row.what, row.found, row.remedy)
    console.print(table)
    if any(row.fine is False for row in found):
        raise typer.Exit(1)


@app.command()
def up(
    stack: StackOption = _STACK,
    compute: ComputeOption = "cluster",
    release: Annotated[str | None, typer.Option("--release", metavar="LABEL", help="emr-spark-8.1.0 or later")] = None,
    small: SmallOption = None,
    instance: InstanceOption = None,
    minimum_nodes: Annotated[
        int | None,
        typer.Option("--minimum-nodes", metavar="N", min=1, help="fewest core and task nodes; initially 1"),
    ] = None,
    maximum_nodes: Annotated[
        int | None,
        typer.Option("--maximum-nodes", metavar="N", min=1, help="most core and task nodes; initially 30"),
    ] = None,
    high_availability: Annotated[
        bool | None,
        typer.Option(
            "--high-availability/--one-primary",
            help="three primary and four core nodes, no EMR Studio; ends only by `fruitlake emr down`",
        ),
    ] = None,
    idle_minutes: Annotated[
        int | None,
        typer.Option("--idle-minutes", metavar="N", min=1, help="the cluster ends after so long idle; 30 at first"),
    ] = None,
    zone: ZoneOption = None,
    images_bucket: Annotated[
        str | None, typer.Option("--images-bucket", metavar="NAME", help="a bucket to read photos from, too")
    ] = None,
    events: Annotated[
        bool | None,
        typer.Option("--events/--no-events", help="add a queue of S3 events, which a stream reads"),
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Bring up the stack with a cluster, which takes some minutes, or with EMR Serverless. Run `package` first.

    Options that are not given keep their value. The cluster is private, encrypted, scales by itself and ends when idle.

    Example: fruitlake emr up --maximum-nodes 10
    """
    from bootstrap.emr.up import bring_up

    wanted = _given(
        Compute=compute,
        Small=small,
        Release=release,
        InstanceType=instance,
        MinimumNodes=minimum_nodes,
        MaximumNodes=maximum_nodes,
        HighAvailability=high_availability,
        IdleSeconds=idle_minutes and idle_minutes * 60,
        Zone=zone,
        ImagesBucket=images_bucket,
        Events=events,
    )
    deployed = bring_up(load(), stack, wanted, console, dry_run)
    if deployed:
        say(f"stack {stack} is up; photos: aws s3 sync photos/ s3://{deployed.bucket}/images/")
        say("then: fruitlake emr submit all")


@app.command()
def submit(
    layer: Annotated[
        Literal["bronze", "silver", "gold", "all", "stream"], typer.Argument(help="which layer to build, or `stream`")
    ] = "all",
    stack: StackOption = _STACK,
    images: Annotated[
        str | None, typer.Option("--images", metavar="URI", help="photos in S3; else the stack's bucket, images/")
    ] = None,
    lake: Annotated[
        str | None, typer.Option("--lake", metavar="URI", help="the lake in S3; else the stack's bucket, lake/")
    ] = None,
    variance: VarianceOption = None,
    refit: RefitOption = None,
    dry_run: DryRun = False,
) -> None:
    """Run a layer on the cluster, or on Serverless, and wait for it. Exits with 1 if the job fails.

    `stream` ingests photos as they arrive, until `fruitlake emr down` (on Serverless with --cancel-jobs); the command
    returns once it is running. All other FRUITLAKE_* settings are passed on to the job. Stopping the command does not
    stop the job.
    """
    from bootstrap.emr.submit import submit as run

    settings = load(images=images, lake=lake, variance=variance, refit=refit)
    run(settings, stack, layer, console, dry_run)


@app.command()
def status(stack: StackOption = _STACK) -> None:
    """Show the stack, its cluster or application, and the last jobs."""
    from bootstrap.emr.stack import existing
    from bootstrap.emr.watch import show_status

    show_status(existing(stack), console)


@app.command()
def logs(
    job: Annotated[str, typer.Argument(help="id of a step or job run, as submit and status show it")],
    stack: StackOption = _STACK,
) -> None:
    """Show what a job's driver printed. EMR copies logs to the bucket every few minutes."""
    from bootstrap.emr.stack import existing
    from bootstrap.emr.watch import show_logs

    show_logs(existing(stack), job, console)


@app.command()
def tunnel(
    page: Annotated[Literal["history", "yarn", "livy"], typer.Argument(help="a page of the cluster")] = "history",
    stack: StackOption = _STACK,
    port: Annotated[int | None, typer.Option("--port", metavar="N", help="here; else the same as there")] = None,
) -> None:
    """Open a page of the cluster on this machine, through Session Manager: no open port, no SSH key.

    Needs AWS' command line and its session-manager-plugin. Stop it with Ctrl-C.
    """
    from bootstrap.emr import watch
    from bootstrap.emr.stack import existing

    command = watch.tunnel(existing(stack), page, port)
    console.print(f"{page}: https://localhost:{port or watch.PAGES[page]} (http where it has no TLS)")
    watch.hold_open(command)


@app.command()
def down(
    stack: StackOption = _STACK,
    cancel_jobs: Annotated[
        bool,
        typer.Option("--cancel-jobs", help="cancel running Serverless jobs, which are refused otherwise"),
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Stop all compute. The lake, its tables and the Athena workgroup stay."""
    from bootstrap.emr.up import take_down

    take_down(stack, console, dry_run, cancel_jobs=cancel_jobs)
    if not dry_run:
        console.print(f"stack {stack}: nothing runs any more; the lake is where it was")


@app.command()
def plan(
    photos: Annotated[int, typer.Option("--photos", metavar="N", min=1, help="how many photos")],
    instance: Annotated[str, typer.Option("--instance", metavar="TYPE", help="type of all nodes")] = "m6i.xlarge",
    rate: Annotated[
        float, typer.Option("--rate", metavar="N", min=0.1, help="photos/s per core, as `make bench` measures")
    ] = RATE,
    nodes: Annotated[
        int | None,
        typer.Option("--nodes", metavar="N", min=2, help="core and task nodes; else what takes an hour"),
    ] = None,
) -> None:
    """Estimate nodes, hours and cost of featurizing N photos, with all assumptions. Needs no AWS account."""
    from bootstrap.emr.plan import plan as make

    made = make(photos, instance, rate, nodes)
    table = Table("photos", "nodes", "work", "cluster", "cost", title=f"plan for {instance}", title_justify="left")
    hours = f"{made.work_hours:.2f} h", f"{made.hours:.2f} h"
    table.add_row(f"{photos:,}", f"1 primary + {made.nodes}", *hours, f"{made.cost:,.2f} USD")
    console.print(table)
    say(
        f"a stream: {made.stream:.2f} USD an hour on a primary, a core and a task node, {made.small_stream:.2f} with "
        "`up --small`"
    )
    for line in made.assumed:
        say(f"assumed: {line}")


def _given(**parameters: str | int | None) -> dict[str, str]:
    """Those of the stack's parameters that were given, as texts."""
    given = {name: value for name, value in parameters.items() if value is not None}
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in given.items()}
