"""What the lake holds: table definitions, snapshots, and the catalogs that say which one is current.

tables.py    the contract of every table: columns, units, partitioning, grain
snapshot.py  one immutable version of a table
protocol.py  what every catalog can do; local.py keeps it in JSON files beside the data
attach.py    projects a catalog into a Spark session
storage.py   paths and bytes, on a local disk or on S3
"""
