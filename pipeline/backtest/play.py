"""The lives that incidents would have had: findings in order of the time they would have been made. Pure.

The decisions are those of `detect` (`detect.lives`); only the passes between are left out, in which nothing can change.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from pipeline.detect.findings import Finding
from pipeline.detect.lives import Move, decide
from pipeline.detect.reading import memory
from pipeline.detect.rules import Kind, Rule, Rules
from pipeline.incidents import Action, Event, Incident

__all__ = ["Given", "Life", "Seen", "play"]

Given = Callable[[], Mapping[str, Any]]

# As `[detect] horizon_hours` ships.
HORIZON = timedelta(hours=48)


@dataclass(frozen=True)
class Seen:
    """A finding and when it would have been made; `until`: it stays true until then (health), else just that once.

    `given`: makes what the finding was computed from, as evidence keeps it, where the backtest was asked for it.
    """

    finding: Finding
    at: datetime
    until: datetime | None = None
    given: Given | None = None


@dataclass(frozen=True)
class Life:
    """An incident that fired: as it stood at the end, when it fired (again, where it was reopened), and on what.

    `escalations`: how often somebody would have been told that it is worse or confirmed. `events`: its steps; `told`:
    what those of them rest on that somebody would have been told of.
    """

    incident: Incident
    fired_at: datetime
    finding: Finding
    reopened: int
    escalations: int
    events: tuple[Event, ...] = ()
    told: tuple[tuple[Event, Seen], ...] = ()


def play(found: Iterable[Seen], rules: Rules, end: datetime, horizon: timedelta = HORIZON) -> list[Life]:
    """Every incident that fires up to `end`, in order of firing.

    `found`: in any order. What is found after `end` is left out; what still fires then stays open. `horizon`: how long
    `detect` finds the same bucket or article again.
    """
    by_name = {rule.name: rule for rule in rules.rules}
    ordered = sorted(found, key=lambda one: (one.finding.detection.dedup_key, one.at, one.finding.detection.seen_until))
    lives: list[Life] = []
    for _, group in groupby(ordered, key=lambda one: one.finding.detection.dedup_key):
        series = list(group)
        lives += _Series(by_name[series[0].finding.rule.name], rules, horizon).run(series, end)
    return sorted(lives, key=lambda life: (life.fired_at, life.incident.rule, life.incident.key))


class _Series:
    """The incidents of one dedup key, from one moment at which something can change to the next."""

    def __init__(self, rule: Rule, rules: Rules, horizon: timedelta) -> None:
        self.rule, self.rules, self.horizon = rule, rules, horizon
        self.memory = memory(rules, horizon)
        self.found: list[Seen] = []
        self.known: dict[str, Incident] = {}
        self.moves: list[Move] = []
        self.idle: Incident | None = None

    def run(self, series: Sequence[Seen], end: datetime) -> list[Life]:
        waiting = deque(series)
        while True:
            change = self._next_change()
            if waiting and (change is None or waiting[0].at <= change):
                now = waiting[0].at
            elif change is None:
                break
            else:
                now = change
            if now > end:
                break
            while waiting and waiting[0].at <= now:
                self.found.append(waiting.popleft())
            before = self._open()
            self._decide(now)
            # What did not change now will not change without another finding.
            self.idle = before if self._open() == before else None
        return self._lives()

    def _open(self) -> Incident | None:
        return next((one for one in self.known.values() if one.is_open), None)

    def _next_change(self) -> datetime | None:
        """When the open incident fires after waiting, or fades; None while none is open."""
        incident = self._open()
        if incident is None or incident == self.idle:
            return None
        fades = max(incident.last_seen_at + self.rule.keep_firing_for, self.found[-1].until or incident.last_seen_at)
        return min(fades, incident.opened_at + self.rule.pending_for) if incident.fired_at is None else fades

    def _decide(self, now: datetime) -> None:
        past = [one for one in self.known.values() if one.is_open or now - (one.resolved_at or now) <= self.memory]
        known = {past[0].dedup_key: past} if past else {}
        moves = decide([one.finding for one in self._still(now)], known, self.rules, now)
        self.known |= {move.incident.incident_id: move.incident for move in moves}
        self.moves += moves

    def _still(self, now: datetime) -> list[Seen]:
        """What a pass at `now` finds: buckets again and again, of events and of what health watches how it stands."""
        if self.rule.kind is Kind.HEALTH:
            return [one for one in self.found[-1:] if one.until is None or now < one.until]
        recent = [one for one in self.found if one.finding.detection.seen_until > now - self.horizon]
        return recent[-1:] if self.rule.kind is Kind.EVENT else recent

    def _seen(self, finding: Finding) -> Seen:
        return next(one for one in self.found if one.finding is finding)

    def _lives(self) -> list[Life]:
        lives = []
        for incident in self.known.values():
            moves = [move for move in self.moves if move.incident.incident_id == incident.incident_id]
            steps = [both for move in moves for both in zip(move.events, move.findings, strict=True)]
            fired = next(((e, f) for e, f in steps if e.action is Action.FIRE and f is not None), None)
            if fired is not None and fired[1] is not None:
                count = [event.action for event, _ in steps]
                again, worse = count.count(Action.REOPEN), count.count(Action.ESCALATE)
                events = tuple(event for event, _ in steps)
                told = tuple((event, self._seen(one)) for move in moves for event, one in move.evident())
                lives.append(Life(incident, fired[0].happened_at, fired[1], again, worse, events, told))
        return lives
