"""The past judged as it would have been then: stretch by stretch, each by fits made at its start. Pure.

`budgets` sets limits from it, `backtest` replays it. Nothing of a stretch is judged by itself or by what came later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from pipeline.detect import shares, volume
from pipeline.detect.findings import Finding, Labels, confirmed
from pipeline.detect.fits import WINDOW, day_of, fit
from pipeline.detect.reading import fit_rows
from pipeline.detect.rules import Kind, Rule, Rules
from pipeline.detect.shares import Judged
from pipeline.detect.volume import Usual
from pipeline.watchlists import WatchLists

__all__ = ["REFIT", "Stretch", "finder", "stretches"]

REFIT = timedelta(days=7)
# What stands before a stretch and is judged with it, so that evidence piles up over its start as it does in `detect`.
LEAD = timedelta(days=2)

Finder = Callable[[Rule], Iterable[Finding]]


@dataclass(frozen=True)
class Stretch:
    """The buckets from `start` to `end`, all closed, judged by the fits and the usual volume of `start`.

    `trends`, `fits`: what `judged` was made from.
    """

    grain: str
    start: datetime
    end: datetime
    judged: Judged
    usual: Usual
    trends: pd.DataFrame
    fits: pd.DataFrame

    @property
    def weeks(self) -> float:
        """How long it is."""
        return (self.end - self.start) / timedelta(weeks=1)


def stretches(
    trends: pd.DataFrame,
    grain: str,
    start: datetime,
    end: datetime,
    model_version: str,
    *,
    refit: timedelta = REFIT,
    volumes: bool = False,
) -> Iterator[Stretch]:
    """The stretches from `start` to `end` (UTC midnights), a refit at the start of each.

    `trends`: rows of one grain and model version with the columns that `shares.judged` reads, as then known.
    `volumes`: find what volume is usual too, which only rules of kind `volume` ask for.
    """
    rows = trends.sort_values("bucket_start", kind="stable").reset_index(drop=True)
    times = pd.DatetimeIndex(pd.to_datetime(rows["bucket_start"], utc=True)).as_unit("us")
    if rows.empty:
        return
    began = times[0].to_pydatetime()

    def between(since: datetime, until: datetime) -> pd.DataFrame:
        first, last = times.searchsorted(pd.DatetimeIndex([since, until]).as_unit("us"))
        return rows.iloc[first:last]

    at, lead = day_of(start), pd.DataFrame()
    while at < end:
        until = min(at + refit, end)
        past = between(at - WINDOW[grain], at)
        fits = fit_rows(fit(past, grain, at, model_version, began)).to_pandas()
        ours = _for_days(fits, at, until)
        known = pd.concat([lead, ours], ignore_index=True) if len(lead) else ours
        ours_and_lead = between(at - LEAD, until)
        judged = shares.judged(ours_and_lead, known, until)
        usual = volume.usual(past if volumes else past.iloc[:0], grain, at, began)
        yield Stretch(grain, at, until, judged, usual, ours_and_lead, known)
        lead, at = _for_days(fits, until - LEAD, until), until


def finder(stretch: Stretch, rules: Rules, labels: Labels, watchlists: WatchLists) -> Finder:
    """What a rule finds in the stretch; findings that ended before its start are left out."""

    def find(rule: Rule) -> Iterable[Finding]:
        if rule.kind is Kind.VOLUME:
            rows = stretch.judged.rows
            found = volume.findings(rows, stretch.usual, rule, rules, labels, watchlists, stretch.start)
        else:
            found = shares.findings(stretch.judged, rule, rules, labels, watchlists, stretch.start)
        return confirmed(found)

    return find


def _for_days(fits: pd.DataFrame, start: datetime, end: datetime) -> pd.DataFrame:
    """The same fits for each UTC day of a stretch."""
    days = pd.date_range(day_of(start), end, freq="D", inclusive="left").as_unit("us")
    parts = [fits.assign(fitted_for=day) for day in days]
    return pd.concat(parts, ignore_index=True) if len(fits) else fits
