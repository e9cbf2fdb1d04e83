"""The shipped detector and the oracle on a world: fits, judgement and alarms of `pipeline/detect`, nothing copied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.detect.bursts import Runs, added, alarms, log_ratio, run_p
from pipeline.detect.fits import BUCKET, WINDOW, fit
from pipeline.detect.reading import fit_rows
from pipeline.detect.shares import Grid, Judged, judged, recalibrated
from pipeline.series.distribution import tails
from pipeline.series.expected import mid_p
from tests.trial.worlds import MINIMUM, World

__all__ = ["START", "Shipped", "oracle", "trends_of"]

Array = NDArray[np.float64]
Alarms = Callable[[float], NDArray[np.bool_]]
Progress = Callable[[], None]

# A Monday.
START = datetime(2025, 6, 2, tzinfo=UTC)


def trends_of(world: World) -> pd.DataFrame:
    """The world as rows of `trends`; buckets without a story have none."""
    row, column = np.nonzero(world.n)
    width = BUCKET[world.clock.grain]
    starts = pd.date_range(START, periods=world.n.shape[1], freq=width).as_unit("us")
    return pd.DataFrame(
        {
            "bucket_start": starts[column],
            "scope": "entity",
            "key": np.array([f"s{one:05d}" for one in range(world.n.shape[0])])[row],
            "grain": world.clock.grain,
            "model_version": "m",
            "story_count": world.n[row, column],
            "negative_stories": world.y[row, column],
            "news_volume": world.n[row, column],
            "owners": 1,
            "coverage": np.nan,
            "counted_at": pd.Timestamp(START),
        }
    )


@dataclass(frozen=True)
class Shipped:
    """A world judged as `detect` would have, each day by the fit made at its midnight (days: of its week).

    `clean`: volume (mean stories a bucket of the series) and p of each clean bucket, drawn evenly between its tails.
    """

    world: World
    grid: Grid
    clean: pd.DataFrame

    @classmethod
    def on(cls, world: World, step: Progress = lambda: None) -> Shipped:
        """Fit every day of the test, then judge it all. `step` is called after each day."""
        width = BUCKET[world.clock.grain]
        trends = trends_of(world)
        starts = trends["bucket_start"]
        first = START + world.train * width
        days = int((world.n.shape[1] - world.train) * width / timedelta(days=1))
        made = []
        step_days = 1 if world.clock.grain == "hour" else 7
        for day in range(0, days, step_days):
            at = first + timedelta(days=day)
            past = trends[(starts >= at - WINDOW[world.clock.grain]) & (starts < at)]
            fits = fit_rows(fit(past, world.clock.grain, at, "m", START)).to_pandas()
            made += [fits.assign(fitted_for=at + timedelta(days=more)) for more in range(step_days)]
            step()
        test = trends[starts >= first]
        end = START + world.n.shape[1] * width
        found = judged(test, pd.concat(made, ignore_index=True), end)
        return cls(world, found.grids[world.clock.grain], _clean(world, found))

    def alarms(self, limit: float) -> NDArray[np.bool_]:
        """(S, T) alarms at p ≤ 10^(−limit)."""
        grid = self.grid
        of_series = grid.series["key"].str.removeprefix("s").astype(int).to_numpy()
        runs = Runs(of_series.size, self.world.clock.grain, MINIMUM, MINIMUM)
        found = grid.alarms(np.arange(of_series.size), 10.0**-limit, runs)
        fired = np.zeros(self.world.y.shape, dtype=bool)
        offset = self.world.n.shape[1] - grid.y.shape[1]
        for alarm in found:
            fired[of_series[alarm.series], alarm.last + offset] = True
        return fired


def _clean(world: World, found: Judged) -> pd.DataFrame:
    rows = found.rows[found.rows["status"] == "ok"]
    series = rows["key"].str.removeprefix("s").astype(int).to_numpy()
    column = ((rows["bucket_start"] - pd.Timestamp(START)) // pd.Timedelta(BUCKET[world.clock.grain])).to_numpy()
    clean = ~world.during()[series, column]
    rows, series = rows[clean], series[clean]
    y, n = rows["negative_stories"].to_numpy(float), rows["story_count"].to_numpy(float)
    at_least, more = tails(y, n, rows["rate"].to_numpy(), rows["rho"].to_numpy())
    p = np.maximum(more + np.random.default_rng(1).random(len(rows)) * (at_least - more), 1e-15)
    p = recalibrated(p, [found.parameters[int(one)] for one in rows["fit"]])
    return pd.DataFrame({"volume": world.n.mean(axis=1)[series], "p": p})


def oracle(world: World) -> Alarms:
    """The same evidence from the true parameters: alarms at p ≤ 10^(−limit), without recalibration."""
    test = slice(world.train, None)
    y, n, volume, share = (x[:, test] for x in (world.y, world.n, world.volume, world.share))
    grain = world.clock.grain
    ratios = log_ratio(y, n, volume, np.float64(world.shape), share, np.float64(world.rho), added(share, volume, grain))

    own = mid_p(y.ravel(), n.ravel(), share.ravel(), np.float64(world.rho)).reshape(y.shape)

    def alarms_at(limit: float) -> NDArray[np.bool_]:
        runs = Runs(y.shape[0], grain, MINIMUM, MINIMUM)
        fired = np.zeros(world.y.shape, dtype=bool)
        for one in alarms(ratios, y, n, 10.0**-limit, lambda score, _: run_p(score, grain), runs, own):
            fired[one.series, one.last + world.train] = True
        return fired

    return alarms_at
