"""Bursts injected into the real headlines of 2018 and 2019: the topic series of both archives, by day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.context import Context, open_context
from pipeline.ingest.archive import import_archive
from pipeline.promotion import active_model
from pipeline.stages import run_stage
from tests.trial.worlds import DAILY, SIZES, Burst, World

__all__ = ["background", "injected"]

Array = NDArray[np.float64]

# 1 January 2018 is a Monday.
FROM, DAYS = datetime(2018, 1, 1, tzinfo=UTC), 729
ARCHIVES = (
    ("guardian_headlines.csv", "The Guardian", {"title": "Headlines", "published_at": "Time"}, "Europe/London"),
    (
        "cnbc_headlines.csv",
        "CNBC",
        {"title": "Headlines", "published_at": "Time", "summary": "Description"},
        "America/New_York",
    ),
)
# The last half year of 2018 to freeze limits on, 2019 to score; each after half a year to learn from.
HALVES = {"tune": (0, 364, 182), "score": (182, DAYS, 182)}
# A series must have this many stories a day.
_LEAST = 1.0
_TRIES = {"tune": 6, "score": 9}
_LEAST_ADDED = 1.0


def background(data: Path, work: Path) -> tuple[Array, Array]:
    """(S, 729) negative and all stories of each topic series.

    `work`: a working folder whose store holds both archives, scored; one that does not is filled first (minutes).
    """
    config = work / "barograph.toml"
    work.mkdir(parents=True, exist_ok=True)
    if not config.exists():
        config.write_text("", encoding="utf-8")
    context = open_context(config, environment=False)
    days = _days(context)
    if days.empty:
        for file, publisher, columns, zone in ARCHIVES:
            import_archive(context, data / "headlines_2017_2019" / file, publisher, columns, zone)
        for stage in ("link", "fold", "score", "aggregate"):
            run_stage(stage, context)
        days = _days(context)
    return _dense(days)


def _days(context: Context) -> pd.DataFrame:
    with context.warehouse.read() as con:
        active = active_model(con)
        found: pd.DataFrame = con.execute(
            "SELECT bucket_start, key, story_count, negative_stories FROM trends"
            " WHERE grain = 'day' AND scope = 'topic' AND model_version = ? ORDER BY ALL",
            [active.model_version if active else ""],
        ).fetch_df()
    return found


def _dense(days: pd.DataFrame) -> tuple[Array, Array]:
    column = (pd.to_datetime(days["bucket_start"], utc=True) - pd.Timestamp(FROM)) // pd.Timedelta(timedelta(days=1))
    days = days.assign(day=column)
    days = days[days["day"].between(0, DAYS - 1)]
    grids = [
        days.pivot_table(index="key", columns="day", values=name, aggfunc="sum")
        .reindex(columns=range(DAYS))
        .fillna(0)
        .to_numpy(dtype=np.float64)
        for name in ("negative_stories", "story_count")
    ]
    enough = grids[1].mean(axis=1) >= _LEAST
    return grids[0][enough], grids[1][enough]


def injected(y: Array, n: Array, half: str, seed: int) -> World:
    """One half of the background with bursts of one to three days, on days that have stories."""
    rng = np.random.default_rng(seed)
    first, last, train = HALVES[half]
    y, n = y[:, first:last].copy(), n[:, first:last].copy()
    some = np.where(n > 0, n, np.nan)
    share = y.sum(axis=1) / n.sum(axis=1)
    bursts: list[Burst] = []
    for one in range(y.shape[0]):
        taken = np.zeros(y.shape[1], dtype=bool)
        for _ in range(_TRIES[half]):
            start, length = int(rng.integers(train + 7, y.shape[1] - 7)), int(rng.integers(1, 4))
            span = slice(start, start + length)
            if taken[max(start - 7, 0) : start + length + 7].any() or (n[one, span] == 0).any():
                continue
            size = float(rng.choice(SIZES))
            usual = share[one] * np.nanmean(some[one, start - 28 : start])
            more = rng.poisson(max(size * usual, _LEAST_ADDED), length)
            y[one, span] += more
            n[one, span] += more
            taken[span] = True
            bursts.append(Burst(one, start, length, size))
    unknown = np.full(y.shape, np.nan)
    return World(y, n, unknown, unknown, unknown, tuple(bursts), train, np.nan, np.nan, DAILY)
