"""Tests, in folders that mirror the packages. Spark, dbt and the file system are the real ones."""
