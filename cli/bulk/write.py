"""Answered rows as parts of a file, each written whole or not at all, and the parts put together at the end."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from cli.bulk.read import Format, Reject

__all__ = ["REJECTS", "joined", "replaced", "schema_of", "write_part", "write_rejects"]

REJECTS = ("line", "reason", "row")


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A path to write to; it takes the place of `path` when all went well, and never in part."""
    draft = path.with_name(path.name + ".draft")
    yield draft
    draft.replace(path)


def schema_of(columns: Sequence[str], schema: pa.Schema | None, answers: Mapping[str, pa.DataType]) -> pa.Schema:
    """Return the columns of an answered file: the input's (strings where it was not Parquet), then the answers'."""
    own = [schema.field(name) if schema is not None else pa.field(name, pa.string()) for name in columns]
    return pa.schema([*own, *(pa.field(name, kind) for name, kind in answers.items())])


def write_part(path: Path, kind: Format, rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> None:
    """Write rows as one part (CSV without its header), with the columns of `schema`, whole or not at all."""
    names = list(schema.names)
    with replaced(path) as draft:
        if kind is Format.PARQUET:
            typed = [{name: _typed(row.get(name), schema.field(name).type) for name in names} for row in rows]
            pq.write_table(pa.Table.from_pylist(typed, schema=schema), draft)
            return
        with draft.open("w", encoding="utf-8", newline="") as stream:
            if kind is Format.CSV:
                csv.writer(stream, lineterminator="\n").writerows(
                    [_cell(row.get(name)) for name in names] for row in rows
                )
            else:
                stream.writelines(json.dumps(dict(row), ensure_ascii=False, default=str) + "\n" for row in rows)


def write_rejects(path: Path, rejects: Sequence[Reject]) -> None:
    """Write rejects as one part, without a header."""
    with replaced(path) as draft, draft.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows((row.line, row.reason, row.row) for row in rejects)


def joined(
    out: Path,
    kind: Format,
    zipped: bool,
    parts: Sequence[Path],
    header: Sequence[str],
    schema: pa.Schema | None = None,
) -> None:
    """Put parts together into `out`, which is replaced only when all is written; `schema`: of Parquet."""
    with replaced(out) as draft:
        if kind is Format.PARQUET:
            with pq.ParquetWriter(draft, schema) as writer:
                for part in parts:
                    writer.write_table(pq.read_table(part, schema=schema))
            return
        with _byte_stream(draft, zipped) as stream:
            if kind is Format.CSV:
                stream.write(_line(header))
            for part in parts:
                with part.open("rb") as source:
                    shutil.copyfileobj(source, stream)


@contextmanager
def _byte_stream(path: Path, zipped: bool) -> Iterator[IO[bytes]]:
    with path.open("wb") as raw:
        if not zipped:
            yield raw
            return
        # No time and no name in it: equal content gives equal bytes.
        with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as stream:
            yield stream  # type: ignore[misc]


def _line(fields: Sequence[str]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(fields)
    return buffer.getvalue().encode("utf-8")


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict | list) else value


def _typed(value: Any, kind: pa.DataType) -> Any:
    if value is None or not pa.types.is_string(kind) or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
