"""Archives into `articles`: CSV, JSONL or Parquet, or a DataFrame. Importing one again adds nothing.

An imported article was not seen when it appeared, so `known_at` is assumed: 15 minutes after a time, a day after a
day, a month after a month; without a date it is the time of the import, and the article is in no series.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import logging
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as parquet

from pipeline.context import Context, Report, reporting
from pipeline.errors import InputError
from pipeline.ingest.dates import Dated, Flag, Precision, parse_date
from pipeline.ingest.identity import article_id, content_sha256
from pipeline.ingest.links import http_link
from pipeline.ingest.load import ARTICLES
from pipeline.ingest.text import SUMMARY_LIMIT, TITLE_LIMIT, plain_text
from pipeline.publishers import owner_of
from pipeline.warehouse import Transaction

__all__ = ["FIELDS", "import_archive", "import_frame", "zone_of"]

logger = logging.getLogger(__name__)

FIELDS = ("title", "published_at", "summary", "url", "language", "publisher")
_REQUIRED = ("title", "published_at")
_ALSO_KNOWN_AS = {"link": "url"}
_CHUNK = 50_000
_LAG = {
    Precision.SECOND: timedelta(minutes=15),
    Precision.DAY: timedelta(days=1),
    Precision.MONTH: timedelta(days=31),
}
_ROWS = pa.schema([*ARTICLES, ("known_at", pa.timestamp("us", tz="UTC"))])
_FEEDS = pa.schema(
    [
        *((name, pa.string()) for name in ("feed_id", "url", "title", "publisher", "kind", "language", "status")),
        ("added_at", pa.timestamp("us", tz="UTC")),
        ("failures", pa.int32()),
    ]
)
_PUBLISHERS = pa.schema([("publisher", pa.string()), ("owner", pa.string()), ("timezone", pa.string())])


def import_archive(
    context: Context,
    path: Path,
    publisher: str | None = None,
    columns: Mapping[str, str] | None = None,
    tz: str = "UTC",
    feed_id: str | None = None,
) -> Report:
    """Import the file `path` (.csv, .jsonl or .parquet; the first two also gzipped).

    `columns` maps our `FIELDS` to the file's columns; those of the same name need no mapping. `tz` is the zone of
    times that name none. `publisher` may come from a column instead.

    Raises:
        InputError: the file cannot be read, or a column is missing.
    """
    with reporting("import") as report:
        table = _read(path, report)
        mapped = _mapped(table.column_names, columns or {}, str(path))
        names = {field: table[column].to_pylist() for field, column in mapped.items()}
        _import(context, report, names, table.num_rows, publisher, tz, feed_id, str(path))
    return report


def import_frame(
    context: Context,
    frame: pd.DataFrame,
    publisher: str | None = None,
    columns: Mapping[str, str] | None = None,
    tz: str = "UTC",
    feed_id: str | None = None,
) -> Report:
    """The same for a DataFrame. With a `publisher` column each publisher gets a feed of its own.

    Raises:
        InputError: a column is missing.
    """
    with reporting("import") as report:
        mapped = _mapped([str(name) for name in frame.columns], columns or {}, "the table")
        # object: pandas would hand a missing text over as a float that is not a number.
        plain = {
            field: frame[column].astype(object).where(frame[column].notna(), None) for field, column in mapped.items()
        }
        names = {field: values.tolist() for field, values in plain.items()}
        _import(context, report, names, len(frame), publisher, tz, feed_id, "the table")
    return report


def zone_of(name: str) -> tzinfo:
    """The time zone of this IANA name.

    Raises:
        InputError: there is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(
            f"{name} is no time zone. Give an IANA name such as Europe/London or America/New_York."
        ) from error


@dataclass(frozen=True)
class _Row:
    publisher: str
    feed_id: str
    title: str
    summary: str
    url: str | None
    language: str | None
    dated: Dated


