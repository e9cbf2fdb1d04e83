"""`barograph export`: any table of the store, or the series as they are read, as a file; as of a time, too."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.common import ConfigOption, bars, opened, out, settings_of
from cli.then import AsOfOption
from cli.times import moment
from pipeline.errors import InputError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["register"]

TableArgument = Annotated[
    str, typer.Argument(metavar="TABLE", help="Such as articles, scores, trends, incidents; `series`: with the index.")
]
ToOption = Annotated[
    Path | None, typer.Option("--to", help="The file: .csv, .jsonl or .parquet; TABLE.csv here, if left out.")
]


class Format(StrEnum):
    """What --format takes."""

    csv = "csv"
    jsonl = "jsonl"
    parquet = "parquet"


def register(app: typer.Typer) -> None:
    """Add `export`."""
    app.command("export")(_export)


def _export(
    table: TableArgument,
    to: ToOption = None,
    format_: Annotated[
        Format | None, typer.Option("--format", help="If the file's name does not tell; csv for spreadsheets.")
    ] = None,
    as_of: AsOfOption = None,
    published: Annotated[
        bool, typer.Option("--published", help="From the published snapshot (stories, labels, …), not the store.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Write one table to a file: of the store as it stands, as it was known --as-of a time, or of the snapshot.

    `series` are the trends with index, band, net sentiment, buzz and coverage. In CSV no cell is a formula: text that a
    spreadsheet could run starts with an apostrophe.

    Example: barograph export series --as-of 2026-03-03 --to then.parquet
    """
    path, chosen = _place(table, to, format_)
    if published and as_of is not None:
        raise UsageError(
            "a snapshot holds one moment: publish another with `barograph publish --as-of TIME --to DIR`, "
            "or leave out --published."
        )
    with _beside(path) as parts:
        if published:
            said = _unload_snapshot(table, parts, config)
        else:
            said = _unload(table, parts, moment(as_of) if as_of else None, config)
        _write(parts, path, chosen)
    out.print(f"{said} → {path}")


def _place(table: str, to: Path | None, format_: Format | None) -> tuple[Path, Format]:
    """The file and its format: as asked for, else as its name tells, else CSV."""
    suffix = to.suffix.lstrip(".").lower() if to else ""
    named = Format(suffix) if suffix in set(Format) else None
    chosen = format_ or named or Format.csv
    path = to or Path(f"{table}.{chosen}")
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such folder. Make it, or name another with --to.")
    return path, chosen


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A temporary file in the same folder, so that the result can take its place in one step."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".parquet", dir=path.parent)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}). Name another file with --to.") from error
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _unload(table: str, parts: Path, as_of: datetime | None, config: Path | None) -> str:
    from pipeline.export import unload

    with opened(config) as context:
        with context.warehouse.read() as con:
            rows = unload(con, table, parts, as_of, context.progress)
        demo = ", DEMO data" if context.settings.demo else ""
    then = f" as known at {as_of:%Y-%m-%d %H:%M} UTC" if as_of else ""
    return f"{rows:,} rows of {table}{then}{demo}"


def _unload_snapshot(table: str, parts: Path, config: Path | None) -> str:
    import pyarrow.parquet as pq

    from pipeline.publish.snapshot import Snapshot

    # The settings alone: a snapshot is read without opening the store.
    settings = settings_of(config)
    snapshot = Snapshot.open(settings.store.published)
    rows = snapshot.arrow(table)
    pq.write_table(rows, parts, compression="zstd")
    demo = ", DEMO data" if snapshot.demo else ""
    return f"{rows.num_rows:,} rows of {table} (snapshot {snapshot.snapshot_id}{demo})"


def _write(parts: Path, path: Path, chosen: Format) -> None:
    from pipeline.export import batches

    try:
        if chosen is Format.parquet:
            parts.chmod(0o666 & ~_umask())
            parts.replace(path)
            return
        finished = parts.with_suffix(".writing")
        with bars() as progress, finished.open("w", encoding="utf-8", newline="") as file:
            first = True
            for batch in batches(parts, progress):
                file.write(_WRITERS[chosen](batch, first))
                first = False
            if first:
                file.write(_WRITERS[chosen](_header(parts), True))
        finished.replace(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}). Name another file with --to.") from error


def _csv(batch: pa.RecordBatch, first: bool) -> str:
    from dashboards.export import spreadsheet_safe

    frame = spreadsheet_safe(batch.to_pandas())
    return str(frame.to_csv(index=False, header=first, date_format="%Y-%m-%dT%H:%M:%S.%fZ"))


def _jsonl(batch: pa.RecordBatch, first: bool) -> str:
    rows = (json.dumps(row, default=_plain, ensure_ascii=False, allow_nan=False) for row in _finite(batch))
    return "".join(f"{row}\n" for row in rows)


_WRITERS: dict[Format, Callable[[Any, bool], str]] = {Format.csv: _csv, Format.jsonl: _jsonl}


def _finite(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """The rows, with null for what is no number: JSON knows no NaN."""
    for row in batch.to_pylist():
        yield {name: None if isinstance(value, float) and value != value else value for name, value in row.items()}


def _header(parts: Path) -> pa.RecordBatch:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pq.read_schema(parts)
    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _umask() -> int:
    known = os.umask(0)
    os.umask(known)
    return known
