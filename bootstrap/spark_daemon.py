"""Spark's Python daemon without two needless steps of its workers, which cost CPU in every task.

Spark puts pyspark.zip and its own core jar on its Python workers' path, and every task calls
`importlib.invalidate_caches()`, which makes Python read the directory of each such archive again for every imported
package: 70 of the 110 ms of CPU that an empty task took. A pip-installed Spark has the same modules
as files.

After every task a worker collects garbage, which visits every object of NumPy, Arrow and the network: 50 ms of CPU.
Objects that have survived a task are frozen, so that the next collection visits only new ones.

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
