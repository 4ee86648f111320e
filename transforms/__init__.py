"""The dbt project, and the Python code that its models call; docs/architecture.md shows the way through it."""
