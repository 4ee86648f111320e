"""What a table must be before anyone reads it: the audit between writing a snapshot and registering it."""
