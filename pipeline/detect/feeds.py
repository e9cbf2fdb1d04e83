"""Rules of kind `health`: a feed silent for longer than its own cadence explains, and a blind spot. No warm-up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import pandas as pd

from pipeline import health
from pipeline.detect.findings import Finding
from pipeline.detect.rules import Rule, Rules
from pipeline.incidents import Detection
from pipeline.series.coverage import FeedHistory

__all__ = ["blind_spots", "late_feeds"]


def late_feeds(feeds: list[FeedHistory], rule: Rule, rules: Rules, now: datetime) -> Iterator[Finding]:
    """One finding for each feed that is improbably late; a feed too young to have a cadence is never called late."""
    at = health.hours_of(now)
    for feed in feeds:
        if not feed.arrivals.size or feed.removed <= at or not rule.selects(feed.feed_id, None):
            continue
        last = float(feed.arrivals[-1])
        known = health.before_silence(feed.arrivals, last, feed.place)
        if known is None:
            continue
        late = health.lateness(known, last, at, rule.p_limit)
        if not late.late:
            continue
        name = feed.title or feed.publisher or feed.feed_id
        last_at = datetime.fromtimestamp(last * 3600, UTC)
        sentence = (
            f"{name}: nothing new for {_hours(late.silent_hours)}; expected about {round(late.expected)} articles in"
            f" that time (p < {rule.p_limit:g})"
        )
        facts = {
            "expected": round(late.expected, 4),
            "feed_id": feed.feed_id,
            "last_new_at": last_at.isoformat(),
            "p_value": late.p_value,
            "publisher": feed.publisher,
            "sentence": sentence,
            "silent_hours": round(late.silent_hours, 4),
        }
        numbers = {"expected": facts["expected"], "p_limit": rule.p_limit, "p_value": late.p_value, "feed": facts}
        # Seen until the silence began, so that one silence is one finding however often we look.
        yield _finding(rule, rules, feed.feed_id, name, sentence, last_at, last_at, numbers)


def blind_spots(trends: pd.DataFrame, rule: Rule, rules: Rules, now: datetime) -> Iterator[Finding]:
    """A finding where the last full hour of the market was covered under the floor."""
    end = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    start = end - timedelta(hours=1)
    market = trends[(trends["scope"] == "market") & (trends["grain"] == "hour")]
    market = market[pd.to_datetime(market["bucket_start"], utc=True) == pd.Timestamp(start)]
    coverage = market["coverage"].dropna()
    if coverage.empty or float(coverage.iloc[0]) >= rule.min_coverage:
        return
    share = float(coverage.iloc[0])
    sentence = f"blind spot: {share:.0%} of the expected articles covered in the hour to {end:%H:%M} UTC"
    numbers = {"coverage": round(share, 4), "p_limit": None, "sentence": sentence}
    yield _finding(rule, rules, "all", "Market", sentence, start, end, numbers)


def _finding(
    rule: Rule,
    rules: Rules,
    key: str,
    name: str,
    sentence: str,
    start: datetime,
    end: datetime,
    numbers: Mapping[str, object],
) -> Finding:
    detection = Detection(
        rule=rule.name,
        kind=rule.kind.value,
        scope=rule.scope,
        key=key,
        label=f"Feed: {name}" if rule.scope == "feed" else name,
        severity=rules.severity_of(rule, effect=0.0, owners=0, tier=None),
        summary=sentence,
        bucket_start=start,
        seen_until=end,
        subjects=frozenset({start.isoformat()}),
    )
    return Finding(rule, detection, start, end, numbers)


def _hours(hours: float) -> str:
    return f"{hours:.0f} h" if hours < 72 else f"{hours / 24:.0f} days"
