"""What one rule finds in what a pass has read: the one way from numbers to findings, for `detect` and for `replay`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.detect import events, feeds, ourselves, shares, volume
from pipeline.detect.findings import Finding, Labels, confirmed
from pipeline.detect.ourselves import Vitals
from pipeline.detect.rules import Health, Kind, Rule, Rules
from pipeline.detect.shares import Judged
from pipeline.detect.volume import Usual
from pipeline.series.coverage import FeedHistory
from pipeline.watchlists import WatchLists

__all__ = ["Seen", "findings_of"]


@dataclass(frozen=True)
class _Places:
    """Where the rows of each series stand in a frame, so that one is found without a look at all the others."""

    series: Mapping[Any, NDArray[np.intp]]
    times: NDArray[Any]

    @classmethod
    def of(cls, frame: pd.DataFrame, time: str) -> _Places:
        found = frame.groupby(["scope", "key", "grain"], sort=False).indices if len(frame) else {}
        series = {name: np.asarray(rows, np.intp) for name, rows in found.items()}
        return cls(series, frame[time].to_numpy() if len(frame) else np.empty(0))

    def rows(self, scope: str, key: str, grain: str) -> NDArray[np.intp]:
        """The rows of one series, in order of time."""
        found = self.series.get((scope, key, grain), np.empty(0, np.intp))
        return np.asarray(found[np.argsort(self.times[found], kind="stable")], np.intp)


@dataclass(frozen=True)
class Seen:
    """What one pass read. `trends` and `fits` are as `reading` answers them; `usual` by grain, for rules of volume.

    `vitals`: how the pipeline itself stood.
    """

    trends: pd.DataFrame
    fits: pd.DataFrame
    sightings: Sequence[events.Sighting]
    feeds: Sequence[FeedHistory]
    labels: Labels
    usual: Mapping[str, Usual] = field(default_factory=dict)
    vitals: Vitals = field(default_factory=Vitals)

    @cached_property
    def _places(self) -> tuple[_Places, _Places]:
        return _Places.of(self.trends, "bucket_start"), _Places.of(self.fits, "fitted_for")

    def of_series(self, scope: str, key: str, grain: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """`trends` and `fits` of one series, in order of time."""
        trends, fits = (places.rows(scope, key, grain) for places in self._places)
        return self.trends.iloc[trends].reset_index(drop=True), self.fits.iloc[fits].reset_index(drop=True)

    def judged(self, now: datetime) -> Judged:
        """Every bucket beside what was expected of it."""
        return shares.judged(self.trends, self.fits, now)


def findings_of(
    rule: Rule,
    rules: Rules,
    seen: Seen,
    judged: Judged | None,
    watched: WatchLists,
    model_version: str,
    oldest: datetime,
    now: datetime,
) -> Iterator[Finding]:
    """The findings of one rule. `judged`: of `seen`, so that it is made once for all rules.

    While no model is active (`model_version` '') only feeds and the pipeline itself are watched.
    """
    if rule.kind is Kind.HEALTH:
        if rule.what is Health.LATE_FEED:
            yield from feeds.late_feeds(list(seen.feeds), rule, rules, now)
        elif rule.what is Health.BLIND_SPOT:
            yield from feeds.blind_spots(seen.trends, rule, rules, now)
        else:
            yield from ourselves.findings(seen.vitals, rule, rules, now)
        return
    if not model_version:
        return
    if rule.kind is Kind.EVENT:
        found = events.findings(seen.sightings, rule, rules, seen.labels, watched, model_version, now)
    elif rule.kind is Kind.NEGATIVE_SHARE:
        found = shares.findings(judged or seen.judged(now), rule, rules, seen.labels, watched, oldest)
    else:
        found = volume.findings(seen.trends, seen.usual[rule.grain], rule, rules, seen.labels, watched, oldest)
    yield from confirmed(found)
