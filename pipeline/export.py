"""Any table of the store, and the series as they are read, for files: as they stand, or as they were known at a time.

What is asked for is first written to a Parquet file, so that the store is let go of before the slow part begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import then
from pipeline.context import Progress, silent
from pipeline.errors import InputError, UsageError
from pipeline.promotion import ActiveModel, active_model
from pipeline.series.index import with_index

__all__ = ["SERIES", "batches", "tables", "unload"]

# Not a table of the store: the rows of `trends` with index, band, net sentiment, buzz and coverage beside them.
SERIES = "series"
BATCH = 50_000
# Tables that are counted or folded anew for a time that is past.
_MADE = ("trends", SERIES, "incidents", "feeds")


def tables(con: duckdb.DuckDBPyConnection) -> dict[str, bool]:
    """Every table that can be exported, and whether it can be told as of a time."""
    known = {name: clocks or name in _MADE for name, clocks in then.both_clocks(con).items()}
    return {**known, SERIES: True}


def unload(
    con: duckdb.DuckDBPyConnection,
    table: str,
    to: Path,
    as_of: datetime | None = None,
    progress: Progress = silent,
) -> int:
    """Write a table to a Parquet file; answers its rows.

    Raises:
        UsageError: there is no such table, or it keeps only how things stand now.
        InputError: no model was active then, so that there were no series.
    """
    known = tables(con)
    if table not in known:
        raise UsageError(f"no table is named {table}; there are {', '.join(sorted(known))}.")
    if as_of is not None and not known[table]:
        told = ", ".join(sorted(name for name, clocks in known.items() if clocks))
        raise UsageError(f"{table} keeps only how things stand now; as of a time there are {told}.")
    if table in _MADE and (as_of is not None or table == SERIES):
        rows = _made(con, table, as_of, progress)
        pq.write_table(rows, to, compression="zstd")
        return len(rows)
    where = "" if as_of is None else f"WHERE recorded_at <= TIMESTAMPTZ '{as_of.isoformat()}'"
    place = str(to).replace("'", "''")
    done = con.execute(
        f"COPY (SELECT * FROM {table} {where}) TO '{place}' (FORMAT parquet, COMPRESSION zstd)"
    ).fetchone()
    return int(done[0]) if done else 0


def batches(file: Path, progress: Progress = silent) -> Iterator[pa.RecordBatch]:
    """The rows of such a file, some at a time, in the order of the table."""
    with pq.ParquetFile(file) as parts:
        total, done = parts.metadata.num_rows, 0
        for batch in parts.iter_batches(BATCH):
            yield batch
            done += batch.num_rows
            progress("export", done, total)


def _made(con: duckdb.DuckDBPyConnection, table: str, as_of: datetime | None, progress: Progress) -> pa.Table:
    if table == "incidents" and as_of is not None:
        return then.incident_rows(then.incidents(con, as_of))
    if table == "feeds" and as_of is not None:
        return then.feeds(con, as_of)
    model = active_model(con, as_of)
    if model is None:
        raise InputError("no model was active then, so there were no series; name a later time, or `barograph run`.")
    rows = _counted(con, model, as_of, progress)
    if table != SERIES:
        return rows
    return pa.Table.from_pandas(_read(rows.to_pandas()), preserve_index=False)


def _counted(
    con: duckdb.DuckDBPyConnection, model: ActiveModel, as_of: datetime | None, progress: Progress
) -> pa.Table:
    if as_of is not None:
        return then.trends(con, model, as_of, progress=progress)
    ours = "SELECT * EXCLUDE (recorded_at) FROM trends WHERE model_version = ?"
    return con.execute(ours, [model.model_version]).to_arrow_table()


def _read(rows: pd.DataFrame) -> pd.DataFrame:
    """Index, band, net sentiment and coverage of every series, a grain after the other."""
    parts = [with_index(part, str(grain)) for grain, part in rows.groupby("grain", sort=True)]
    read = pd.concat(parts, ignore_index=True) if parts else with_index(rows, "day")
    return read.rename(columns={"expected": "arrivals_expected"})
