"""What a store holds, told so that two of them can be compared: rows and a digest of each table and month."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import duckdb

from pipeline.errors import StoreError

__all__ = ["Digest", "columns", "digest", "months", "same", "tables"]


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


def tables(con: duckdb.DuckDBPyConnection, database: str) -> list[str]:
    """The tables of an attached database, by name."""
    found = con.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_catalog = ? AND table_schema = 'main' ORDER BY 1",
        [database],
    ).fetchall()
    return [name for (name,) in found]


def columns(con: duckdb.DuckDBPyConnection, database: str, table: str) -> list[str]:
    """The columns of a table, by name: migrations put them in another order than a copy might."""
    return sorted(row[0] for row in con.execute(f'DESCRIBE "{database}"."{table}"').fetchall())


def months(con: duckdb.DuckDBPyConnection, database: str, table: str) -> dict[datetime | None, Digest]:
    """The digest of each month in which rows were recorded, None of those that do not say; no month, no rows."""
    names = columns(con, database, table)
    fields = ", ".join(f"'{name}': \"{name}\"" for name in names)
    month = "date_trunc('month', recorded_at)" if "recorded_at" in names else "NULL::TIMESTAMPTZ"
    found = con.execute(
        f"SELECT {month} AS month, count(*), sum(md5_number_lower(to_json({{{fields}}})::VARCHAR))::HUGEINT"
        f' FROM "{database}"."{table}" GROUP BY 1 ORDER BY 1 NULLS FIRST'
    ).fetchall()
    return {month: Digest(int(rows), int(total)) for month, rows, total in found}


def digest(con: duckdb.DuckDBPyConnection, database: str, table: str) -> Digest:
    """The digest of a whole table."""
    return sum(months(con, database, table).values(), start=NOTHING)


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
