"""The tables of an archive, row by row: CSV, JSONL and Parquet, as they are, gzipped or in a zip. Memory stays bounded.

A row that cannot be read is a `Fault` in its place; what ends the reading of a whole file is an error.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import lzma
import re
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.parquet as parquet

from pipeline.errors import InputError

__all__ = ["KINDS", "Fault", "Rows", "Table", "tables_of"]

KINDS = ("csv", "jsonl", "ndjson", "parquet")
_PEEK = 1_000
_CHUNK = 1 << 20
# A field or line over this is damage (an unclosed quote), not a text.
_FIELD_LIMIT = 1 << 20
_LINE_LIMIT = 16 << 20
# Parquet is read from disk only, and is packed already: a zip or gzip of it that grows so much is a bomb.
_UNPACKED_TIMES, _UNPACKED_LEAST = 100, 100 << 20
_BATCH = 5_000
_TOLD = 1_000
_DAMAGE = (pa.ArrowInvalid, EOFError, csv.Error, gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True)
class Fault:
    """A row that could not be read: why, and the beginning of it."""

    says: str
    text: str = ""


# The number of a row in its file (for CSV its last line, for JSONL its line, for Parquet its place), and what it holds.
Rows = Iterator[tuple[int, "dict[str, Any] | Fault"]]


@dataclass(frozen=True)
class Table:
    """One table: `columns` as far as they are known at the start, all of them unless it is `open_ended` (JSONL).

    `rows(columns)` reads it from the start, calling `moved` with the bytes it has read so far (of `size`).
    """

    name: str
    columns: Sequence[str]
    size: int
    rows: Callable[[Sequence[str], Callable[[int], None]], Rows]
    open_ended: bool = False
    notes: tuple[str, ...] = ()


def tables_of(path: Path) -> list[Table]:
    """The tables in the file `path`, their headers read.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    kind = _kind(path.name)
    with told(str(path)):
        if path.suffix.lower() == ".zip":
            return _zipped(path)
        if not kind:
            raise InputError(
                f"{path}: give a .csv, .jsonl or .parquet file, or one of these in a .gz, or any number in a .zip."
            )
        size = path.stat().st_size
        return [_table(path.name, str(path), kind, size, lambda: _Opened(path.open("rb"), _most(size)))]


class _TooMuch(Exception):
    """A file unpacks to more than it may; the text says what to do."""


@contextmanager
def told(name: str, kind: str = "") -> Iterator[None]:
    """Whatever stops the reading of the file becomes one line that says what to do."""
    try:
        yield
    except _TooMuch as error:
        raise InputError(f"{name}: {error}") from error
    except OSError as error:
        if isinstance(error, gzip.BadGzipFile):
            raise InputError(f"{name}: the gzip is broken ({error}). Fetch it again.") from error
        raise InputError(f"{name}: cannot be read ({error.strerror or error}). Check the path and the file.") from error
    except _DAMAGE as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        what = f"cannot be read as {kind} ({first})" if kind else f"cannot be read ({first})"
        raise InputError(f"{name}: {what}. Check that it is whole, and what its name says.") from error
    except NotImplementedError as error:
        raise InputError(f"{name}: it is packed in an unusual way ({error}). Pack it anew as a plain zip.") from error
    except RuntimeError as error:
        if "password" not in str(error):
            raise
        raise InputError(f"{name}: it is locked with a password. Unpack it first.") from error


def _kind(name: str) -> str:
    kind = name.lower().removesuffix(".gz").rpartition(".")[2]
    return kind if kind in KINDS else ""


def _zipped(path: Path) -> list[Table]:
    found, left = [], []
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            base = info.filename.rpartition("/")[2]
            if info.is_dir() or base.startswith(".") or info.filename.startswith("__MACOSX/"):
                continue
            if kind := _kind(base):
                found.append((info, kind))
            else:
                left.append(info.filename)
    if not found:
        raise InputError(f"{path}: no .csv, .jsonl or .parquet file is in it.")

    def opener(info: zipfile.ZipInfo) -> Callable[[], _Opened]:
        def opened() -> _Opened:
            archive = zipfile.ZipFile(path)
            try:
                return _Opened(archive.open(info), _most(info.compress_size), archive)
            except BaseException:
                archive.close()
                raise

        return opened

    tables = [
        _table(info.filename, f"{path}: {info.filename}", kind, info.file_size, opener(info)) for info, kind in found
    ]
    if left:
        note = f"left out of the zip, as it is no table: {', '.join(left[:5])}{' …' if len(left) > 5 else ''}"
        tables[0] = Table(**{**vars(tables[0]), "notes": (note, *tables[0].notes)})
    return tables


def _most(packed: int) -> int:
    """So many bytes may a file of `packed` bytes unpack to on disk."""
    return max(_UNPACKED_LEAST, _UNPACKED_TIMES * packed)


