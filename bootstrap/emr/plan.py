"""How long N photos take on a cluster, and what that costs: arithmetic on a measured rate and prices.json.

photos / (rate of a core x cores) ──▶ hours ──x nodes x price──▶ cost, with everything that was assumed
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from catalog.errors import EmrError

# Measured on two cores: 165 to 190 photos/s, 100 x 100 px JPEGs, by ONNX Runtime on a thread a core. The lower, halved.
RATE = 82.0  # photos/s a core; `fruitlake bench` measures a machine's own, and `--rate` takes it
_STARTUP_HOURS = 0.25  # assumed: a cluster is billed while it starts and while it idles before it ends
_MOST_NODES = 30
ENDPOINTS = 7  # interface endpoints of the stack with a cluster, in one zone


@dataclass(frozen=True)
class Plan:
    """nodes are core and task nodes; one primary comes on top. Hours of the cluster's life, costs in currency."""

    photos: int
    nodes: int
    work_hours: float
    hours: float
    cost: float
    currency: str
    assumed: tuple[str, ...]


def plan(photos: int, instance: str, rate: float, target_hours: float, spot: float, nodes: int | None = None) -> Plan:
    """The fewest nodes that featurize the photos within target_hours, if nodes are not given.

    rate: photos/s a core; spot: share of the on-demand EC2 price that task nodes pay. Raises EmrError for an
    instance type without a price.
    """
    prices = read_prices()
    price = prices["instances"].get(instance)
    if price is None:
        known = ", ".join(prices["instances"])
        raise EmrError(f"there is no price for '{instance}' in prices.json: choose one of {known}, or add it")
    node_hours = photos / (rate * price["vcpus"]) / 3600
    if nodes is None:
        nodes = min(_MOST_NODES, max(1, math.ceil(node_hours / target_hours)))
    work = node_hours / nodes
    hours = work + _STARTUP_HOURS
    on_demand, on_spot = price["ec2"] + price["emr"], price["ec2"] * spot + price["emr"]
    an_hour = 2 * on_demand + (nodes - 1) * on_spot + prices["endpoint"] * ENDPOINTS
    return Plan(photos, nodes, work, hours, hours * an_hour, prices["currency"], _assumed(prices, instance, rate, spot))


def _assumed(prices: dict[str, Any], instance: str, rate: float, spot: float) -> tuple[str, ...]:
    return (
        f"{rate:g} photos/s a core: small JPEGs, MobileNetV2 by ONNX Runtime; a vCPU of {instance} counts as a core",
        f"the rate grows with the nodes; silver is nearly all of the work; {_STARTUP_HOURS * 60:.0f} minutes more to "
        "start the cluster and to let it end",
        f"one primary and one core node on demand, the other nodes at {spot:.0%} of that price (Spot changes daily)",
        f"{ENDPOINTS} interface endpoints in one zone; S3, KMS, Glue, disks and data transfer are not in it",
        f"prices of {prices['region']}, {prices['as_of']}: {prices['source']}",
    )


def read_prices() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((files("bootstrap.emr") / "prices.json").read_text(encoding="utf-8"))
    return found
