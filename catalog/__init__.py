"""The lake: its location, its Iceberg catalog, its tables and their snapshots.

tables.py       columns, units, partitioning and grain of every table
lake.py         a lake and its catalog; folder_lake.py on a disk, bucket_lake.py in S3 with AWS Glue
branch.py       write, audit, publish: audit branches of Iceberg tables
snapshots.py    published versions of a table; rollback.py goes back to one
scan.py         a snapshot's data files, read by pyarrow
maintenance.py  vacuum; erasures.py and erasure_scope.py: records of erasures, and what to erase
storage.py      paths and bytes, on a local disk or in S3; aws.py, bucket.py: AWS, configured by its standard variables
query/          runs queries/*.sql, or other SQL, on Athena or DuckDB
"""
