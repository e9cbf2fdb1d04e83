"""What is read from counts and sums, again, slowly, in plain Python: what `series.index` is held against."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import mean, stdev

__all__ = ["Bucket", "read"]

NAN = float("nan")
HALF_LIFE = {"hour": 24.0, "day": 168.0}
LEAST = {"hour": 48, "day": 10}
ALIKE = {"hour": timedelta(weeks=8), "day": timedelta(days=180)}
STEP = {"hour": timedelta(hours=1), "day": timedelta(days=1)}


@dataclass(frozen=True)
class Bucket:
    """One row of `trends`, as far as it is read."""

    start: datetime
    stories: int
    polarity_sum: float
    polarity_sq_sum: float
    abstained: int
    expected: float | None
    covered: float | None


def read(buckets: Sequence[Bucket], grain: str) -> list[dict[str, float]]:
    """The columns that are read, bucket by bucket, each from the definitions alone."""
    ratios = [ratio(buckets[: i + 1], grain) for i in range(len(buckets))]
    rows = []
    for i, bucket in enumerate(buckets):
        past = [
            r
            for r, b in zip(ratios[:i], buckets[:i], strict=True)
            if not math.isnan(r) and bucket.start - timedelta(days=180) <= b.start
        ]
        usual = mean(past) if len(past) >= LEAST[grain] else NAN
        deviation = stdev(past) if len(past) >= LEAST[grain] else NAN
        deviation = deviation if deviation > 1e-9 else NAN
        coverage = NAN if bucket.expected is None else (bucket.covered or 0.0) / bucket.expected
        index = NAN if coverage < 0.5 else (ratios[i] - usual) / deviation
        half = 1.96 * error(buckets[: i + 1], grain) / deviation
        rows.append(
            {
                "net_sentiment": bucket.polarity_sum / bucket.stories if bucket.stories else NAN,
                "sentiment_index": index,
                "band_low": index - half,
                "band_high": index + half,
                "coverage": coverage,
                "buzz_ratio": buzz(buckets[: i + 1], grain),
            }
        )
    return rows


def decayed(buckets: Sequence[Bucket], grain: str, of: Sequence[float], power: int = 1) -> float:
    last = buckets[-1].start
    ages = [(last - b.start) / timedelta(hours=1) for b in buckets]
    return sum(x * 2 ** (-power * age / HALF_LIFE[grain]) for x, age in zip(of, ages, strict=True))


def ratio(buckets: Sequence[Bucket], grain: str) -> float:
    weight = decayed(buckets, grain, [b.stories for b in buckets])
    return decayed(buckets, grain, [b.polarity_sum for b in buckets]) / weight if weight > 0 else NAN


def error(buckets: Sequence[Bucket], grain: str) -> float:
    n = decayed(buckets, grain, [b.stories for b in buckets])
    if n <= 0:
        return NAN
    squares = decayed(buckets, grain, [b.polarity_sq_sum for b in buckets])
    variance = (max(squares - n * ratio(buckets, grain) ** 2, 0.0) + 2 * 0.25) / (n + 2)
    unsure = decayed(buckets, grain, [b.abstained for b in buckets])
    weight = decayed(buckets, grain, [b.stories for b in buckets], power=2)
    return math.sqrt(variance * weight) / n * math.sqrt((n + unsure) / n)


def buzz(buckets: Sequence[Bucket], grain: str) -> float:
    last, told = buckets[-1], {b.start: b.stories for b in buckets}
    alike, at = [], last.start - STEP[grain]
    while at >= buckets[0].start and last.start - at <= ALIKE[grain]:
        same_kind = (at.weekday() >= 5) == (last.start.weekday() >= 5)
        if same_kind and (grain == "day" or at.hour == last.start.hour):
            alike.append(told.get(at, 0))
        at -= STEP[grain]
    usual = mean(alike) if len(alike) >= 8 else NAN
    return last.stories / usual if usual > 0 else NAN
