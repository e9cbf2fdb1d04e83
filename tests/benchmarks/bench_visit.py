"""What a visit to the store costs: to a file, to a lake on PostgreSQL, and to one whose extensions are checked anew."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median

import duckdb

from pipeline.context import utc_now
from pipeline.warehouse import Warehouse
from pipeline.warehouse.engines import DuckLake
from tests.soak.load.run import store

VISITS = 15
ASKED = "SELECT count(*) FROM articles"
LIMIT = 2.0


def seconds(visit: Callable[[], None]) -> float:
    """Computing of one visit, the median of several after a first."""
    visit()
    took = []
    for _ in range(VISITS):
        began = time.process_time()
        visit()
        took.append(time.process_time() - began)
    return median(took)


def read(warehouse: Warehouse) -> None:
    """As a stage looks something up."""
    with warehouse.read() as con:
        con.execute(ASKED).fetchone()


def checked_anew(engine: DuckLake) -> None:
    """The same in an instance that knows of no file."""
    with closing(duckdb.connect()) as con:
        engine.attach(con, "lake", read_only=True)
        con.execute("USE lake")
        con.begin()
        con.execute(ASKED).fetchone()


def main() -> list[tuple[str, float, str, str | None, bool | None]]:
    """Milliseconds of each, and what checking once saves."""
    with tempfile.TemporaryDirectory() as name, store("ducklake", Path(name)) as address:
        file, lake = Warehouse(f"duckdb:{Path(name) / 'store.duckdb'}", utc_now), Warehouse(address, utc_now)
        for warehouse in (file, lake):
            warehouse.prepare()
        assert isinstance(lake.engine, DuckLake)
        engine = lake.engine
        of_file, of_lake = seconds(lambda: read(file)), seconds(lambda: read(lake))
        anew = seconds(lambda: checked_anew(engine))
    return [
        ("a visit to a file", of_file * 1000, "ms", None, None),
        ("a visit to a lake", of_lake * 1000, "ms", None, None),
        ("a lake, extensions checked at each visit", anew * 1000, "ms", None, None),
        ("checked once, over checked at each visit", anew / of_lake, "times", f">= {LIMIT:g}", anew / of_lake >= LIMIT),
    ]
