"""Extract the packages that a cluster needs from requirements.lock: all dependencies except those that the cluster has
and those that are only needed to export the model. The lock's "via" comments say which package requires which."""

import re
from collections import defaultdict

LEFT_OUT = ("pyspark", "tensorflow", "tf2onnx")  # the cluster's own Spark; executors run ONNX, not TensorFlow

_ROOT = "fruitlake (pyproject.toml)"
# uv's format: a pin, its hashes, the packages that require it
_PACKAGE = re.compile(r"^(?P<name>[\w.-]+)==.*\n(?: +--hash=.*\n)+(?P<via>(?: +#.*\n)+)", re.MULTILINE)


def cluster_requirements(lock: str) -> str:
    """Text of a requirements file with the lock's pins and hashes."""
    pins: dict[str, list[str]] = defaultdict(list)  # a package may be pinned twice, for two Pythons
    wanted_by: dict[str, set[str]] = defaultdict(set)
    for found in _PACKAGE.finditer(lock):
        pins[found["name"]].append(found[0])
        for parent in re.findall(r"# +(?:via +)?(\S.*)", found["via"]):
            wanted_by[parent].add(found["name"])
    reached: set[str] = set()
    frontier = {_ROOT}
    while frontier:
        frontier = {child for parent in frontier for child in wanted_by[parent]} - reached - {*LEFT_OUT}
        reached |= frontier
    return "".join(pin for name in sorted(reached) for pin in pins[name])
