"""Cadence, lateness and expected arrivals of a feed. Pure: times are hours since 1970 (UTC), as floats.

The hour of the week is that of the publisher's own clock, so that a desk which starts at nine does so in summer, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from pipeline.local_time import UTC_CLOCK, LocalTime

__all__ = [
    "ALARM_P",
    "GOOD_OUTCOMES",
    "LATE_P",
    "WINDOW_HOURS",
    "Cadence",
    "Lateness",
    "before_silence",
    "cadence",
    "chance_of_silence",
    "covered",
    "expected_arrivals",
    "hours_of",
    "lateness",
    "quiet_for_long",
]

Hours = NDArray[np.float64]

WEEK = 168
WINDOW_HOURS = 8 * WEEK
# Coverage: at any hour one healthy feed in a hundred is left out for nothing, which moves a share by a hundredth.
LATE_P = 0.01
# An alarm: every gap between two articles is a try, so .01 would wake somebody every hundredth article.
ALARM_P = 0.001
# An outcome of a fetch after which we know what the feed holds.
GOOD_OUTCOMES = ("new", "unchanged", "same_body", "nothing_new")
_MIN_ARRIVALS = 20
_MIN_SPAN_HOURS = 48.0
# A hour of the week has few weeks of its own; the feed's mean counts like this many more.
_SHRINK_WEEKS = 2.0
_BUSIEST = 0.98
# So many days with news make a slow feed's pace.
_MIN_DAYS = 5
# Monday 00:00 is hour 0 of the week; 1970 began on a Thursday.
_THURSDAY = 72


@dataclass(frozen=True)
class Cadence:
    """What a feed does by hour of the week (168 values each, Monday 00:00 first, by the clock of `place`).

    `articles`: expected articles per hour. `hazard`: −log of the chance that an hour brings nothing, so that a feed
    which publishes in batches is not taken for dead between them; for a Poisson feed both are the same.
    """

    articles: Hours
    hazard: Hours
    n: int
    span_hours: float
    place: LocalTime = UTC_CLOCK


@dataclass(frozen=True)
class Lateness:
    """How long a feed has been silent, what was expected in that time, and the chance of such a silence."""

    late: bool
    silent_hours: float
    expected: float
    p_value: float


def hours_of(moment: datetime) -> float:
    """Hours since 1970 of an aware datetime."""
    return moment.timestamp() / 3600


def cadence(arrivals: Hours, now: float, place: LocalTime = UTC_CLOCK) -> Cadence | None:
    """The cadence from the arrivals (sorted) of the eight weeks before `now`; None while a feed is too young.

    Each hour of the week is shrunk to the feed's own mean: (count + 2 × mean) / (weeks seen + 2).
    """
    first, last = np.searchsorted(arrivals, now - WINDOW_HOURS), np.searchsorted(arrivals, now, side="right")
    seen = arrivals[first:last]
    span = now - float(seen[0]) if seen.size else 0.0
    if seen.size < _MIN_ARRIVALS or span < _MIN_SPAN_HOURS:
        return None
    weeks = _weeks_seen(now - span, now, place)
    whole = np.floor(place.of(seen) + _THURSDAY)
    articles = np.bincount(whole.astype(np.int64) % WEEK, minlength=WEEK)
    fresh = whole[np.diff(whole, prepend=-np.inf) != 0]
    busy = np.bincount(fresh.astype(np.int64) % WEEK, minlength=WEEK)
    chance = np.minimum(_shrunk(busy, weeks), _BUSIEST)
    rate, hazard = _shrunk(articles, weeks), -np.log1p(-chance)
    # The logarithm of an estimate is too large on average; hours with news cannot outnumber the articles.
    hazard *= min(1.0, float(rate.sum() / hazard.sum()))
    return Cadence(rate, hazard, int(seen.size), span, place)


def before_silence(arrivals: Hours, now: float, place: LocalTime = UTC_CLOCK) -> Cadence | None:
    """The cadence up to the last arrival before `now` (sorted): what a feed did before it fell silent.

    With the silence in it, a dead feed would be expected to bring less from day to day and at last nothing.
    """
    n = int(np.searchsorted(arrivals, now, side="right"))
    return cadence(arrivals[:n], float(arrivals[n - 1]), place) if n else None


def expected_arrivals(known: Cadence, start: Hours | float, end: Hours | float) -> Hours:
    """Articles expected between two times."""
    return _between(known.articles, start, end, known.place)


def chance_of_silence(known: Cadence, start: Hours | float, end: Hours | float) -> Hours:
    """The chance that a healthy feed brings nothing between two times (the Poisson tail at zero)."""
    return np.asarray(np.exp(-_between(known.hazard, start, end, known.place)))


def lateness(known: Cadence, last_arrival: float, now: float, p_limit: float = LATE_P) -> Lateness:
    """Whether the silence since `last_arrival` is less likely than `p_limit` for this feed at these hours."""
    p = float(chance_of_silence(known, last_arrival, now))
    expected = float(expected_arrivals(known, last_arrival, now))
    return Lateness(p < p_limit, max(now - last_arrival, 0.0), expected, p)


def quiet_for_long(arrivals: Hours, now: float, p_limit: float = ALARM_P) -> Lateness | None:
    """Lateness of a feed too slow for a cadence, from its days with news; None with fewer than five of them.

    After n − 1 gaps that make up a span, a Poisson feed of unknown pace (prior 1/rate) is silent for s with
    probability (1 + s / span)^−(n − 1).
    """
    days = np.unique(np.floor(arrivals[arrivals <= now] / 24))
    if days.size < _MIN_DAYS:
        return None
    span, last = float(days[-1] - days[0]) * 24, float(arrivals[arrivals <= now].max())
    silent, gaps = max(now - last, 0.0), days.size - 1
    p = float((1 + silent / span) ** -gaps)
    return Lateness(p < p_limit, silent, gaps * silent / span, p)


def covered(
    known: Cadence, arrivals: Hours, polls: Hours, starts: Hours, ends: Hours, p_limit: float = LATE_P
) -> NDArray[np.bool_]:
    """For each bucket: was the feed polled successfully (in it, or within the hour after) and not late at its end?

    `arrivals` and `polls` are sorted. A poll shortly after a bucket still shows what was published in it.
    """
    polled = np.searchsorted(polls, ends + 1.0, side="left") > np.searchsorted(polls, starts, side="left")
    before = np.searchsorted(arrivals, ends, side="right") - 1
    last = np.where(before >= 0, arrivals[np.maximum(before, 0)] if arrivals.size else starts, starts)
    return polled & (chance_of_silence(known, last, ends) >= p_limit)


def _weeks_seen(start: float, end: float, place: LocalTime) -> Hours:
    """How many times each hour of the week has passed on the clock of `place`, parts of hours as parts."""
    turns = place.starts[(place.starts > start) & (place.starts < end)]
    edges = np.concatenate([[start], turns, [end]])
    offsets = place.offsets[place.pieces(edges[:-1])]
    weeks, rest = np.divmod(np.stack([edges[:-1] + offsets, edges[1:] + offsets]) + _THURSDAY, WEEK)
    passed = weeks[..., np.newaxis] + np.clip(rest[..., np.newaxis] - np.arange(WEEK), 0.0, 1.0)
    return np.asarray((passed[1] - passed[0]).sum(axis=0))


def _shrunk(counts: NDArray[np.int64], weeks: Hours) -> Hours:
    mean = counts.sum() / max(weeks.sum(), 1.0)
    return np.asarray((counts + _SHRINK_WEEKS * mean) / (weeks + _SHRINK_WEEKS), dtype=np.float64)


def _between(rate: Hours, start: Hours | float, end: Hours | float, place: LocalTime) -> Hours:
    # Sums over decades of hours: what rounding leaves must not make a rate negative.
    return np.asarray(np.maximum(_integral(rate, end, place) - _integral(rate, start, place), 0.0))


def _integral(rate: Hours, when: Hours | float, place: LocalTime) -> Hours:
    """The integral of a weekly rate up to each time, by the clock of `place`; what an hour is counts as it passes.

    Where the clock is put on or back the local integral jumps although no time has passed; the jumps are taken out.
    """
    local = _weekly(rate, place.of(when))
    if place.starts.size == 1:
        return local
    turns, offsets = place.starts[1:], place.offsets
    jumps = _weekly(rate, turns + offsets[1:]) - _weekly(rate, turns + offsets[:-1])
    return np.asarray(local - np.concatenate([[0.0], np.cumsum(jumps)])[place.pieces(when)])


def _weekly(rate: Hours, local: Hours) -> Hours:
    sums = np.concatenate([[0.0], np.cumsum(rate)])
    weeks, rest = np.divmod(local + _THURSDAY, WEEK)
    hour = np.minimum(np.floor(rest).astype(np.int64), WEEK - 1)
    return np.asarray(weeks * sums[-1] + sums[hour] + (rest - hour) * rate[hour])
