"""How fast the store takes rows: through Arrow, beside one row at a time, on the same table in the same run."""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from pipeline.context import utc_now
from pipeline.warehouse import Warehouse

ROWS = 500_000
SLOW_ROWS = 2_000
LIMIT = 100_000


def scores(start: int, n: int) -> pa.Table:
    """`n` rows shaped as the table `scores`."""
    known = pa.array([datetime(2026, 1, 1, tzinfo=UTC)] * n, pa.timestamp("us", tz="UTC"))
    return pa.table(
        {
            "article_id": [f"{i:032x}" for i in range(start, start + n)],
            "revision": pa.array([0] * n, pa.int32()),
            "entity_id": [""] * n,
            "model_version": ["bench"] * n,
            "status": ["scored"] * n,
            "p_negative": [0.1] * n,
            "p_neutral": [0.2] * n,
            "p_positive": [0.7] * n,
            "topic": ["Macro"] * n,
            "p_topic": [0.9] * n,
            "truncated": [False] * n,
            "known_at": known,
        }
    )


def main() -> list[tuple[str, float, str, str | None, bool | None]]:
    """Rows per second of both ways, and their ratio."""
    keys = ["article_id", "revision", "entity_id", "model_version"]
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Warehouse(f"duckdb:{Path(folder) / 'bench.duckdb'}", utc_now)
        warehouse.prepare()
        rows, again = scores(0, ROWS), scores(ROWS, ROWS)
        started = time.perf_counter()
        warehouse.transact("scores", lambda tx: tx.insert_new("scores", rows, keys))
        into_empty = ROWS / (time.perf_counter() - started)
        started = time.perf_counter()
        warehouse.transact("scores", lambda tx: tx.insert_new("scores", again, keys))
        into_full = ROWS / (time.perf_counter() - started)
        slow = scores(2 * ROWS, SLOW_ROWS).to_pylist()
        started = time.perf_counter()
        with warehouse.write("scores") as tx:
            names = ", ".join(slow[0])
            marks = ", ".join("?" * len(slow[0]))
            tx.con.executemany(f"INSERT INTO scores ({names}) VALUES ({marks})", [list(r.values()) for r in slow])
        one_by_one = SLOW_ROWS / (time.perf_counter() - started)
    return [
        ("insert_new through Arrow, empty table", into_empty, "rows/s", f">= {LIMIT:,}", into_empty >= LIMIT),
        ("insert_new through Arrow, as many rows there", into_full, "rows/s", f">= {LIMIT:,}", into_full >= LIMIT),
        ("row by row, in one transaction", one_by_one, "rows/s", None, None),
        ("Arrow over row by row", into_full / one_by_one, "times", None, None),
    ]
