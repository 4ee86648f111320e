"""Take rows out of a partitioned table: the files that hold them are written anew, the others stay as they are.

    current snapshot ──which files hold such a row?──▶ <table>/rewrite=<id>/batch=<batch>/ ──▶ next snapshot
                                                       <table>/snapshot=<id>/label=<label>/

A batch without such a row keeps its folder; a table that is replaced as a whole gets a new one. In a new folder the
files without such a row are links to, or copies of, the old ones. Nothing that readers see is changed: they go on with
the snapshot before until the pointer moves, and that is in one step.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Set
from dataclasses import replace
from datetime import UTC, datetime
from posixpath import basename
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalog.protocol import Catalog
from catalog.snapshot import Snapshot
from catalog.storage import delete_folder, files, filesystem, is_remote
from catalog.tables import TABLES

Unwanted = Mapping[str, Set[str]]  # a row goes if one of these columns has one of these values


def rows_like(catalog: Catalog, snapshot: Snapshot, unwanted: Unwanted, columns: list[str]) -> pa.Table:
    """The snapshot's unwanted rows, without their large columns, to look at before they go."""
    found = [_matches(uri, batch, snapshot, unwanted, columns) for batch, uri in _files_of(catalog, snapshot)]
    return pa.concat_tables(found) if found else pa.table({c: pa.array([], pa.string()) for c in columns})


def without_rows(
    catalog: Catalog, table: str, unwanted: Unwanted, run: str, parameters: Mapping[str, str] | None = None
) -> int:
    """Publish the table without these rows, as snapshot `run`. Returns how many went; 0: nothing was published.

    parameters are stored with the snapshot, besides those it has.
    """
    current = catalog.current(table)
    if current is None or not any(unwanted.values()):
        return 0
    holding: dict[str, dict[str, int]] = {}
    for batch, uri in _files_of(catalog, current):
        gone = _matches(uri, batch, current, unwanted, []).num_rows
        if gone:
            holding.setdefault(batch, {})[uri] = gone
    if not holding:
        return 0
    root, whole = table.replace(".", "/"), TABLES[table].mode == "replace"
    partitions = dict(current.partitions)
    size = current.bytes
    for batch in current.partitions if whole else holding:
        dirty = holding.get(batch, {})
        old = _parquet(f"{catalog.lake}/{partitions[batch]}")
        folder = f"{root}/{'snapshot' if whole else 'rewrite'}={run}/{basename(partitions[batch])}"
        if _write(old, dirty, f"{catalog.lake}/{folder}", _of_batch(unwanted, current, batch)):
            partitions[batch] = folder
            size += sum(f.size for f in files(f"{catalog.lake}/{folder}"))
        else:
            del partitions[batch]
        size -= sum(old.values())
    gone = sum(sum(dirty.values()) for dirty in holding.values())
    catalog.publish(
        replace(
            current,
            id=run,
            location=f"{root}/snapshot={run}" if whole else current.location,
            partitions=partitions,
            rows=current.rows - gone,
            bytes=size,
            parameters={**current.parameters, "rows_added": "0", "rows_erased": str(gone), **(parameters or {})},
            parent=current.id,
            created_at=_now(),
        )
    )
    return gone


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _files_of(catalog: Catalog, snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Partition value and URI of every file of the snapshot."""
    for batch, folder in snapshot.partitions.items():
        for uri in _parquet(f"{catalog.lake}/{folder}"):
            yield batch, uri


def _parquet(folder: str) -> dict[str, int]:
    """Size by URI of the Parquet files right in a folder."""
    return {f"{folder}/{basename(f.path)}": f.size for f in files(folder) if f.path.endswith(".parquet")}


def _of_batch(unwanted: Unwanted, snapshot: Snapshot, batch: str) -> Unwanted | None:
    """What to look for inside the batch's files; None: the whole batch goes."""
    if batch in unwanted.get(snapshot.partition_by or "", ()):
        return None
    return {column: values for column, values in unwanted.items() if column != snapshot.partition_by}


def _matches(uri: str, batch: str, snapshot: Snapshot, unwanted: Unwanted, columns: list[str]) -> pa.Table:
    inside = _of_batch(unwanted, snapshot, batch)
    fs, path = filesystem(uri)
    wanted = [c for c in dict.fromkeys([*columns, *(inside or {})]) if c != snapshot.partition_by]
    rows = pq.read_table(path, filesystem=fs, columns=wanted or [snapshot.columns[0].name], partitioning=None)
    found = rows if inside is None else rows.filter(_holding(rows, inside))
    if snapshot.partition_by in columns:  # it stands in the folder's name, not in the file
        found = found.append_column(snapshot.partition_by, pa.array([batch] * found.num_rows, pa.string()))
    return found.select(columns) if columns else found


def _holding(rows: pa.Table, unwanted: Unwanted) -> Any:
    """A mask of the unwanted rows."""
    mask = pa.array([False] * rows.num_rows, pa.bool_())
    for column, values in unwanted.items():
        mask = pc.or_(mask, pc.is_in(rows[column], value_set=pa.array(sorted(values), pa.string())))
    return mask


def _write(old: Mapping[str, int], dirty: Set[str] | Mapping[str, int], folder: str, unwanted: Unwanted | None) -> int:
    """Fill the new folder with what stays of the old files; returns how many files it holds."""
    written = 0
    if unwanted is None:
        return written
    fs, path = filesystem(folder)
    fs.create_dir(path, recursive=True)
    for uri in old:
        target = f"{folder}/{basename(uri)}"
        if uri in dirty:
            written += _filter(uri, target, unwanted)
        else:
            _link(uri, target)
            written += 1
    if not written:
        delete_folder(folder)  # its name may be what has to go
    return written


def _filter(source: str, target: str, unwanted: Unwanted) -> bool:
    """Copy a file's other rows, as they were coded; False, and no file, if there are none."""
    fs, path = filesystem(source)
    with fs.open_input_file(path) as stream:
        file = pq.ParquetFile(stream)
        looked_at = file.read(columns=list(unwanted))
        if pc.all(_holding(looked_at, unwanted)).as_py():
            return False
        out_fs, out = filesystem(target)
        with pq.ParquetWriter(out, file.schema_arrow, filesystem=out_fs, **_coding(file)) as writer:
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group)
                writer.write_table(rows.filter(pc.invert(_holding(rows, unwanted))))
    return True


def _coding(file: pq.ParquetFile) -> dict[str, Any]:
    """How Spark coded the file: compression by column, and its old form of timestamps."""
    group = file.metadata.row_group(0)
    columns = [group.column(i) for i in range(group.num_columns)]
    simple = [f.name for f in file.schema_arrow if not pa.types.is_nested(f.type) and not pa.types.is_binary(f.type)]
    return {
        "compression": {c.path_in_schema: c.compression.lower().replace("uncompressed", "none") for c in columns},
        "use_deprecated_int96_timestamps": any(c.physical_type == "INT96" for c in columns),
        "use_dictionary": False,  # photos and vectors do not repeat
        "write_statistics": simple,
    }


def _link(source: str, target: str) -> None:
    if not is_remote(source):
        try:
            return os.link(source, target)
        except OSError:  # a file system without links; if it is something else, the copy says so
            shutil.copyfile(source, target)
            return
    fs, path = filesystem(source)
    fs.copy_file(path, filesystem(target)[1])
