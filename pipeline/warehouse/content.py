"""What a store holds, told so that two of them can be compared: rows and a digest of each table and month."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from pipeline.errors import StoreError

__all__ = ["NOTHING", "Digest", "digest", "months", "same", "shape"]


@dataclass(frozen=True)
class Digest:
    """`rows`, and the sum over them of half an MD5 of each as JSON: equal whatever the order, engine and version."""

    rows: int
    sum: int

    def __add__(self, other: Digest) -> Digest:
        return Digest(self.rows + other.rows, self.sum + other.sum)

    def __str__(self) -> str:
        return f"{self.sum:x}"


NOTHING = Digest(0, 0)


def shape(con: duckdb.DuckDBPyConnection, database: str) -> dict[str, list[str]]:
    """The tables of an attached database and their columns, by name: migrations may have put them in another order."""
    found: dict[str, list[str]] = {}
    for table, column in con.execute(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_catalog = ? AND table_schema = 'main' ORDER BY ALL",
        [database],
    ).fetchall():
        found.setdefault(table, []).append(column)
    return found


def months(
    con: duckdb.DuckDBPyConnection, database: str, table: str, columns: Sequence[str]
) -> dict[datetime | None, Digest]:
    """The digest of each month in which rows were recorded, None of those that do not say; no month, no rows."""
    fields = ", ".join(f"'{name}': \"{name}\"" for name in columns)
    month = "date_trunc('month', recorded_at)" if "recorded_at" in columns else "NULL::TIMESTAMPTZ"
    found = con.execute(
        f"SELECT {month} AS month, count(*), sum(md5_number_lower(to_json({{{fields}}})::VARCHAR))::HUGEINT"
        f' FROM "{database}"."{table}" GROUP BY 1 ORDER BY 1 NULLS FIRST'
    ).fetchall()
    return {month: Digest(int(rows), int(total)) for month, rows, total in found}


def digest(con: duckdb.DuckDBPyConnection, database: str, table: str, columns: Sequence[str]) -> Digest:
    """The digest of a whole table."""
    return sum(months(con, database, table, columns).values(), start=NOTHING)


def same(found: Mapping[str, Digest], wanted: Mapping[str, Digest], what: str) -> None:
    """Hold `found` to be `wanted`, table by table.

    Raises:
        StoreError: it is not; names each table that differs, and how.
    """
    differ = [
        f"{table} ({found.get(table, NOTHING).rows:,} rows for {wanted.get(table, NOTHING).rows:,})"
        for table in sorted({*found, *wanted})
        if found.get(table, NOTHING) != wanted.get(table, NOTHING)
    ]
    if differ:
        raise StoreError(f"{what} differs in {', '.join(differ)}. Nothing was replaced; run it again.")
