"""What the lake holds: table definitions, snapshots, and the catalogs that say which one is current.

tables.py    the contract of every table: columns, units, partitioning, grain
snapshot.py  one immutable version of a table
protocol.py  what every catalog can do; local.py and glue.py do it, for a lake in a folder and for one in S3
entries.py   the snapshots both know: JSON files beside the data
aws.py       AWS by its standard variables; bucket.py a bucket, glue_*.py tables and partitions in Glue
attach.py    projects a catalog into a Spark session
storage.py   paths and bytes, on a local disk or on S3
datasets.py  a snapshot as a pyarrow dataset
query/       asks the lake: queries/*.sql on Athena, or on DuckDB
"""
