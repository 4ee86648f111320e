"""Export a table as plain files: Hive-style Parquet, or CSV.

    gold.fruit_vectors ──▶ label=Apple Braeburn/fruit_vectors.parquet …, one file per label   ┐
    any other table    ──▶ label_summary.parquet, or .csv                                     ┴──▶ _SUCCESS, last

Folders are named as Spark names them: spaces are kept, and characters that a folder name cannot hold become %XX. Rows
are streamed, so memory holds one row group, whatever the table's size.
"""

from collections.abc import Iterator
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
from more_itertools import constrained_batches

from catalog.errors import CatalogError
from catalog.lake import Lake
from catalog.query.output import as_csv
from catalog.scan import dataset_of, files_by_partition
from catalog.storage import exists, holds_anything, output_stream, overlap, write_object
from catalog.tables import TABLES, Table

Format = Literal["parquet", "csv"]
_BATCH_ROWS = 4096
_GROUP_BYTES = 32 * 1024 * 1024  # of Arrow data per row group
_MAX_FOLDER_NAME = 255  # bytes, what file systems allow
_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"  # Hive's name for null
_ESCAPED = {chr(c) for c in range(1, 0x20)} | set("\"#%'*/:=?\\\x7f{[]^")


def export(lake: Lake, name: str, to: str, form: Format = "parquet") -> tuple[int, int]:
    """Write the current version of a table below an empty folder or s3:// URI. Returns the number of rows and of files.

    Raises CatalogError for a missing table, a target that is not empty or cannot be written, photos as CSV, and a label
    that cannot be a folder name.
    """
    lake.check_published()
    snapshot, loaded = lake.current(name), lake.load(name)
    if snapshot is None or loaded is None:
        raise CatalogError(f"the lake has no table {name}: it has {', '.join(lake.tables())}")
    table = TABLES[name]
    if form == "csv" and any(c.type == "binary" for c in table.columns):
        raise CatalogError(f"{name} holds photos, which CSV cannot: export it as Parquet")
    if overlap(to, lake.uri):
        raise CatalogError(f"'{to}' and the lake '{lake.uri}' overlap: give --to a folder outside the lake")
    files = files_by_partition(loaded, snapshot.id)
    apart = table.partition if form == "parquet" else None
    columns = [c.name for c in table.columns if c.name != apart]
    whole = {"": [file for part in files.values() for file in part]}
    targets = {f"{folder_name(apart, value)}/": [*part] for value, part in files.items()} if apart else whole
    try:
        if holds_anything(to):
            raise CatalogError(f"'{to}' is not empty: give --to another folder, or empty this one first")
        rows = 0
        for folder, part in targets.items():
            uri = f"{to}/{folder}{name.split('.')[1]}.{form}"
            if exists(uri):
                raise CatalogError(f"'{uri}' already holds another label: '{to}' does not distinguish case")
            rows += _write(uri, table, part, columns, form)
        write_object(f"{to}/_SUCCESS", b"")
    except OSError as error:
        raise CatalogError(f"'{to}' cannot be written ({error.strerror or error}): give --to another folder") from error
    return rows, len(targets)


def folder_name(column: str, value: object) -> str:
    """The folder of a value, escaped as by Spark's `escapePathName`. Raises CatalogError if none can stand for it."""
    text = "" if value is None else str(value)
    name = f"{column}={''.join(f'%{ord(c):02X}' if c in _ESCAPED else c for c in text)}"
    if text in ("", _HIVE_NULL) or "\0" in text:
        raise CatalogError(f"the {column} {text!r} cannot be a folder's name: export as CSV")
    if len(name.encode()) > _MAX_FOLDER_NAME:
        raise CatalogError(
            f"the {column} '{text[:40]}…' is too long for a folder's name ({len(name.encode())} bytes, at most "
            f"{_MAX_FOLDER_NAME}): rename it, or export as CSV"
        )
    return name


def _write(uri: str, table: Table, files: list[str], columns: list[str], form: Format) -> int:
    schema = pa.schema([table.arrow_schema.field(c) for c in columns])
    count = 0
    batches = _batches(files, table, columns)
    with output_stream(uri) as stream:
        if form == "csv":
            stream.write(as_csv(schema.empty_table()).encode())
            for batch in batches:
                stream.write(as_csv(batch, header=False).encode())
                count += batch.num_rows
        else:
            # each run adds a small file per label: join them to row groups of a useful size
            groups = constrained_batches(batches, _GROUP_BYTES, get_len=lambda batch: batch.nbytes, strict=False)
            with pq.ParquetWriter(stream, schema) as writer:
                for rows in map(pa.Table.from_batches, groups):
                    writer.write_table(rows)
                    count += rows.num_rows
    return count


def _batches(files: list[str], table: Table, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Batches of one row group at a time: a dataset scanner reads several ahead, gigabytes if they hold photos."""
    for fragment in dataset_of(table, files).get_fragments() if files else ():
        for group in fragment.split_by_row_group():
            yield from group.to_batches(columns=columns, schema=table.arrow_schema, batch_size=_BATCH_ROWS)
