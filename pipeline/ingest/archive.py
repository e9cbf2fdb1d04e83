"""Archives into `articles`: CSV, JSONL or Parquet, packed or not, or a DataFrame. Importing one again adds nothing.

An imported article was not seen when it appeared, so `known_at` is assumed: 15 minutes after a time, a day after a
day, a month after a month; without a date, or with one that is still to come, it is the time of the import.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from pipeline.context import Context, Report, reporting
from pipeline.errors import InputError
from pipeline.forgotten import without
from pipeline.ingest.imported import FIELDS, How, mapped, record_of, zone_of
from pipeline.ingest.load import ARTICLES
from pipeline.ingest.rejects import Reject, Rejects
from pipeline.ingest.resume import Progress, begun, import_id, store_progress
from pipeline.ingest.tables import Fault, Rows, Table, tables_of
from pipeline.publishers import owner_of
from pipeline.warehouse import Transaction

__all__ = ["FIELDS", "import_archive", "import_frame", "zone_of"]

# What one transaction takes: so many rows, or so many characters of text.
_BATCH_ROWS = 20_000
_BATCH_CHARACTERS = 20_000_000
_COUNTED = ("rows", "new_articles", "known", "repeated", "without_title", "without_publisher", "undated")
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
    rejects: Path | None = None,
) -> Report:
    """Import the file `path`: .csv, .jsonl or .parquet, each also in a .gz, or any number of them in a .zip.

    `columns` maps our `FIELDS` to the file's columns; those of the same name need no mapping. `tz` is the zone of
    times that name none. `publisher` may come from a column instead. Rows that are left out go to the file
    `rejects`, with the reason. Killed, it goes on from the last batch when called again in the same way.

    Raises:
        InputError: the file cannot be read (what came before is kept), a column is missing, or `rejects` cannot be
            written.
    """
    how = How(publisher, columns or {}, zone_of(tz), feed_id, context.clock())
    with reporting("import") as report:
        tables = tables_of(path)
        for table in tables:
            mapped(table.columns, how.columns, f"{path}: {table.name}" if len(tables) > 1 else str(path))
            _named(table, how, str(path))
            report.notes += table.notes
        key = import_id(
            path, context.progress, publisher or "", tz, feed_id or "", *sorted(map("=".join, how.columns.items()))
        )
        _import(context, report, tables, how, Rejects(rejects), key, path.name)
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
    how = How(publisher, columns or {}, zone_of(tz), feed_id, context.clock())
    with reporting("import") as report:
        table = Table("the table", [str(name) for name in frame.columns], len(frame), partial(_frame_rows, frame))
        mapped(table.columns, how.columns, table.name)
        _named(table, how, table.name)
        _import(context, report, [table], how, Rejects(None), None, table.name)
    return report


def _frame_rows(frame: pd.DataFrame, wanted: Sequence[str], moved: Any) -> Rows:
    for start in range(0, len(frame), _BATCH_ROWS):
        part = frame.iloc[start : start + _BATCH_ROWS]
        # object: pandas would hand a missing text over as a float that is not a number.
        cells = {name: part[name].astype(object).where(part[name].notna(), None).tolist() for name in wanted}
        for i in range(len(part)):
            yield start + i + 1, {name: values[i] for name, values in cells.items()}
        moved(start + len(part))


@dataclass
class _Batch:
    """Rows that one transaction will store; the same article twice in it is stored once."""

    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    characters: int = 0
    read: int = 0

    @property
    def full(self) -> bool:
        return self.read >= _BATCH_ROWS or self.characters >= _BATCH_CHARACTERS


def _import(
    context: Context,
    report: Report,
    tables: Sequence[Table],
    how: How,
    rejects: Rejects,
    key: str | None,
    name: str,
) -> None:
    progress = begun(context, key, name) if key else Progress("", name, how.now)
    left_out = any(progress.counts.get(str(reject)) for reject in Reject)
    unkept = rejects.path is not None and left_out and not progress.rejects_bytes
    if not rejects.begin(progress.rejects_bytes) or unkept:
        # From the beginning, so that every row left out is told: what is stored already adds nothing.
        progress = replace(progress, rows_done=0, rejects_bytes=0, counts={})
        rejects.begin(0)
    report.counts = dict.fromkeys(_COUNTED, 0) | progress.counts
    if progress.rows_done:
        report.notes.append(f"went on after row {progress.rows_done:,}, where an import of this file was stopped")
    done, batch = progress.rows_done, _Batch()
    for table, number, row in _after(_all_rows(context, tables, how), progress.rows_done):
        _take(batch, report, rejects, how, table, number, row)
        if batch.full:
            done += batch.read
            progress = replace(progress, rows_done=done, rejects_bytes=rejects.flush(), counts=report.counts)
            _commit(context, report, batch, progress, how.now)
            batch = _Batch()
    done += batch.read
    progress = replace(progress, rows_done=done, rejects_bytes=rejects.flush(), counts=report.counts, finished=True)
    _commit(context, report, batch, progress, how.now)
    _note(report)
    if progress.rejects_bytes:
        report.notes.append(f"the rows that were left out are in {rejects.path}, each with the reason")


_Numbered = tuple[Table, int, "dict[str, Any] | Fault"]


def _all_rows(context: Context, tables: Sequence[Table], how: How) -> Iterator[_Numbered]:
    """The rows of all tables under our names, one after another."""
    total, before = sum(table.size for table in tables), 0
    for table in tables:

        def moved(here: int, before: int = before) -> None:
            context.progress("import", min(before + here, total), total)

        columns, names = mapped(table.columns, how.columns, table.name), set(table.columns)
        for number, row in table.rows(sorted(set(columns.values())), moved):
            if isinstance(row, dict):
                if table.open_ended and not names.issuperset(row):
                    names.update(row)
                    columns = mapped([*table.columns, *sorted(names - set(table.columns))], how.columns, table.name)
                row = {ours: row.get(theirs) for ours, theirs in columns.items()}
            yield table, number, row
        before += table.size
    context.progress("import", total, total)


def _after(rows: Iterable[_Numbered], n: int) -> Iterator[_Numbered]:
    for i, row in enumerate(rows):
        if i >= n:
            yield row


def _take(
    batch: _Batch, report: Report, rejects: Rejects, how: How, table: Table, number: int, row: dict[str, Any] | Fault
) -> None:
    batch.read += 1
    if isinstance(row, Fault):
        report.add(Reject.UNREADABLE)
        rejects.add(table.name, number, Reject.UNREADABLE, row.says, row.text)
        return
    report.add("rows")
    record = record_of(row, how)
    if isinstance(record, Reject):
        report.add(record)
        rejects.add(table.name, number, record, "", row)
        return
    if record["article_id"] in batch.records:
        report.add("repeated")
        return
    report.add("undated", record["published_at"] is None)
    batch.records[record["article_id"]] = record
    batch.characters += sum(len(record[name] or "") for name in ("title", "summary", "url"))


def _commit(context: Context, report: Report, batch: _Batch, progress: Progress, now: datetime) -> None:
    """Store a batch and how far we are, together: neither is ever without the other."""
    records, before = list(batch.records.values()), dict(report.counts)

    def work(tx: Transaction) -> dict[str, int]:
        new = _store(tx, records, now) if records else 0
        counts = before | {
            "new_articles": before["new_articles"] + new,
            "known": before["known"] + len(records) - new,
        }
        if progress.import_id:
            store_progress(tx, replace(progress, counts=counts))
        return counts

    report.counts = context.warehouse.transact("articles", work)


def _note(report: Report) -> None:
    said = {
        "without_title": "rows have no title and were left out",
        "without_publisher": "rows name no publisher and were left out (give --publisher for them)",
        Reject.UNREADABLE: "rows could not be read and were left out",
        "repeated": "rows repeat another row (publisher, title, date and link) and count once",
        "undated": "rows have no usable date: they are kept, but enter no series",
    }
    report.notes += [f"{report.counts[name]:,} {words}" for name, words in said.items() if report.counts.get(name)]


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
    kept = without(tx.con, rows)
    return tx.insert_new("articles", pa.Table.from_pylist(kept, _ROWS), ["article_id", "revision"])


def _named(table: Table, how: How, name: str) -> None:
    if how.publisher is None and "publisher" not in mapped(table.columns, how.columns, name):
        raise InputError(f"{name}: who published it? Give --publisher NAME, or --map publisher=COLUMN.")
