"""Rows of CSV, JSONL and Parquet files, one chunk in memory at a time. A row that cannot be used is a reject."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from models.errors import DataInvalid

__all__ = ["Chunk", "Format", "Reject", "Row", "Rows", "Stamp", "format_of", "opened", "stamp"]

LONGEST_LINE = 16 * 2**20
_SHOWN = 200
_READ = 2**20


class Format(StrEnum):
    """What a file is, by its name; .gz may follow for the first two."""

    CSV = ".csv"
    JSONL = ".jsonl"
    PARQUET = ".parquet"


@dataclass(frozen=True)
class Reject:
    """A row that cannot be used. `line`: its first line (Parquet: row), from 1; `row`: its beginning, where known."""

    line: int
    reason: str
    row: str = ""


Row = tuple[int, dict[str, Any]]


@dataclass
class Chunk:
    """Up to `size` rows in their order, each beside its line, and those of them that cannot be used."""

    rows: list[Row] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows) + len(self.rejects)


@dataclass(frozen=True)
class Stamp:
    """What tells one file from another, and about how many rows it has (line breaks in quotes count as rows)."""

    sha256: str
    rows: int


def format_of(path: Path) -> tuple[Format, bool]:
    """Return the format of a file and whether it is gzipped; raise DataInvalid where its name does not tell."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    zipped = suffixes[-1:] == [".gz"]
    last = suffixes[-2:-1] if zipped else suffixes[-1:]
    known = {".csv": Format.CSV, ".jsonl": Format.JSONL, ".ndjson": Format.JSONL, ".parquet": Format.PARQUET}
    found = known.get(last[0]) if last else None
    if found is None or (zipped and found is Format.PARQUET):
        raise DataInvalid(f"{path.name} must end in .csv, .jsonl (.gz may follow either) or .parquet; rename it")
    return found, zipped


@contextmanager
def opened(path: Path, zipped: bool) -> Iterator[IO[bytes]]:
    """Open a file, gzipped or not; raise DataInvalid where it is missing or not what its name says."""
    if not path.is_file():
        raise DataInvalid(f"{path} is not there; name an existing file")
    try:
        with gzip.open(path) if zipped else path.open("rb") as stream:
            yield cast(IO[bytes], stream)
    except (gzip.BadGzipFile, EOFError) as problem:
        raise DataInvalid(f"{path.name} is cut or no gzip file ({problem}); fetch it again") from problem


def stamp(path: Path) -> Stamp:
    """Read a file once for its sha256 and its number of rows."""
    kind, zipped = format_of(path)
    with opened(path, False) as raw:
        sha256 = hashlib.file_digest(cast(BufferedReader, raw), "sha256").hexdigest()
    if kind is Format.PARQUET:
        return Stamp(sha256, _parquet(path).metadata.num_rows)
    lines, last = 0, b"\n"
    with opened(path, zipped) as stream:
        while block := stream.read(_READ):
            lines, last = lines + block.count(b"\n"), block[-1:]
    return Stamp(sha256, max(0, lines + (last != b"\n") - (kind is Format.CSV)))