class _Opened:
    """A file in the archive, unpacked as it is read; `raw` tells how far it is. On disk it may have `most` bytes."""

    def __init__(self, raw: IO[bytes], most: int, *others: Any) -> None:
        self._stack, self._most = ExitStack(), most
        for other in others:
            self._stack.enter_context(other)
        self.raw = self._stack.enter_context(raw)
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        self.stream: IO[bytes] = raw
        if packed:
            self.stream = cast(IO[bytes], self._stack.enter_context(gzip.GzipFile(fileobj=raw)))

    def text(self, encoding: str) -> io.TextIOWrapper:
        """The same as text; what has no meaning in the encoding becomes a mark."""
        return self._stack.enter_context(io.TextIOWrapper(self.stream, encoding, errors="replace", newline=""))

    def seekable(self) -> IO[bytes]:
        """The same on disk, for those who must jump about in it.

        Raises:
            _TooMuch: it unpacks to more than it may.
        """
        if self.stream is self.raw and isinstance(self.raw, io.BufferedReader):
            return self.stream
        copy = self._stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        size = 0
        while chunk := self.stream.read(_CHUNK):
            size += len(chunk)
            if size > self._most:
                raise _TooMuch(
                    f"it unpacks to over {self._most:,} bytes, {_UNPACKED_TIMES} times what is packed."
                    " If that is right, unpack it yourself and import the .parquet file."
                )
            copy.write(chunk)
        copy.seek(0)
        return copy

    def __enter__(self) -> _Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def _table(name: str, where: str, kind: str, size: int, opened: Callable[[], _Opened]) -> Table:
    readers = {"csv": _csv, "jsonl": _jsonl, "ndjson": _jsonl, "parquet": _parquet}
    with told(where, kind):
        columns, rows, notes = readers[kind](opened)

    def guarded(wanted: Sequence[str], moved: Callable[[int], None]) -> Rows:
        with told(where, kind), opened() as file:
            yield from rows(file, wanted, moved)

    return Table(name, columns, size, guarded, open_ended=readers[kind] is _jsonl, notes=notes)


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    """The lines of a text, none longer than a field may be: one without an end would fill the memory."""
    while line := text.readline(_LINE_LIMIT):
        if len(line) == _LINE_LIMIT and not line.endswith("\n"):
            raise csv.Error(f"a line is longer than {_LINE_LIMIT:,} characters")
        yield line


_Read = Callable[[_Opened, Sequence[str], Callable[[int], None]], Rows]


def _csv(opened: Callable[[], _Opened]) -> tuple[list[str], _Read, tuple[str, ...]]:
    csv.field_size_limit(_FIELD_LIMIT)
    encoding, notes = _encoding(opened)

    with opened() as file:
        first = file.text(encoding).readline(_FIELD_LIMIT)
    delimiter = "," if "," in first else max(";\t|,", key=first.count)
    with opened() as file:
        header: list[str] = next(csv.reader(_lines(file.text(encoding)), delimiter=delimiter), [])
    if not header:
        raise csv.Error("it is empty")

    def rows(file: _Opened, wanted: Sequence[str], moved: Callable[[int], None]) -> Rows:
        lines = csv.reader(_lines(file.text(encoding)), delimiter=delimiter)
        next(lines)
        while True:
            try:
                cells = next(lines)
            except StopIteration:
                return
            except csv.Error as error:
                yield lines.line_num, Fault(f"{error}; is a quote not closed?")
                continue
            if not lines.line_num % _TOLD:
                moved(file.raw.tell())
            if len(cells) == len(header):
                yield lines.line_num, dict(zip(header, cells, strict=True))
            elif cells:
                says = f"{len(cells)} cells where the header has {len(header)}"
                yield lines.line_num, Fault(says, delimiter.join(cells))

    return header, rows, notes


def _encoding(opened: Callable[[], _Opened]) -> tuple[str, tuple[str, ...]]:
    with opened() as file:
        head = file.stream.read(4)
        for bom, name in _BOMS:
            if head.startswith(bom):
                return name, ()
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            decoder.decode(head)
            while chunk := file.stream.read(_CHUNK):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            # What spreadsheets on Windows write; nearly every byte has a meaning in it.
            return "cp1252", ("the file is not UTF-8 and was read as Windows-1252",)
    return "utf-8", ()


def _jsonl(opened: Callable[[], _Opened]) -> tuple[list[str], _Read, tuple[str, ...]]:
    def rows(file: _Opened, wanted: Sequence[str], moved: Callable[[int], None]) -> Rows:
        number = 0
        while line := file.stream.readline(_LINE_LIMIT):
            number += 1
            if not number % _TOLD:
                moved(file.raw.tell())
            if len(line) == _LINE_LIMIT and not line.endswith(b"\n"):
                while (rest := file.stream.readline(_LINE_LIMIT)) and not rest.endswith(b"\n"):
                    pass
                yield (
                    number,
                    Fault(f"the line is longer than {_LINE_LIMIT:,} bytes", line[:500].decode("utf-8", "replace")),
                )
            elif text := line.decode("utf-8", "replace").strip().removeprefix("\ufeff"):
                yield number, _object(text)

    names: dict[str, None] = {}
    with opened() as file:
        for _, row in islice(rows(file, (), lambda _: None), _PEEK):
            if isinstance(row, dict):
                names.update(dict.fromkeys(row))
    return list(names), rows, ()


def _object(text: str) -> dict[str, Any] | Fault:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Fault(f"no JSON: {re.sub(r'[:(].*', '', str(error)).strip()}", text)
    if not isinstance(found, dict):
        return Fault("no JSON object", text)
    return {str(key): None if value is None else str(value) for key, value in found.items()}


def _parquet(opened: Callable[[], _Opened]) -> tuple[list[str], _Read, tuple[str, ...]]:
    def rows(file: _Opened, wanted: Sequence[str], moved: Callable[[int], None]) -> Rows:
        number = 0
        source = parquet.ParquetFile(file.seekable())
        for batch in source.iter_batches(_BATCH, columns=list(wanted)):
            columns = {name: _cells(batch.column(name)) for name in batch.schema.names}
            for i in range(batch.num_rows):
                number += 1
                yield number, {name: cells[i] for name, cells in columns.items()}
            moved(int(source.metadata.serialized_size * number / max(1, source.metadata.num_rows)))

    with opened() as file:
        return list(parquet.ParquetFile(file.seekable()).schema_arrow.names), rows, ()


def _cells(column: pa.Array) -> list[Any]:
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError, pa.ArrowInvalid):
        # A moment that Python cannot hold: as text, to be refused as a date and not as a file.
        return list(column.cast(pa.string()).to_pylist())
