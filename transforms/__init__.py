"""The dbt project, and the Python code that its models call.

models/*/*.{sql,py} ──dbt.py──▶ session_job.py (runs a model in the run's Spark session) ──▶ publish.py
weights.py, network.py, featurizer.py    MobileNetV2: find its weights, load it, run it in Spark tasks
quantization.py, model_card.py           the same network in int8, and a comparison of both
covariance.py, pca.py                    PCA from a distributed covariance, as a Spark ML Estimator
run.py, options.py                       one run: session, lake, options, and the snapshots it works from
"""
