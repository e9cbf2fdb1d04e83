"""What a backtest says: alerts per week and rule, episodes, delay, each alert with its evidence; two files compared."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from pipeline.backtest.play import Life
from pipeline.backtest.run import Played
from pipeline.errors import InputError
from pipeline.incidents import hash_id

__all__ = ["Alert", "Compared", "Episode", "Hit", "OfRule", "Result", "alert_of", "compare", "read_episodes", "summed"]

_WEEK = timedelta(weeks=1)


@dataclass(frozen=True)
class Alert:
    """One incident that would have fired. `began`: the start of what was unusual; `articles`: as known at firing."""

    alert_id: str
    rule: str
    kind: str
    scope: str
    key: str
    label: str
    severity: str
    summary: str
    began: datetime
    fired_at: datetime
    resolved_at: datetime | None
    reopened: int
    escalations: int
    numbers: Mapping[str, Any]
    articles: Sequence[Mapping[str, Any]] = ()

    @property
    def delay_hours(self) -> float:
        """From the start of what was unusual to the alert."""
        return (self.fired_at - self.began) / timedelta(hours=1)


@dataclass(frozen=True)
class Episode:
    """A time that an alert should have told of, from the user's own file; `scope` and `key` '': of anything."""

    name: str
    start: datetime
    end: datetime
    scope: str = ""
    key: str = ""

    def tells(self, alert: Alert) -> bool:
        """Whether the alert fired inside the episode, about what it is about."""
        of_it = self.scope in ("", alert.scope) and self.key in ("", alert.key)
        return of_it and self.start <= alert.fired_at < self.end


@dataclass(frozen=True)
class Hit:
    """The first alert of a rule in an episode, and how long after its start; None: missed."""

    episode: str
    rule: str
    alert_id: str | None
    delay_hours: float | None


@dataclass(frozen=True)
class OfRule:
    """One row of the table. `per_week` counts alerts over the whole span; `busiest`: most in one week.

    `p_limit`: the last one; with a budget `p_limits` are the least and the greatest of the span. `median_delay_hours`:
    None without alerts. `weeks_judged`: how long there was a past to judge by (None: the rule needs none).
    """

    rule: str
    kind: str
    scope: str
    grain: str
    budget: str
    p_limit: float | None
    p_limits: tuple[float, float] | None
    series: int
    weeks_judged: float | None
    alerts: int
    per_week: float
    busiest: int
    escalations: int
    median_delay_hours: float | None
    severities: Mapping[str, int]


