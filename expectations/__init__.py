"""The data quality audit that every snapshot must pass before it is published, and the report that shows it."""
