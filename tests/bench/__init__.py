"""Benchmarks: how close Fruitlake comes to the machine's limit, as ratios that are all measured in one run.

photos.py     N distinct photos to measure with
limit.py      the limit: decode + resize + network in plain processes, without Spark
baselines.py  alternatives: the original notebook, Spark's PCA, a plain binaryFile copy
memory.py     peak memory of the JVM and of the Python workers
report.py     the table and the JSON
scale.py      the PCA and gold on millions of synthetic features
peers.py      whole processes compared with Daft, which daft_run.py runs
run.py        measures Fruitlake and the alternatives in turn
"""
