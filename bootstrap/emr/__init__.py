"""Layer jobs on Amazon EMR: a private cluster in Paris, or EMR Serverless, as code.

package.py  ──▶ artifacts (environment, project, model, entry point), each named by its content
stack.py    ──▶ stack.yaml: network, bucket, roles, Glue database, Athena workgroup, cluster or Serverless application
jobs.py     ──▶ run_layer.py on the cluster (step) or on Serverless (job run): `fruitlake run LAYER --lake s3://…`
plan.py     ──▶ hours and cost of N photos, from a measured rate and prices.json
"""
