"""Rules of kind `health` about ourselves: nothing comes in or is scored, a stage fails, the disk, old pages. Pure.

What they look at (`Vitals`) is read by `detect.vitals`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pipeline.detect.findings import Finding
from pipeline.detect.rules import Health, Rule, Rules
from pipeline.incidents import Detection
from pipeline.machine import Disk

__all__ = ["Failing", "Vitals", "findings"]


@dataclass(frozen=True)
class Failing:
    """A stage whose newest run failed: when the first failure since the last success ended, how many, the last why."""

    stage: str
    since: datetime
    times: int
    reason: str


@dataclass(frozen=True)
class Vitals:
    """How the pipeline stood when a pass looked.

    `feeds`: how many are polled, the first since `feeds_since`. `article_at`: when the newest article came in (imports
    left out), None where none ever did; `silence_p`: the chance that healthy feeds bring nothing for so long, by their
    cadences, None where none has one yet. `waiting`:
    articles without a score of the active model, the oldest since `waiting_since`. `failing`: stages, without
    `detect`, which looks. `disk`: None where nobody asked. `published_at`: of the snapshot, None before the first.
    """

    feeds: int = 0
    article_at: datetime | None = None
    silence_p: float | None = None
    waiting: int = 0
    waiting_since: datetime | None = None
    failing: tuple[Failing, ...] = ()
    disk: Disk | None = None
    published_at: datetime | None = None
    feeds_since: datetime | None = None


@dataclass(frozen=True)
class _Found:
    key: str
    label: str
    since: datetime
    sentence: str
    facts: dict[str, Any]


def findings(vitals: Vitals, rule: Rule, rules: Rules, now: datetime) -> Iterator[Finding]:
    """What the rule finds; each has lasted for `rule.after` at least. A clock that was set back finds nothing."""
    for one in _LOOK[rule.what](vitals, rule, now) if rule.what in _LOOK else ():
        if not rule.selects(one.key, None):
            continue
        detection = Detection(
            rule=rule.name,
            kind=rule.kind.value,
            scope=rule.scope,
            key=one.key,
            label=one.label,
            severity=rules.severity_of(rule, effect=0.0, owners=0, tier=None),
            summary=one.sentence,
            bucket_start=one.since,
            seen_until=one.since,
            subjects=frozenset({one.since.isoformat()}),
        )
        numbers = {"coverage": None, "p_limit": None, "sentence": one.sentence, **one.facts}
        yield Finding(rule, detection, one.since, now, numbers)


def _no_articles(vitals: Vitals, rule: Rule, now: datetime) -> Iterator[_Found]:
    # Where none ever came (a proxy that lets nothing through), the silence began with the feeds.
    at, p = vitals.article_at or vitals.feeds_since, vitals.silence_p
    if not vitals.feeds or at is None or now - at < rule.after or (p is not None and p >= rule.p_limit):
        return
    feeds = f"{vitals.feeds:,} feeds" if vitals.feeds > 1 else "the one feed"
    by_chance = "" if p is None else f" (by chance p < {rule.p_limit:g})"
    before = "" if vitals.article_at else ", nor ever before"
    sentence = f"no article from {feeds} for {_long(now - at)}{before}{by_chance}"
    yield _Found("articles", "Feeds", at, sentence, {"p_limit": rule.p_limit, "p_value": p})


def _scoring_behind(vitals: Vitals, rule: Rule, now: datetime) -> Iterator[_Found]:
    since = vitals.waiting_since
    if since is None or now - since < rule.after:
        return
    many = "articles wait" if vitals.waiting > 1 else "article waits"
    sentence = f"{vitals.waiting:,} {many} for a score, the oldest for {_long(now - since)}"
    yield _Found("score", "Scoring", since, sentence, {"waiting": vitals.waiting})


def _failed_stage(vitals: Vitals, rule: Rule, now: datetime) -> Iterator[_Found]:
    for one in vitals.failing:
        if now - one.since < rule.after:
            continue
        times = "once" if one.times == 1 else f"{one.times:,} times in a row"
        sentence = f"{one.stage} failed {times} since {one.since:%Y-%m-%d %H:%M} UTC, the last time with {one.reason}"
        yield _Found(one.stage, f"Stage {one.stage}", one.since, sentence, {"reason": one.reason, "times": one.times})


def _disk_full(vitals: Vitals, rule: Rule, now: datetime) -> Iterator[_Found]:
    disk = vitals.disk
    if disk is None or not disk.total or disk.free >= rule.min_free * disk.total:
        return
    gigabytes = f"{disk.free / 1e9:.1f} of {disk.total / 1e9:.1f} GB are free"
    which = f"the disk of {disk.folder}" if disk.folder else "the disk"
    sentence = f"{which} is nearly full: {gigabytes}, under {rule.min_free:.0%}"
    # A disk has no moment at which it became full: it is found once an hour.
    since = now.replace(minute=0, second=0, microsecond=0)
    yield _Found("disk", "Disk", since, sentence, {"free_bytes": disk.free, "total_bytes": disk.total})


def _old_snapshot(vitals: Vitals, rule: Rule, now: datetime) -> Iterator[_Found]:
    at = vitals.published_at
    if at is None or now - at < rule.after:
        return
    sentence = f"the published snapshot is {_long(now - at)} old: pages and reports show {at:%Y-%m-%d %H:%M} UTC"
    yield _Found("snapshot", "Published snapshot", at, sentence, {})


_LOOK = {
    Health.NO_ARTICLES: _no_articles,
    Health.SCORING_BEHIND: _scoring_behind,
    Health.FAILED_STAGE: _failed_stage,
    Health.DISK_FULL: _disk_full,
    Health.OLD_SNAPSHOT: _old_snapshot,
}


def _long(time: timedelta) -> str:
    minutes = time / timedelta(minutes=1)
    if minutes < 120:
        return f"{minutes:.0f} minutes"
    return f"{minutes / 60:.0f} h" if minutes < 72 * 60 else f"{minutes / 60 / 24:.0f} days"
