"""The part of requirements.lock that a cluster needs: the project's own dependencies, less what the cluster brings
and what only exports the model.

requirements.lock ("via" comments: who asked for what) ──walk from the project──▶ the same pins, the same hashes
"""

from __future__ import annotations

import re
from collections import defaultdict

LEFT_OUT = ("pyspark", "tensorflow", "tf2onnx")  # the cluster's own Spark; executors run ONNX, not TensorFlow

_ROOT = "fruitlake (pyproject.toml)"
_PACKAGE = re.compile(
    r"^(?P<name>[\w.-]+)==.*\n(?: +--hash=.*\n)+(?P<via>(?: +#.*\n)+)", re.MULTILINE
)  # uv's layout: one pin, its hashes, who asked for it


def cluster_requirements(lock: str) -> str:
    """The text of a requirements file, pins and hashes as they are in the lock's text."""
    pins: dict[str, list[str]] = defaultdict(list)  # a package may be pinned twice, for two Pythons
    wanted_by: dict[str, set[str]] = defaultdict(set)
    for found in _PACKAGE.finditer(lock):
        pins[found["name"]].append(found[0])
        for parent in re.findall(r"# +(?:via +)?(\S.*)", found["via"]):
            wanted_by[parent].add(found["name"])
    reached: set[str] = set()
    frontier = {_ROOT}
    while frontier:
        asked = {child for parent in frontier for child in wanted_by[parent]}
        frontier = asked - reached - {*LEFT_OUT}
        reached |= frontier
    return "".join(pin for name in sorted(reached) for pin in pins[name])
