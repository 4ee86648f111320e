"""An audit belongs to its snapshot, whatever happens to the lake; `make torture` tries more and longer histories."""

from pathlib import Path

from tests.expectations.histories import try_histories


def test_every_readable_snapshot_has_the_audit_of_its_own_rows(cache: Path) -> None:
    try_histories(cache, examples=2, steps=6)
