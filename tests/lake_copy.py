"""Copy a local lake to another folder, and rewrite the absolute paths in Iceberg's metadata."""

import io
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import fastavro


def copy_lake(source: Path, target: Path) -> None:
    """Make a working copy of a lake."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(".*.crc"))
    for metadata in target.glob("*/*/metadata"):
        manifests = [p for p in metadata.glob("*.avro") if not p.name.startswith("snap-")]
        for path in [
            *manifests,
            *metadata.glob("snap-*.avro"),
        ]:  # manifest lists come last: they hold the manifests' lengths
            _rewrite(path, str(source), str(target))
        for path in metadata.glob("*.metadata.json"):
            path.write_text(json.dumps(_moved(json.loads(path.read_text()), str(source), str(target))))
    with sqlite3.connect(target / "catalog.db") as database:
        for column in ("metadata_location", "previous_metadata_location"):
            database.execute(
                f"UPDATE iceberg_tables SET {column} = replace({column}, ?, ?)", (str(source), str(target))
            )
    database.close()


def _rewrite(path: Path, old: str, new: str) -> None:
    with path.open("rb") as file:
        reader = fastavro.reader(file)
        header = dict(reader.metadata)
        records = [_moved(record, old, new) for record in reader]
    for record in records:
        if isinstance(record, dict) and "manifest_length" in record:
            record["manifest_length"] = Path(record["manifest_path"]).stat().st_size
    schema = json.loads(header.pop("avro.schema"))
    codec = header.pop("avro.codec", "null")
    out = io.BytesIO()
    fastavro.writer(out, schema, records, codec=codec, metadata=header)
    path.write_bytes(out.getvalue())


def _moved(value: Any, old: str, new: str) -> Any:
    if isinstance(value, str):
        return new + value.removeprefix(old) if value.startswith(old) else value
    if isinstance(value, dict):
        return {key: _moved(item, old, new) for key, item in value.items()}
    if isinstance(value, list):
        return [_moved(item, old, new) for item in value]
    return value
