"""Run the layers on Amazon EMR: a private cluster or EMR Serverless, as a CloudFormation stack.

package.py  ──▶ artifacts (environment, project, model, entry point), named by a hash of their content
stack.py    ──▶ stack.yaml: network, bucket, roles, Glue database, Athena workgroup, cluster or Serverless application
compute.py  ──▶ run_layer.py on the cluster (step) or on Serverless (job run): `fruitlake run LAYER --lake s3://…`
plan.py     ──▶ hours and cost of N photos, from a measured rate and prices.json
"""
