"""Every rule over the past: what it would have found, and when. Pure: reads what `known` answers, and nothing else.

The functions that find are those of `detect`: series by stretches with fits of their own past (`detect.past`), a
budget's limit set anew at each from the stretches before; events at each moment something new was known of a name;
feeds and coverage hour by hour. Open buckets are not looked at: in life an alert may come earlier by that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby

import numpy as np
import pandas as pd

from pipeline import health
from pipeline.backtest.known import GRACE, Known
from pipeline.backtest.play import HORIZON, Given, Life, Seen, play
from pipeline.context import Progress, silent
from pipeline.detect import events, feeds, inputs, judging
from pipeline.detect.budgets import HISTORY, Limit, Tally, limit_for, tally
from pipeline.detect.events import Sighting
from pipeline.detect.excess import MARKET
from pipeline.detect.findings import Finding, Labels, confirmed, tier_in
from pipeline.detect.fits import BUCKET
from pipeline.detect.past import Finder, Stretch, finder, stretches
from pipeline.detect.rules import Health, Kind, Rule, Rules
from pipeline.series.coverage import FeedHistory
from pipeline.watchlists import WatchLists

__all__ = ["Played", "simulate"]

_HOUR = timedelta(hours=1)
_NOTHING = pd.DataFrame(columns=["scope", "key", "grain"])


@dataclass
class Played:
    """What one rule would have found. `limits`: of each refit, where the rule has a budget; `series`: most at once."""

    rule: Rule
    lives: list[Life] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)
    series: int = 0
    weeks_judged: float = 0.0


def simulate(
    known: Known,
    rules: Rules,
    watched: WatchLists,
    model_version: str,
    start: datetime,
    end: datetime,
    *,
    horizon: timedelta = HORIZON,
    freeze: bool = False,
    progress: Progress = silent,
) -> list[Played]:
    """Each rule of the file from `start` to `end` (UTC midnights), in the order of the file.

    `freeze`: each finding can also say what it was computed from (`Seen.given`); the whole past stays in memory then.
    """
    given = _Giving(watched, known.labels) if freeze else None
    asked = _Asked(known, rules, watched, model_version, start, end, horizon, given)
    played = {rule.name: Played(rule) for rule in rules.rules}
    found: list[Seen] = []
    for grain in BUCKET:
        ours = [rule for rule in _series_rules(rules) if rule.grain == grain]
        if ours:
            found += _of_series(asked, ours, played, progress)
    for rule in rules.of(Kind.EVENT):
        found += _of_events(asked, rule)
        played[rule.name].series = sum(
            rule.selects(name, tier_in(watched, rule, name)) for name in sorted(watched.entities())
        )
    for rule in rules.of(Kind.HEALTH):
        if rule.what is Health.BLIND_SPOT:
            found += _blind_spots(asked, rule)
        elif rule.what is Health.LATE_FEED:
            found += _late_feeds(asked, rule)
            played[rule.name].series = len(known.feeds)
    for life in play((one for one in found if one.at >= start), rules, end, horizon):
        played[life.incident.rule].lives.append(life)
    return list(played.values())


@dataclass(frozen=True)
class _Giving:
    """Remembers what findings were computed from, so that evidence can be made of those that somebody is told of."""

    watched: WatchLists
    labels: Labels

    def of_stretch(self, stretch: Stretch) -> Callable[[Finding], Given]:
        """Of the findings of one stretch."""
        usual = {stretch.grain: stretch.usual}
        seen = judging.Seen(stretch.trends, stretch.fits, (), (), self.labels, usual)
        return lambda finding: self._given(seen, finding, stretch.start, stretch.end)

    def of_now(
        self,
        finding: Finding,
        oldest: datetime,
        now: datetime,
        sightings: Sequence[Sighting] = (),
        feeds: Sequence[FeedHistory] = (),
        trends: pd.DataFrame = _NOTHING,
    ) -> Given:
        """Of a finding of one moment."""
        return self._given(judging.Seen(trends, _NOTHING, sightings, feeds, self.labels), finding, oldest, now)

    def _given(self, seen: judging.Seen, finding: Finding, oldest: datetime, now: datetime) -> Given:
        return lambda: inputs.as_json(seen, finding, self.watched, oldest, now)


@dataclass(frozen=True)
class _Asked:
    """What is asked of the past: these rules on what was known, from `start` to `end`."""

    known: Known
    rules: Rules
    watched: WatchLists
    model_version: str
    start: datetime
    end: datetime
    horizon: timedelta
    given: _Giving | None


def _series_rules(rules: Rules) -> list[Rule]:
    return [rule for rule in rules.rules if rule.kind in (Kind.NEGATIVE_SHARE, Kind.VOLUME)]


def _of_series(asked: _Asked, ours: Sequence[Rule], played: dict[str, Played], progress: Progress) -> Iterator[Seen]:
    known, watched, start, end, grain = asked.known, asked.watched, asked.start, asked.end, ours[0].grain
    rows = known.trends
    rows = rows[(rows["grain"] == grain) & rows["scope"].isin({MARKET[0], *(rule.scope for rule in ours)})]
    # A budget is set from what was judged before; the first days of the span must not find it without a past.
    first = start - HISTORY[grain] if any(rule.budget for rule in ours) else start
    if len(rows):
        first = max(first, pd.Timestamp(rows["bucket_start"].min()).to_pydatetime())
    tallies: dict[str, list[Tally]] = {rule.name: [] for rule in ours}
    volumes = any(rule.kind is Kind.VOLUME for rule in ours)
    total = max(-(-(end - first) // timedelta(weeks=1)), 0)
    for done, stretch in enumerate(stretches(rows, grain, first, end, asked.model_version, volumes=volumes)):
        progress(f"judge {grain}s", done, total)
        find = finder(stretch, asked.rules, known.labels, watched)
        gives = asked.given.of_stretch(stretch) if asked.given else None
        for rule in ours:
            active = _limited(rule, tallies[rule.name], stretch, played[rule.name], start)
            counted = _count(rule, watched, stretch, find)
            tallies[rule.name].append(counted)
            if stretch.end > start:
                played[rule.name].series = max(played[rule.name].series, counted.series)
                played[rule.name].weeks_judged += stretch.weeks if counted.tests else 0.0
                grace = GRACE if grain == "day" else timedelta(0)
                yield from (
                    Seen(one, one.end + grace, given=gives(one) if gives else None)
                    for one in find(active)
                    if one.end > start
                )


def _limited(rule: Rule, tallies: list[Tally], stretch: Stretch, played: Played, start: datetime) -> Rule:
    """The rule with the limit its budget sets from the stretches before this one."""
    if rule.budget is None or stretch.end <= start:
        return rule
    recent = [one for one in tallies if one.start >= stretch.start - HISTORY[rule.grain]]
    played.limits.append(limit_for(recent, rule))
    return replace(rule, p_limit=played.limits[-1].p_limit)


def _count(rule: Rule, watched: WatchLists, stretch: Stretch, find: Finder) -> Tally:
    """With episodes where a budget needs them (they cost a search over the whole scope), else without."""
    return tally(stretch, find if rule.budget else _nothing, rule, watched)


def _nothing(rule: Rule) -> Iterable[Finding]:
    return ()


def _of_events(asked: _Asked, rule: Rule) -> Iterator[Seen]:
    """The findings of every moment at which an article about a watched name, or one more of its story, was known."""
    known, rules, watched, model_version = asked.known, asked.rules, asked.watched, asked.model_version
    severe = [
        one
        for one in known.sightings
        if one.p_negative > rule.p_negative and (not rule.themes or one.theme in rule.themes)
    ]
    for _, group in groupby(
        sorted(severe, key=lambda one: (one.entity_id, one.known_at)), key=lambda one: one.entity_id
    ):
        ours = list(group)
        told = {one.story_id: known.stories.get(one.story_id, []) for one in ours}
        moments = {one.known_at for one in ours} | {telling.known_at for story in told.values() for telling in story}
        for at in sorted(moment for moment in moments if moment >= asked.start):
            oldest = at - asked.horizon
            then = [_as_of(one, known, at) for one in ours if oldest < one.known_at <= at]
            for finding in confirmed(events.findings(then, rule, rules, known.labels, watched, model_version, at)):
                gives = asked.given.of_now(finding, oldest, at, sightings=then) if asked.given else None
                yield Seen(finding, at, given=gives)


def _as_of(one: Sighting, known: Known, at: datetime) -> Sighting:
    told = known.stories.get(one.story_id, [])
    return replace(one, owners=tuple(sorted({telling.owner for telling in told if telling.known_at <= at})))


def _blind_spots(asked: _Asked, rule: Rule) -> Iterator[Seen]:
    trends, start, given = asked.known.trends, asked.start, asked.given
    market = trends[(trends["scope"] == "market") & (trends["grain"] == "hour")]
    market = market[(market["coverage"] < rule.min_coverage) & (market["bucket_start"] >= pd.Timestamp(start))]
    for place in range(len(market)):
        row = market.iloc[place : place + 1]
        end = pd.Timestamp(row["bucket_start"].iloc[0]).to_pydatetime().astimezone(UTC) + _HOUR
        for finding in feeds.blind_spots(row, rule, asked.rules, end):
            gives = given.of_now(finding, start, end, trends=row) if given else None
            yield Seen(finding, end, end + _HOUR, gives)


def _late_feeds(asked: _Asked, rule: Rule) -> Iterator[Seen]:
    """Each silence of a feed that was called late while it lasted, from the first full hour at which it was."""
    start, end, given = asked.start, asked.end, asked.given
    since, until = health.hours_of(start), health.hours_of(end)
    for feed in asked.known.feeds:
        times = feed.arrivals[feed.arrivals <= until]
        if times.size < 2:
            continue
        ends = np.append(times[1:], min(until, feed.removed))
        gaps = ends - times
        # Shorter silences than this are improbable at no hour of a feed that publishes as evenly as most.
        least = -np.log(rule.p_limit) / 2 * np.diff(times).mean()
        for i in np.flatnonzero((gaps > max(least, 1.0)) & (ends > since)):
            then = replace(feed, arrivals=times[: i + 1])
            late = _first_late(then, float(times[i]), float(ends[i]), rule, asked.rules)
            if late is not None and late.at >= start:
                gives = given.of_now(late.finding, start, late.at, feeds=(then,)) if given else None
                yield replace(late, given=gives)


def _first_late(feed: FeedHistory, last: float, end: float, rule: Rule, rules: Rules) -> Seen | None:
    def found(hour: float) -> Seen | None:
        now = datetime.fromtimestamp(hour * 3600, UTC)
        until = datetime.fromtimestamp(end * 3600, UTC)
        return next((Seen(one, now, until) for one in feeds.late_feeds([feed], rule, rules, now)), None)

    # A silence only grows less probable: halve.
    low, high = int(np.ceil(last)), int(np.floor(end))
    if high <= low or found(high) is None:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if found(middle) else (middle, high)
    return found(high)
