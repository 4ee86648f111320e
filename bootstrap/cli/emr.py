"""`fruitlake emr`: run the layers on Amazon EMR, from packaging to taking the cluster down."""

from typing import Annotated, Any, Literal

import typer

from bootstrap.cli.options import console, say, takes
from bootstrap.emr.plan import RATE
from bootstrap.settings import Settings, load

app = typer.Typer(
    no_args_is_help=True,
    help="Layer jobs on Amazon EMR: check, package, up, submit, status, logs, tunnel, down, plan. Credentials and "
    "region are AWS' own: AWS_PROFILE, AWS_REGION.",
)


def _option(metavar: str, description: str, least: float | None = None) -> Any:
    return typer.Option(metavar=metavar, min=least, help=description)


StackOption = Annotated[str, _option("NAME", "name of the CloudFormation stack")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="only print the requests that would be sent, as JSON")]
ComputeOption = Annotated[Literal["cluster", "serverless"], typer.Option(help="a cluster, or Serverless")]
SmallOption = Annotated[
    bool | None,
    typer.Option("--small/--large", help="one node, or 16 vCPUs of Serverless: what a new account may start"),
]
InstanceOption = Annotated[str | None, _option("TYPE", "of all nodes, x86-64; 4 vCPU and 16 GiB or more")]
ZoneOption = Annotated[Literal["a", "b"] | None, typer.Option(help="the other zone, if one is full")]
_STACK = "fruitlake"


@app.command()
@takes("weights")
def package(settings: Settings) -> None:
    """Package the Python environment (without TensorFlow), this project and the exported model. Needs no AWS account.

    Files are named by a hash of their content, and existing ones are kept. Run it again after every change of the code.
    """
    from bootstrap.emr import package as packaging

    with console.status("packaging: a minute the first time"):
        made = packaging.package(settings)
    for name in made:
        file = packaging.folder(settings) / name
        say(f"{file}  {file.stat().st_size / 1e6:,.1f} MB")


@app.command()
def check(
    context: typer.Context,
    stack: StackOption = _STACK,
    compute: ComputeOption = "cluster",
    small: SmallOption = None,
    instance: InstanceOption = None,
    zone: ZoneOption = None,
) -> None:
    """Check this account for everything `up` would fail on, and say what to do. Only reads.

    Exits with 1 if something is missing.
    """
    from bootstrap.emr.checks import show_checks
    from bootstrap.emr.stack import parameters_of

    if not show_checks(load(), stack, parameters_of(context.params | {"instance_type": instance}), console):
        raise typer.Exit(1)


@app.command()
def up(
    context: typer.Context,
    stack: StackOption = _STACK,
    compute: ComputeOption = "cluster",
    release: Annotated[str | None, _option("LABEL", "emr-spark-8.1.0 or later")] = None,
    small: SmallOption = None,
    instance: InstanceOption = None,
    minimum_nodes: Annotated[int | None, _option("N", "fewest core and task nodes; initially 1", least=1)] = None,
    maximum_nodes: Annotated[int | None, _option("N", "most core and task nodes; initially 30", least=1)] = None,
    high_availability: Annotated[
        bool | None,
        typer.Option(
            "--high-availability/--one-primary",
            help="three primary and four core nodes, no EMR Studio; ends only by `fruitlake emr down`",
        ),
    ] = None,
    idle_minutes: Annotated[
        int | None, _option("N", "the cluster ends after so long idle; 30 at first", least=1)
    ] = None,
    zone: ZoneOption = None,
    images_bucket: Annotated[str | None, _option("NAME", "a bucket to read photos from, too")] = None,
    events: Annotated[bool | None, typer.Option(help="add a queue of S3 events, which a stream reads")] = None,
    dry_run: DryRun = False,
) -> None:
    """Bring up the stack with a cluster, which takes some minutes, or with EMR Serverless. Run `package` first.

    Options that are not given keep their value. The cluster is private, encrypted, scales by itself and ends when idle.

    Example: fruitlake emr up --maximum-nodes 10
    """
    from bootstrap.emr.stack import parameters_of
    from bootstrap.emr.up import bring_up

    renamed = {"instance_type": instance, "idle_seconds": idle_minutes and idle_minutes * 60}
    if deployed := bring_up(load(), stack, parameters_of(context.params | renamed), console, dry_run):
        say(f"stack {stack} is up; photos: aws s3 sync photos/ s3://{deployed.bucket}/images/")
        say("then: fruitlake emr submit all")


@app.command()
@takes(
    "variance refit",
    images="photos in S3; else the stack's bucket, images/",
    lake="the lake in S3; else the stack's bucket, lake/",
)
def submit(
    layer: Annotated[
        Literal["bronze", "silver", "gold", "all", "stream"], typer.Argument(help="which layer to build, or `stream`")
    ] = "all",
    stack: StackOption = _STACK,
    *,
    settings: Settings,
    dry_run: DryRun = False,
) -> None:
    """Run a layer on the cluster, or on Serverless, and wait for it. Exits with 1 if the job fails.

    `stream` ingests photos as they arrive, until `fruitlake emr down` (on Serverless with --cancel-jobs); the command
    returns once it is running. All other FRUITLAKE_* settings are passed on to the job. Stopping the command does not
    stop the job.
    """
    from bootstrap.emr.submit import submit as run

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
    port: Annotated[int | None, _option("N", "here; else the same as there")] = None,
) -> None:
    """Open a page of the cluster on this machine, through Session Manager: no open port, no SSH key.

    Needs AWS' command line and its session-manager-plugin. Stop it with Ctrl-C.
    """
    from bootstrap.emr.stack import existing
    from bootstrap.emr.watch import open_tunnel

    open_tunnel(existing(stack), page, port, console)


@app.command()
def down(
    stack: StackOption = _STACK,
    cancel_jobs: Annotated[
        bool, typer.Option("--cancel-jobs", help="cancel running Serverless jobs, which are refused otherwise")
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
    photos: Annotated[int, _option("N", "how many photos", least=1)],
    instance: Annotated[str, _option("TYPE", "type of all nodes")] = "m6i.xlarge",
    rate: Annotated[float, _option("N", "photos/s per core, as `make bench` measures", least=0.1)] = RATE,
    nodes: Annotated[int | None, _option("N", "core and task nodes; else what takes an hour", least=2)] = None,
) -> None:
    """Estimate nodes, hours and cost of featurizing N photos, with all assumptions. Needs no AWS account."""
    from bootstrap.emr.plan import show_plan

    show_plan(photos, instance, rate, nodes, console)
