"""How long series take: rebuilding a store's trends, the daily refit, and a pass over 5,000 series."""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline import aggregate
from pipeline.context import Context
from pipeline.detect import rules, shares
from pipeline.detect.findings import Labels
from pipeline.detect.fits import fit
from pipeline.detect.reading import fit_rows
from pipeline.settings import Settings
from pipeline.warehouse import Warehouse
from pipeline.watchlists import WatchLists
from tests.pipeline.detect.world import NOON, stories
from tests.pipeline.seeds import activate_model, put

__all__ = ["main"]

SERIES, WEEKS = 5000, 8
RULE = """[[rule]]
name = "hourly"
kind = "negative_share"
scope = "entity"
p_limit = 0.0001
"""
DAY = datetime(2026, 3, 3, tzinfo=UTC)


def main() -> list[tuple[str, float, str, str | None, bool | None]]:
    """(name, value, unit, limit, ok) of each figure."""
    return [*_aggregate(), *_detect()]


def _aggregate() -> list[tuple[str, float, str, str | None, bool | None]]:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(store={"warehouse": "duckdb:b.duckdb"}).anchored(Path(folder))
        warehouse = Warehouse(settings.store.warehouse, lambda: NOON)
        warehouse.prepare()
        activate_model(warehouse)
        start = NOON - timedelta(days=75)
        world = stories(np.random.default_rng(1), start, 75 * 24, 9, 0.2, "co:a", "a")
        put(warehouse, world)
        context = Context(settings, warehouse, lambda: NOON)
        began = time.perf_counter()
        aggregate.run(context, full=True)
        seconds = time.perf_counter() - began
    rate = len(world) / seconds
    return [("aggregate: full rebuild", rate, "articles/s", ">= 2,000", rate >= 2000)]


def _detect() -> list[tuple[str, float, str, str | None, bool | None]]:
    rng = np.random.default_rng(2)
    hours = WEEKS * 168 + 24
    volume = np.exp(rng.uniform(np.log(0.3), np.log(10), SERIES))
    n = rng.poisson(volume[:, None], (SERIES, hours))
    row, column = np.nonzero(n)
    grid = pd.date_range(DAY - timedelta(hours=hours - 24), periods=hours, freq="h").as_unit("us")
    frame = pd.DataFrame(
        {
            "bucket_start": grid[column],
            "scope": "entity",
            "key": np.array([f"k{i}" for i in range(SERIES)])[row],
            "grain": "hour",
            "model_version": "m",
            "story_count": n[row, column],
            "negative_stories": rng.binomial(n[row, column], 0.2),
            "news_volume": n[row, column],
            "owners": 1,
            "coverage": np.nan,
            "counted_at": pd.Timestamp(DAY),
        }
    )
    began = time.perf_counter()
    fits = fit(frame[frame["bucket_start"] < DAY], "hour", DAY, "m")
    refit = time.perf_counter() - began
    now = DAY + timedelta(hours=1)
    oldest = now - timedelta(hours=48)
    # At hand for each day that the horizon touches.
    days = [DAY - timedelta(days=back) for back in range(3)]
    table = pd.concat([fit_rows(fits).to_pandas().assign(fitted_for=pd.Timestamp(day)) for day in days])
    recent = frame[(frame["bucket_start"] >= days[-1]) & (frame["bucket_start"] < now)]
    known = rules.parse(RULE)
    began = time.perf_counter()
    judged = shares.judged(recent, table, now)
    for rule in known.rules:
        list(shares.findings(judged, rule, known, Labels({}, {}), WatchLists(()), oldest))
    judging = time.perf_counter() - began
    return [
        (f"detect: daily refit of {SERIES} hourly series", refit, "s", "<= 300", refit <= 300),
        (
            f"detect: a pass over {SERIES} series, fits at hand, 48 h",
            judging,
            "s",
            "<= 30",
            judging <= 30,
        ),
    ]


if __name__ == "__main__":
    for figure in main():
        print(*figure)