def _import(
    context: Context,
    report: Report,
    columns: Mapping[str, Sequence[Any]],
    n: int,
    publisher: str | None,
    tz: str,
    feed_id: str | None,
    name: str,
) -> None:
    zone, now = zone_of(tz), context.clock()
    if publisher is None and "publisher" not in columns:
        raise InputError(f"{name}: who published it? Give --publisher NAME, or --map publisher=COLUMN.")
    for counted in ("rows", "new_articles", "known", "repeated", "without_title", "without_publisher", "undated"):
        report.add(counted, 0)
    report.add("rows", n)
    seen: set[str] = set()
    for start in range(0, n, _CHUNK):
        rows = []
        for i in range(start, min(start + _CHUNK, n)):
            row = _row({key: values[i] for key, values in columns.items()}, publisher, feed_id, zone)
            if isinstance(row, str):
                report.add(row)
                continue
            record = _record(row, now)
            if record["article_id"] in seen:
                report.add("repeated")
                continue
            seen.add(record["article_id"])
            report.add("undated", row.dated.published_at is None)
            rows.append(record)
        new = context.warehouse.transact("articles", lambda tx, batch=rows: _store(tx, batch, now))  # type: ignore[misc]
        report.add("new_articles", new)
        report.add("known", len(rows) - new)
        context.progress("import", min(start + _CHUNK, n), n)
    _note(report)


def _note(report: Report) -> None:
    said = {
        "without_title": "rows have no title and were left out",
        "without_publisher": "rows name no publisher and were left out (give --publisher for them)",
        "unreadable": "rows could not be read and were left out",
        "repeated": "rows repeat another row (publisher, title, date and link) and count once",
        "undated": "rows have no usable date: they are kept, but enter no series",
    }
    report.notes += [f"{report.counts[name]:,} {words}" for name, words in said.items() if report.counts.get(name)]


def _row(values: Mapping[str, Any], publisher: str | None, feed_id: str | None, zone: tzinfo) -> _Row | str:
    """One row cleaned, or the name of the count under which it is left out."""
    title = plain_text(_text(values.get("title")), TITLE_LIMIT)
    if not title:
        return "without_title"
    name = plain_text(_text(values.get("publisher")), 200) or (publisher or "").strip()
    if not name:
        return "without_publisher"
    return _Row(
        publisher=name,
        feed_id=feed_id or f"archive:{_slug(name)}",
        title=title,
        summary=plain_text(_text(values.get("summary")), SUMMARY_LIMIT),
        url=http_link(_text(values.get("url"))),
        language=_text(values.get("language")).lower()[:2] or None,
        dated=_dated(values.get("published_at"), zone),
    )


def _record(row: _Row, now: datetime) -> dict[str, Any]:
    dated = row.dated
    at = dated.published_at
    return {
        # Which file it came in is no part of it: the same article of two overlapping archives is one.
        "article_id": article_id("archive", row.publisher, row.title, dated.raw, row.url or ""),
        "revision": 1,
        "kind": "news",
        "feed_id": row.feed_id,
        "publisher": row.publisher,
        "url": row.url,
        "title": row.title,
        "summary": row.summary,
        "language": row.language,
        "published_at": at,
        "published_raw": dated.raw,
        "date_precision": str(dated.precision),
        "date_flag": str(dated.flag),
        "first_seen_at": now,
        "content_sha256": content_sha256(row.title, row.summary),
        "imported": True,
        "known_at": at + _LAG[dated.precision] if at else now,
    }


def _store(tx: Transaction, rows: list[dict[str, Any]], now: datetime) -> int:
    publishers = list(dict.fromkeys(row["publisher"] for row in rows))
    feeds = {
        row["feed_id"]: {
            "feed_id": row["feed_id"],
            "url": "",
            "title": f"{row['publisher']} (archive)",
            "publisher": row["publisher"],
            "kind": "archive",
            "status": "imported",
            "added_at": now,
            "failures": 0,
        }
        for row in rows
    }
    tx.insert_new("feeds", pa.Table.from_pylist(list(feeds.values()), _FEEDS), ["feed_id"])
    owners = [{"publisher": name, "owner": owner_of(name) or name, "timezone": ""} for name in publishers]
    tx.insert_new("publishers", pa.Table.from_pylist(owners, _PUBLISHERS), ["publisher"])
    return tx.insert_new("articles", pa.Table.from_pylist(rows, _ROWS), ["article_id", "revision"])