class Rows:
    """The rows of one file. `columns`: their fields, known once the first chunk is read; `schema`: of Parquet only."""

    def __init__(self, path: Path, size: int) -> None:
        self.columns: list[str] = []
        self.schema: pa.Schema | None = None
        self._path, self._size = path, size
        self._format, self._zipped = format_of(path)

    def chunks(self) -> Iterator[Chunk]:
        """Yield chunks of `size` rows, the last one shorter. An empty file has none.

        Raises DataInvalid where the file as a whole cannot be read.
        """
        if self._format is Format.PARQUET:
            yield from self._parquet_chunks()
            return
        rows = self._csv_rows() if self._format is Format.CSV else self._jsonl_rows()
        if self._format is Format.JSONL:
            # Its first chunk says what the fields are.
            first = self._gathered(rows)
            self.columns = list(dict.fromkeys(chain.from_iterable(row for _, row in first.rows)))
            yield from ([first] if len(first) else [])
        while len(chunk := self._gathered(rows)):
            yield chunk

    def _gathered(self, rows: Iterator[Row | Reject]) -> Chunk:
        chunk = Chunk()
        for row in rows:
            if isinstance(row, Reject):
                chunk.rejects.append(row)
            elif self.columns and (strange := [name for name in row[1] if name not in self.columns]):
                why = f"has the field {strange[0]!r}, which no row at the beginning of the file has"
                chunk.rejects.append(Reject(row[0], why, str(row[1])[:_SHOWN]))
            else:
                chunk.rows.append(row)
            if len(chunk) == self._size:
                break
        return chunk

    def _csv_rows(self) -> Iterator[Row | Reject]:
        csv.field_size_limit(LONGEST_LINE)
        with opened(self._path, self._zipped) as stream:
            lines = _text(_lines(stream, self._path))
            # Strict: an unclosed quote is a bad row, not a text of a thousand lines.
            reader = csv.reader(lines, strict=True)
            self.columns = self._header(next(reader, None))
            while True:
                line = reader.line_num + 1
                try:
                    fields = next(reader)
                except StopIteration:
                    return
                except csv.Error as problem:
                    yield Reject(line, f"lines {line} to {reader.line_num} are not CSV: {problem}")
                    continue
                if fields:
                    yield self._csv_row(fields, line)

    def _header(self, header: Sequence[str] | None) -> list[str]:
        if not header:
            raise DataInvalid(f"{self._path.name} has no header line; give it one with the names of its columns")
        if twice := [name for at, name in enumerate(header) if name in header[:at]]:
            raise DataInvalid(f"{self._path.name} has two columns {twice[0]!r}; rename one")
        return list(header)

    def _csv_row(self, fields: list[str], line: int) -> Row | Reject:
        raw = ",".join(fields)
        if len(fields) != len(self.columns):
            return Reject(line, f"has {len(fields)} fields, the header {len(self.columns)}", _shown(raw))
        if not _is_unicode(raw):
            return Reject(line, "is not UTF-8", _shown(raw))
        return line, dict(zip(self.columns, fields, strict=True))

    def _jsonl_rows(self) -> Iterator[Row | Reject]:
        with opened(self._path, self._zipped) as stream:
            for line, raw in enumerate(_lines(stream, self._path), 1):
                if raw.strip():
                    yield _json_row(raw, line)

    def _parquet_chunks(self) -> Iterator[Chunk]:
        file = _parquet(self._path)
        self.schema = file.schema_arrow
        self.columns = list(self.schema.names)
        try:
            waiting: list[Row] = []
            number = 0
            for batch in file.iter_batches(batch_size=self._size):
                waiting += enumerate(batch.to_pylist(), number + 1)
                number += batch.num_rows
                # Batches end with their row group: chunks must not depend on how a file was written.
                while len(waiting) >= self._size:
                    yield Chunk(waiting[: self._size])
                    waiting = waiting[self._size :]
        except (pa.ArrowException, OSError) as problem:
            raise DataInvalid(f"{self._path.name} is cut or damaged ({problem}); fetch it again") from problem
        if waiting:
            yield Chunk(waiting)


def _parquet(path: Path) -> pq.ParquetFile:
    with opened(path, False):
        pass
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as problem:
        raise DataInvalid(f"{path.name} is cut or no Parquet file ({problem}); fetch it again") from problem


def _lines(stream: IO[bytes], path: Path) -> Iterator[bytes]:
    number = 0
    while line := stream.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE:
            raise DataInvalid(f"line {number} of {path.name} is longer than {LONGEST_LINE:,} bytes: is it text?")
        yield line


def _text(lines: Iterator[bytes]) -> Iterator[str]:
    for at, line in enumerate(lines):
        yield (line.removeprefix(b"\xef\xbb\xbf") if at == 0 else line).decode("utf-8", "surrogateescape")


def _json_row(raw: bytes, line: int) -> Row | Reject:
    try:
        text = raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError:
        return Reject(line, "is not UTF-8", _shown(raw.decode("utf-8", "replace")))
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as problem:
        return Reject(line, f"is not JSON: {problem}", _shown(text))
    if not isinstance(row, dict):
        return Reject(line, "is not a JSON object", _shown(text))
    if not _is_unicode(json.dumps(row, ensure_ascii=False)):
        return Reject(line, "holds half a character (a lone surrogate)", _shown(text))
    return line, row


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _shown(raw: str) -> str:
    return raw.strip()[:_SHOWN].encode("utf-8", "replace").decode("utf-8")
