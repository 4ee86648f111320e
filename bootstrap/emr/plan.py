"""Estimate the time and cost of featurizing N photos on a cluster, from a measured rate and prices.json."""

import json
import math
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from rich.console import Console
from rich.table import Table

from catalog.errors import EmrError

# Half of the lower figure measured on two cores: 165 to 190 photos/s, 100 x 100 px JPEGs, ONNX Runtime, one thread per
# core.
RATE = 82.0  # photos/s per core; `make bench` measures another machine, for `--rate`
_START_HOURS, _IDLE_HOURS = 0.25, 0.5  # billed, too: an assumption, and the template's IdleSeconds
_MOST_NODES = 30
ENDPOINTS = 5  # interface endpoints of a stack with a cluster, in one zone
_DISK_GB = 104  # per node: 40 for the system, from the template, and 64 that EMR adds for 4 vCPUs


@dataclass(frozen=True)
class Plan:
    """An estimate."""

    nodes: int  # core and task nodes, without the primary
    work_hours: float
    hours: float  # the cluster's lifetime
    cost: float  # USD
    stream: float  # USD per hour of a stream, on the smallest cluster
    small_stream: float  # on a single node (`up --small`)
    assumed: tuple[str, ...]


def plan(photos: int, instance: str, rate: float = RATE, nodes: int | None = None) -> Plan:
    """Estimate for this many nodes; by default, the fewest that featurize the photos within an hour, up to 30."""
    prices, cores = read_prices(), vcpus(instance)
    price = prices["instances"].get(instance)
    if price is None:
        known = ", ".join(prices["instances"])
        raise EmrError(f"there is no price for '{instance}' in prices.json: choose one of {known}, or add it")
    node_hours = photos / (rate * cores) / 3600
    nodes = nodes or min(_MOST_NODES, max(2, math.ceil(node_hours)))  # a core and a task node always start
    work = node_hours / nodes
    hours = _START_HOURS + work + _IDLE_HOURS
    node = price["ec2"] + price["emr"] + _DISK_GB * prices["disk_gb_month"] / 730
    endpoints = prices["endpoint"] * ENDPOINTS
    always = 3 * node + endpoints  # primary, core and one task node; the others only run during the work
    cost = hours * always + (_START_HOURS + work) * max(0, nodes - 2) * node
    assumed = (
        f"{rate:g} photos/s per core: small JPEGs, MobileNetV2 by ONNX Runtime; a vCPU of {instance} counts as a core",
        f"the rate grows with the nodes; silver is nearly all of the work; {_START_HOURS * 60:.0f} minutes to start "
        f"and {_IDLE_HOURS * 60:.0f} idle ones before it ends are included (`fruitlake emr down` saves the latter)",
        "all nodes at the on-demand price; task nodes are Spot, whose lower price changes daily",
        f"{_DISK_GB} GB of EBS per node, {ENDPOINTS} interface endpoints in one zone; S3, KMS, Glue, logs and data "
        "transfer are not included",
        f"prices of {prices['region']}, {prices['as_of']}: {prices['source']}",
    )
    return Plan(nodes, work, hours, cost, always, node + endpoints, assumed)


def show_plan(photos: int, instance: str, rate: float, nodes: int | None, console: Console) -> None:
    """Print the estimate and what it assumes."""
    made = plan(photos, instance, rate, nodes)
    table = Table("photos", "nodes", "work", "cluster", "cost", title=f"plan for {instance}", title_justify="left")
    hours = f"{made.work_hours:.2f} h", f"{made.hours:.2f} h"
    table.add_row(f"{photos:,}", f"1 primary + {made.nodes}", *hours, f"{made.cost:,.2f} USD")
    console.print(table)
    stream = f"a stream: {made.stream:.2f} USD an hour on a primary, a core and a task node"
    lines = [f"{stream}, {made.small_stream:.2f} with `up --small`", *(f"assumed: {line}" for line in made.assumed)]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def vcpus(instance: str) -> int:
    """Number of vCPUs of an instance type, by its size. Raises EmrError for a type that cannot run jobs."""
    found = re.fullmatch(r"[a-z]+\d+([a-z-]*)\.(\d*)xlarge", instance)
    if found is None:
        raise EmrError(f"'{instance}' is no type for a node: give one of 4 vCPU and 16 GiB or more, like m6i.xlarge")
    if found[1].startswith("g"):
        raise EmrError(f"'{instance}' is ARM, and packages are made for x86-64: give a type like m6i.xlarge")
    return 4 * int(found[2] or 1)


def read_prices() -> Any:
    """Read prices.json; the prices were entered by hand and are not confirmed (docs/aws.md, 1)."""
    return json.loads((files("bootstrap.emr") / "prices.json").read_text(encoding="utf-8"))
