"""The dbt project, and the Python its models call.

models/*/*.{sql,py} ──dbt.py──▶ session_job.py (runs a model in our Spark session) ──▶ publish.py
weights.py, featurizer.py   MobileNetV2: find, export, run
pca.py, gram.py             PCA from a distributed Gram matrix, as a Spark ML Estimator
run.py                      what one run knows: session, catalog, settings
"""
