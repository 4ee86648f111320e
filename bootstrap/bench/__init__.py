"""How close Fruitlake comes to what the machine can do: every figure a ratio, all from one run.

photos.py     N distinct photos to measure with
limit.py      the limit: decode + resize + network in plain processes, without Spark
baselines.py  what others do: the original notebook's way, Spark's PCA, a plain binaryFile copy
memory.py     peaks of the JVM and of the Python workers
report.py     the table and the JSON
scale.py      the PCA and gold on millions of made-up features
run.py        measures ours and theirs in turn
"""
