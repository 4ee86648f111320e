"""Spark's Python daemon, without two things that its workers do at every task and need not.

Spark puts pyspark.zip and its own core jar on its Python workers' path, and every task calls
`importlib.invalidate_caches()`, which makes Python read the whole directory of each such archive anew, once for every
package it was asked for: 70 of the 110 ms of CPU that an empty task took. A pip-installed Spark has the same modules
as files.

After every task a worker collects garbage, and looks at all that NumPy, Arrow and the network have brought in: 50 ms of
CPU. What has outlived a task is frozen, so that the next collection looks at what is new.

`spark.python.daemon.module` names this module; the JVM runs it as `python -m`.
"""

import gc
import os
import sys
from types import SimpleNamespace


def _collect() -> None:
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    sys.path[:] = [entry for entry in sys.path if not os.path.isfile(entry)]
    sys.path_importer_cache.clear()
    from pyspark import daemon

    vars(daemon)["gc"] = SimpleNamespace(collect=_collect)  # the loop of its workers calls gc.collect()
    daemon.manager()  # type: ignore[no-untyped-call]
