"""Cadence, lateness and expected arrivals of a feed. Pure: times are hours since 1970 (UTC), as floats."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "GOOD_OUTCOMES",
    "LATE_P",
    "WINDOW_HOURS",
    "Cadence",
    "Lateness",
    "cadence",
    "chance_of_silence",
    "covered",
    "expected_arrivals",
    "hours_of",
    "lateness",
]

Hours = NDArray[np.float64]

WEEK = 168
WINDOW_HOURS = 8 * WEEK
LATE_P = 0.01
# An outcome of a fetch after which we know what the feed holds.
GOOD_OUTCOMES = ("new", "unchanged", "same_body", "nothing_new")
_MIN_ARRIVALS = 20
_MIN_SPAN_HOURS = 48.0
# A hour of the week has few weeks of its own; the feed's mean counts like this many more.
_SHRINK_WEEKS = 2.0
_BUSIEST = 0.98
# Monday 00:00 is hour 0 of the week; 1970 began on a Thursday.
_THURSDAY = 72


@dataclass(frozen=True)
class Cadence:
    """What a feed does by hour of the week (168 values each, Monday 00:00 UTC first).

    `articles`: expected articles per hour. `hazard`: −log of the chance that an hour brings nothing, so that a feed
    which publishes in batches is not taken for dead between them; for a Poisson feed both are the same.
    """

    articles: Hours
    hazard: Hours
    n: int
    span_hours: float


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


def cadence(arrivals: Hours, now: float) -> Cadence | None:
    """The cadence from the arrivals of the eight weeks before `now`; None while a feed is too young to be judged.

    Each hour of the week is shrunk to the feed's own mean: (count + 2 × mean) / (weeks seen + 2).
    """
    seen = arrivals[(arrivals >= now - WINDOW_HOURS) & (arrivals <= now)]
    span = now - float(seen.min()) if seen.size else 0.0
    if seen.size < _MIN_ARRIVALS or span < _MIN_SPAN_HOURS:
        return None
    first, last = int(np.floor(now - span)), int(np.floor(now))
    weeks = np.bincount((np.arange(first, last + 1) + _THURSDAY) % WEEK, minlength=WEEK).astype(np.float64)
    whole = np.floor(seen).astype(np.int64)
    articles = np.bincount((whole + _THURSDAY) % WEEK, minlength=WEEK)
    busy = np.bincount((np.unique(whole) + _THURSDAY) % WEEK, minlength=WEEK)
    chance = np.minimum(_shrunk(busy, weeks), _BUSIEST)
    rate, hazard = _shrunk(articles, weeks), -np.log1p(-chance)
    # The logarithm of an estimate is too large on average; hours with news cannot outnumber the articles.
    hazard *= min(1.0, float(rate.sum() / hazard.sum()))
    return Cadence(rate, hazard, int(seen.size), span)


def expected_arrivals(known: Cadence, start: Hours | float, end: Hours | float) -> Hours:
    """Articles expected between two times."""
    return _integral(known.articles, end) - _integral(known.articles, start)


def chance_of_silence(known: Cadence, start: Hours | float, end: Hours | float) -> Hours:
    """The chance that a healthy feed brings nothing between two times (the Poisson tail at zero)."""
    return np.asarray(np.exp(-(_integral(known.hazard, end) - _integral(known.hazard, start))))


def lateness(known: Cadence, last_arrival: float, now: float, p_limit: float = LATE_P) -> Lateness:
    """Whether the silence since `last_arrival` is less likely than `p_limit` for this feed at these hours."""
    p = float(chance_of_silence(known, last_arrival, now))
    expected = float(expected_arrivals(known, last_arrival, now))
    return Lateness(p < p_limit, max(now - last_arrival, 0.0), expected, p)


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


def _shrunk(counts: NDArray[np.int64], weeks: Hours) -> Hours:
    mean = counts.sum() / max(weeks.sum(), 1.0)
    return np.asarray((counts + _SHRINK_WEEKS * mean) / (weeks + _SHRINK_WEEKS), dtype=np.float64)


def _integral(rate: Hours, when: Hours | float) -> Hours:
    moved = np.asarray(when, dtype=np.float64) + _THURSDAY
    sums = np.concatenate([[0.0], np.cumsum(rate)])
    weeks, rest = np.divmod(moved, WEEK)
    hour = np.minimum(np.floor(rest).astype(np.int64), WEEK - 1)
    return np.asarray(weeks * sums[-1] + sums[hour] + (rest - hour) * rate[hour])
