"""What was taken in and is in the store no more: its log was cut, it was lost, or an older backup was put back.

A load goes into the raw store only when the warehouse has it, under the time at which the warehouse took it in. So a
load of which `fetches` has nothing was lost since; DuckDB itself says nothing of a log whose end is missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time

import duckdb

from pipeline.ingest.raw import RawStore

__all__ = ["missing_days", "said"]


def missing_days(con: duckdb.DuckDBPyConnection, raw: RawStore, since: date) -> list[date]:
    """The days from `since` on (UTC) of which the store has lost a load, oldest first."""
    start = datetime.combine(since, time(), UTC)
    rows = con.execute("SELECT DISTINCT known_at FROM fetches WHERE known_at >= ?", [start]).fetchall()
    known = {at for (at,) in rows}
    return sorted({at.date() for at in raw.taken_at(since) if at not in known})


def said(days: Iterable[date]) -> str:
    """What to tell a person of these days."""
    names = [str(day) for day in days]
    return (
        f"the store has lost some of what it took in on {', '.join(names)}: was its log damaged, or an older backup put"
        f" back? This takes it in again: barograph ingest {' '.join(f'--from-raw {name}' for name in names)}"
    )