@dataclass(frozen=True)
class Result:
    """A whole backtest. Always SIMULATED: one pinned model, whose training data may know the time it judges."""

    rules: str
    rules_sha256: str
    watchlists: str
    watchlists_sha256: str
    model_version: str
    trained_on: str
    start: datetime
    end: datetime
    articles: int
    late: int
    of_rules: tuple[OfRule, ...]
    alerts: tuple[Alert, ...]
    episodes: tuple[Episode, ...] = ()
    hits: tuple[Hit, ...] = ()
    notes: tuple[str, ...] = ()
    simulated: bool = field(default=True, init=False)

    @property
    def weeks(self) -> float:
        """The length of the span."""
        return (self.end - self.start) / _WEEK

    def by_week(self, rule: str) -> list[int]:
        """Alerts of a rule in each week of the span."""
        counts = [0] * max(-(-(self.end - self.start) // _WEEK), 1)
        for alert in self.alerts:
            if alert.rule == rule:
                counts[min(int((alert.fired_at - self.start) / _WEEK), len(counts) - 1)] += 1
        return counts

    def as_json(self) -> dict[str, Any]:
        """Plain values; times stay datetimes."""
        return asdict(self) | {"weeks": round(self.weeks, 3)}


def alert_of(life: Life, articles: Sequence[Mapping[str, Any]]) -> Alert:
    """The alert of a life, told by the finding it fired on."""
    finding, incident = life.finding, life.incident
    numbers = {name: value for name, value in finding.numbers.items() if name not in ("fit", "feed", "articles")}
    return Alert(
        hash_id(incident.incident_id, life.fired_at.isoformat())[:12],
        incident.rule,
        incident.kind,
        incident.scope,
        incident.key,
        finding.detection.label,
        incident.severity.value,
        finding.detection.summary,
        finding.start,
        life.fired_at,
        incident.resolved_at,
        life.reopened,
        life.escalations,
        numbers,
        tuple(articles),
    )


def summed(played: Sequence[Played], alerts: Sequence[Alert], start: datetime, end: datetime) -> tuple[OfRule, ...]:
    """The table, a row for each rule."""
    weeks = max((end - start) / _WEEK, 1 / 7)
    rows = []
    for one in played:
        ours = [alert for alert in alerts if alert.rule == one.rule.name]
        by_week: dict[int, int] = {}
        severities: dict[str, int] = {}
        for alert in ours:
            week = int((alert.fired_at - start) / _WEEK)
            by_week[week] = by_week.get(week, 0) + 1
            severities[alert.severity] = severities.get(alert.severity, 0) + 1
        of_series = one.rule.kind.value in ("negative_share", "volume")
        limits = [limit.p_limit for limit in one.limits]
        rows.append(
            OfRule(
                one.rule.name,
                one.rule.kind.value,
                one.rule.scope,
                one.rule.grain if of_series else "",
                str(one.rule.budget or ""),
                (limits[-1] if limits else one.rule.p_limit) if of_series else None,
                (min(limits), max(limits)) if limits else None,
                one.series,
                round(one.weeks_judged, 2) if of_series else None,
                len(ours),
                len(ours) / weeks,
                max(by_week.values(), default=0),
                sum(alert.escalations for alert in ours),
                median(alert.delay_hours for alert in ours) if ours else None,
                severities,
            )
        )
    return tuple(rows)


def hits_of(episodes: Sequence[Episode], alerts: Sequence[Alert], rules: Sequence[str]) -> tuple[Hit, ...]:
    """Each rule's first alert in each episode; health watches the machinery and is left to those who do."""
    found = []
    for episode in episodes:
        for rule in rules:
            told = sorted((a for a in alerts if a.rule == rule and episode.tells(a)), key=lambda a: a.fired_at)
            first = told[0] if told else None
            delay = (first.fired_at - episode.start) / timedelta(hours=1) if first else None
            found.append(Hit(episode.name, rule, first.alert_id if first else None, delay))
    return tuple(found)


@dataclass(frozen=True)
class Compared:
    """Alerts that only the one or only the other file would have sent, and how many both would have."""

    added: tuple[Alert, ...]
    lost: tuple[Alert, ...]
    both: int


def compare(ours: Result, other: Result) -> Compared:
    """What `ours` adds to `other` and loses. The same alert: of the same kind, scope and key, at overlapping times.

    Names of rules do not matter: a rule that was only renamed adds and loses nothing.
    """
    added = tuple(alert for alert in ours.alerts if not any(_same(alert, one) for one in other.alerts))
    lost = tuple(alert for alert in other.alerts if not any(_same(alert, one) for one in ours.alerts))
    return Compared(added, lost, len(ours.alerts) - len(added))


def _same(one: Alert, other: Alert) -> bool:
    if (one.kind, one.scope, one.key) != (other.kind, other.scope, other.key):
        return False
    return one.began <= (other.resolved_at or other.fired_at) and other.began <= (one.resolved_at or one.fired_at)


def read_episodes(path: Path) -> tuple[Episode, ...]:
    """Episodes of a CSV file with the columns name, start, end and optional scope, key; days or times, UTC.

    An end that is a day includes that day.

    Raises:
        InputError: the file cannot be read, lacks a column, or a row has no such time.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}.") from error
    found = []
    for line, row in enumerate(rows, 2):
        try:
            start, end = _moment(row["start"]), _moment(row["end"])
            end += timedelta(days=1) if len(row["end"].strip()) == 10 else timedelta(0)
            found.append(Episode(row["name"], start, end, row.get("scope") or "", row.get("key") or ""))
        except (KeyError, ValueError, AttributeError) as error:
            raise InputError(
                f"{path}:{line}: wants name,start,end[,scope,key], dates as 2026-03-01: {error}."
            ) from error
    return tuple(found)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text.strip())
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
