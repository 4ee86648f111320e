"""Spark's Python daemon, with pyspark imported from its folder instead of from pyspark.zip.

Spark puts pyspark.zip and its own core jar on its Python workers' path, and every task calls
`importlib.invalidate_caches()`, which makes Python read the whole directory of each such archive anew, once for every
package it was asked for: 70 of the 110 ms of CPU that an empty task took. A pip-installed Spark has the same modules
as files. `spark.python.daemon.module` names this module; the JVM runs it as `python -m`.
"""

import os
import runpy
import sys

if __name__ == "__main__":
    sys.path[:] = [entry for entry in sys.path if not os.path.isfile(entry)]
    sys.path_importer_cache.clear()
    runpy.run_module("pyspark.daemon", run_name="__main__")
