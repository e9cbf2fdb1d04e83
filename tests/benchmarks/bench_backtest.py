"""How long a backtest of one year takes: a thousand series, five rules, refitted weekly; by the hour and by the day."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from pipeline.backtest.known import Known
from pipeline.backtest.run import simulate
from pipeline.detect.findings import Labels
from pipeline.detect.fits import WINDOW
from pipeline.detect.rules import parse
from pipeline.watchlists import WatchList, WatchLists

__all__ = ["main"]

SERIES = 1000
START, END = datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
LISTS = WatchLists((WatchList("core", "desk", frozenset(f"k{n}" for n in range(30)), frozenset()),))
RULES = """
[[rule]]
name = "all"
kind = "negative_share"
scope = "entity"
grain = "{grain}"
p_limit = 0.00001
[[rule]]
name = "strict"
kind = "negative_share"
scope = "entity"
grain = "{grain}"
p_limit = 0.000001
min_negative = 5
[[rule]]
name = "listed"
kind = "negative_share"
scope = "entity"
grain = "{grain}"
watchlists = ["core"]
p_limit = 0.0001
[[rule]]
name = "budgeted"
kind = "negative_share"
scope = "entity"
grain = "{grain}"
budget = "3 a week"
p_limit = 0.0005
[[rule]]
name = "busy"
kind = "volume"
scope = "entity"
grain = "{grain}"
p_limit = 0.000001
"""


def main() -> list[tuple[str, float, str, str | None, bool | None]]:
    """(name, value, unit, limit, ok) of each figure."""
    found: list[tuple[str, float, str, str | None, bool | None]] = []
    for grain, limit in (("day", 60.0), ("hour", 300.0)):
        known = _known(grain)
        began = time.perf_counter()
        simulate(known, parse(RULES.format(grain=grain)), LISTS, "m", START, END)
        seconds = time.perf_counter() - began
        name = f"backtest: a year of {SERIES} series by the {grain}, 5 rules, refitted weekly"
        found.append((name, seconds, "s", f"<= {limit:g}", seconds <= limit))
    return found


def _known(grain: str) -> Known:
    """Seeded series of .3 to 10 stories a bucket (log-uniform), a fifth of them negative, and the past to fit from."""
    rng = np.random.default_rng(2)
    width = {"hour": timedelta(hours=1), "day": timedelta(days=1)}[grain]
    first = START - WINDOW[grain]
    volume = np.exp(rng.uniform(np.log(0.3), np.log(10), SERIES))
    n = rng.poisson(volume[:, None], (SERIES, int((END - first) / width)))
    row, column = np.nonzero(n)
    grid = pd.date_range(first, periods=n.shape[1], freq=width).as_unit("us")
    frame = pd.DataFrame(
        {
            "bucket_start": grid[column],
            "grain": grain,
            "scope": "entity",
            "key": np.array([f"k{i}" for i in range(SERIES)])[row],
            "model_version": "m",
            "news_volume": n[row, column],
            "story_count": n[row, column],
            "negative_stories": rng.binomial(n[row, column], 0.2),
            "owners": 1,
            "coverage": np.nan,
            "counted_at": pd.Timestamp(END),
        }
    )
    return Known(frame, [], {}, [], Labels({}, {}), {}, len(frame), 0)


if __name__ == "__main__":
    for figure in main():
        print(*figure)