def _dated(value: Any, zone: tzinfo) -> Dated:
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=zone)
        return Dated(moment.astimezone(UTC), value.isoformat(), Precision.SECOND, Flag.OK)
    return _parsed(_text(value), zone)


@lru_cache(maxsize=4096)
def _parsed(text: str, zone: tzinfo) -> Dated:
    return parse_date(text, zone)


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


@lru_cache(maxsize=4096)
def _slug(name: str) -> str:
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_name.lower()).strip("-")
    return slug or article_id(name)[:12]


def _mapped(have: Sequence[str], asked: Mapping[str, str], name: str) -> dict[str, str]:
    """Which column each of our fields comes from."""
    unknown = [field for field in asked if field not in FIELDS]
    if unknown:
        raise InputError(f"{name}: {unknown[0]} is not a field of ours; they are {', '.join(FIELDS)}.")
    found: dict[str, str] = {}
    for column in have:
        field = _ALSO_KNOWN_AS.get(column.strip().lower(), column.strip().lower())
        if field in FIELDS:
            found.setdefault(field, column)
    found.update(asked)
    if twice := sorted(column for column in set(found.values()) if have.count(column) > 1):
        raise InputError(f"{name}: the column {twice[0]} stands there twice. Rename one of the two in the file.")
    missing = [f for f in _REQUIRED if f not in found] + [f for f in found if found[f] not in have]
    if missing:
        pairs = ",".join(f"{field}=COLUMN" for field in missing)
        there = ", ".join(have)[:300]
        raise InputError(f"{name}: no column for {', '.join(missing)}. It has: {there}. Say which with --map {pairs}")
    return found


def _read(path: Path, report: Report) -> pa.Table:
    kind = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    readers = {"csv": _read_csv, "jsonl": _read_jsonl, "ndjson": _read_jsonl, "parquet": _read_parquet}
    if kind not in readers:
        raise InputError(f"{path}: give a .csv, .jsonl or .parquet file (the first two may be gzipped).")
    try:
        return readers[kind](path, report)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}). Check the path and the file.") from error
    except (pa.ArrowInvalid, UnicodeDecodeError, EOFError, csv.Error) as error:
        first = str(error).splitlines()[0]
        raise InputError(f"{path}: cannot be read as {kind} ({first}). Check that it is what its name says.") from error


def _bytes(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def _read_csv(path: Path, report: Report) -> pa.Table:
    data = _bytes(path)
    try:
        data.decode("utf-8")
        encoding = "utf-8"
    except UnicodeDecodeError:
        # What spreadsheets on Windows write; every byte has a meaning in it, so nothing is lost.
        encoding = "cp1252"
        report.notes.append("the file is not UTF-8 and was read as Windows-1252")
    header = next(csv.reader(io.StringIO(data[:65_536].decode(encoding, "replace").removeprefix("\ufeff"))), [])

    def bad(row: arrow_csv.InvalidRow) -> str:
        report.add("unreadable")
        return "skip"

    return arrow_csv.read_csv(
        io.BytesIO(data),
        read_options=arrow_csv.ReadOptions(encoding=encoding),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=bad),
        convert_options=arrow_csv.ConvertOptions(
            column_types={name: pa.string() for name in header}, strings_can_be_null=False
        ),
    )


def _read_jsonl(path: Path, report: Report) -> pa.Table:
    rows: list[dict[str, Any]] = []
    for line in _bytes(path).decode("utf-8", "replace").split("\n"):  # splitlines() also cuts at U+2028
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            row = None
        if isinstance(row, dict):
            rows.append({str(key): None if value is None else str(value) for key, value in row.items()})
        else:
            report.add("unreadable")
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: pa.array([row.get(name) for row in rows], pa.string()) for name in names})


def _read_parquet(path: Path, report: Report) -> pa.Table:
    return parquet.read_table(path)
