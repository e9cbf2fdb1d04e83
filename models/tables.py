"""A file of texts as a table of strings: CSV, JSONL or Parquet, and in which line each of its rows stands."""

import csv
import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from models.errors import DataInvalid

KINDS = ("csv", "jsonl", "parquet")


def kind_of(path: Path) -> str:
    """Return csv, jsonl or parquet, by the name's ending (before .gz); csv where it says nothing."""
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    last = suffixes[-1] if suffixes else ""
    if last in (".jsonl", ".ndjson"):
        return "jsonl"
    return "parquet" if last in (".parquet", ".pq") else "csv"


def read(path: Path) -> pd.DataFrame:
    """Return a file as a table of strings, nothing as ""; raise DataInvalid where it cannot be read."""
    kind = kind_of(path)
    try:
        if kind == "parquet":
            return _strings(pq.read_table(path))
        if kind == "jsonl":
            return _jsonl(path)
        return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, gzip.BadGzipFile, EOFError) as problem:
        raise DataInvalid(
            f"{path.name} cannot be read as {_name(kind)} in UTF-8 ({_first_line(problem)}); save it as such"
        ) from problem
    except pa.ArrowException as problem:
        raise DataInvalid(
            f"{path.name} cannot be read as {_name(kind)} ({_first_line(problem)}); save it again"
        ) from problem


def lines(path: Path, rows: int) -> list[int]:
    """Return the line, from 1, in which each of a file's `rows` rows begins; of Parquet the row's number."""
    kind = kind_of(path)
    if kind == "parquet":
        return list(range(1, rows + 1))
    with _opened(path) as stream:
        if kind == "jsonl":
            return [at for at, line in enumerate(stream, 1) if line.strip()]
        csv.field_size_limit(1 << 30)
        found, last = [], 0
        reader = csv.reader(stream)
        for record in reader:
            if record:
                found.append(last + 1)
            last = reader.line_num
    # Where the two readers see other records (a stray quote), a record's number is better than a wrong line.
    return found[1:] if len(found) == rows + 1 else list(range(2, rows + 2))


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, "rt", encoding="utf-8", newline="") as stream:
        yield stream


def _jsonl(path: Path) -> pd.DataFrame:
    rows = []
    with _opened(path) as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as problem:
                raise DataInvalid(f"{path.name} line {number} is not JSON ({problem}); correct it") from problem
            if not isinstance(row, dict):
                raise DataInvalid(f"{path.name} line {number} is not a JSON object; correct it")
            rows.append({key: _word(value) for key, value in row.items()})
    if not rows:
        raise DataInvalid(f"{path.name} has no rows; check the file")
    return pd.DataFrame(rows, dtype=object).fillna("").astype(str)


def _word(value: object) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, str):
        return value
    # A whole number stays one, whatever wrote it: 1 and 1.0 are the same label.
    return str(int(value)) if isinstance(value, float) and value.is_integer() else json.dumps(value)


def _strings(table: pa.Table) -> pd.DataFrame:
    columns = {}
    for name in table.column_names:
        column = table.column(name)
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_floating(column.type):
            columns[name] = [_word(value) for value in column.to_pylist()]
        elif pa.types.is_nested(column.type):
            continue
        else:
            columns[name] = column.cast(pa.string()).fill_null("").to_pylist()
    return pd.DataFrame(columns, dtype=object).astype(str)


def _name(kind: str) -> str:
    return kind.capitalize() if kind == "parquet" else kind.upper()


def _first_line(problem: Exception) -> str:
    return str(problem).strip().splitlines()[0]
