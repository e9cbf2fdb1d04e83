"""Any detections, with retries, kills, reorderings, two detectors and a clock that jumps: one orderly life."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pipeline.detect.findings import Finding
from pipeline.detect.lives import decide
from pipeline.detect.rules import Rule, Rules, parse
from pipeline.incidents import Action, Detection, Event, Incident, Severity, State, by_person, fold
from tests.pipeline.detect.world import NOON

HOUR = timedelta(hours=1)
KEYS = ("banks", "insurers")
# What each action may follow: the drawing at the top of pipeline/incidents.py, as a table.
AFTER: dict[Action, set[State]] = {
    Action.FIRE: {State.PENDING},
    Action.WITHDRAW: {State.PENDING},
    Action.EXTEND: {State.PENDING, State.FIRING, State.ACKNOWLEDGED},
    Action.ESCALATE: {State.FIRING, State.ACKNOWLEDGED},
    Action.ACKNOWLEDGE: {State.FIRING},
    Action.RESOLVE: {State.FIRING, State.ACKNOWLEDGED},
    Action.REOPEN: {State.RESOLVED},
}
SIGHTS = st.lists(
    st.tuples(
        st.sampled_from(KEYS), st.booleans(), st.integers(-5, 0), st.integers(1, 3), st.sampled_from(Severity),
        st.integers(3, 60), st.integers(1, 9), st.frozensets(st.integers(0, 3), min_size=1, max_size=2),
    ),
    max_size=4,
)  # fmt: skip


def rules_of(pending: timedelta, keep: timedelta, cooldown: timedelta) -> Rules:
    known = parse(
        '[[rule]]\nname = "share"\nkind = "negative_share"\nscope = "sector"\n'
        '[[rule]]\nname = "event"\nkind = "event"\n'
    )
    times = {"pending_for": pending, "keep_firing_for": keep, "cooldown": cooldown}
    return replace(known, rules=tuple(replace(one, **times) for one in known.rules))  # type: ignore[arg-type]


class Lives(RuleBasedStateMachine):
    """The store as a dict of events; a pass reads it, and decides again on it as it stands when it commits."""

    @initialize(
        pending=st.sampled_from([0 * HOUR, HOUR]),
        keep=st.sampled_from([0 * HOUR, 3 * HOUR]),
        cooldown=st.sampled_from([0 * HOUR, 6 * HOUR, 48 * HOUR]),
    )
    def begin(self, pending: timedelta, keep: timedelta, cooldown: timedelta) -> None:
        self.rules = rules_of(pending, keep, cooldown)
        self.cooldown = cooldown
        self.now = NOON
        self.events: dict[str, Event] = {}
        self.rows: dict[str, Incident] = {}
        self.waiting: list[list[Finding]] = []

    def named(self, name: str) -> Rule:
        return next(one for one in self.rules.rules if one.name == name)

    def known(self) -> dict[str, list[Incident]]:
        """What `reading.lives` answers: by key, in the order of opened_at, which a clock that jumped back upsets."""
        found: dict[str, list[Incident]] = {}
        for one in sorted(self.rows.values(), key=lambda one: (one.opened_at, one.incident_id)):
            found.setdefault(one.dedup_key, []).append(one)
        return found

    def commit(self, found: Sequence[Finding]) -> list[Event]:
        before = self.known()
        fresh = []
        for move in decide(found, before, self.rules, self.now):
            for event in move.events:
                assert event.event_id not in self.events, "an id is given once"
                self.events[event.event_id] = event
                fresh.append(event)
                if event.action is Action.OPEN:
                    self.not_cooling(move.incident.dedup_key, before)
            self.rows[move.incident.incident_id] = move.incident
        return fresh

    def not_cooling(self, key: str, before: dict[str, list[Incident]]) -> None:
        last = max(before.get(key, []), key=lambda one: (one.is_open, one.opened_at, one.incident_id), default=None)
        if last and last.fired_at and last.resolved_at and last.resolved_at <= self.now:
            assert self.now - last.resolved_at >= self.cooldown, "inside the cooldown the old incident is re-opened"

    def findings(self, sights: Sequence[tuple], seed: int) -> list[Finding]:  # type: ignore[type-arg]
        made: list[Finding] = []
        for key, is_event, back, length, severity, size, owners, stories in sights:
            name = self.named("event" if is_event else "share")
            if is_event and any(one.rule is name and one.detection.key == key for one in made):
                continue  # all stories about a name are one finding
            end = self.now.replace(minute=0) + back * HOUR
            start = end - length * HOUR
            subjects = frozenset(f"s{n}" for n in stories) if is_event else frozenset()
            made.append(
                Finding(
                    name,
                    Detection(
                        name.name, name.kind.value, name.scope, key, key, severity, f"{size}", start, end, "m@1",
                        0 if is_event else size, owners, is_event and owners < 2, subjects,
                    ),
                    start,
                    end,
                )
            )  # fmt: skip
        random.Random(seed).shuffle(made)
        return made

    @rule(sights=SIGHTS, seed=st.integers(0, 9))
    def a_pass(self, sights: list, seed: int) -> None:  # type: ignore[type-arg]
        found = self.findings(sights, seed)
        self.commit(found)
        assert self.commit(found) == [], "a pass that is repeated at once adds nothing"

    @rule(sights=SIGHTS, seed=st.integers(0, 9))
    def a_slow_pass_reads_and_waits(self, sights: list, seed: int) -> None:  # type: ignore[type-arg]
        """Another detector, or one that is killed before its commit and tries again later with what it found then."""
        self.waiting.append(self.findings(sights, seed))

    @precondition(lambda self: self.waiting)
    @rule(killed=st.booleans())
    def the_slow_pass_commits(self, killed: bool) -> None:
        found = self.waiting.pop(0)
        if not killed:
            self.commit(found)

    @rule(minutes=st.sampled_from([5, 30, 60, 240, 1500, 4000]))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(minutes=st.sampled_from([5, 90, 600]))
    def the_clock_jumps_back(self, minutes: int) -> None:
        self.now -= timedelta(minutes=minutes)

    @precondition(lambda self: self.rows)
    @rule(action=st.sampled_from([Action.ACKNOWLEDGE, Action.RESOLVE]), pick=st.integers(0, 99))
    def a_person(self, action: Action, pick: int) -> None:
        one = sorted(self.rows.values(), key=lambda one: one.incident_id)[pick % len(self.rows)]
        for event in by_person(one, action, "ada", self.now):
            self.events[event.event_id] = event
        self.rows[one.incident_id] = fold(self.of(one))

    def of(self, incident: Incident) -> list[Event]:
        return [event for event in self.events.values() if event.incident_id == incident.incident_id]

    @invariant()
    def one_open_incident_per_key(self) -> None:
        for key, lives in self.known().items():
            assert sum(one.is_open for one in lives) <= 1, key

    @invariant()
    def every_life_is_the_fold_of_its_events_in_any_order(self) -> None:
        for row in self.rows.values():
            events = self.of(row)
            shuffled = events * 2
            random.Random(len(self.events)).shuffle(shuffled)
            assert fold(shuffled) == row
            assert sorted(event.seq for event in events) == list(range(row.events))

    @invariant()
    def every_step_may_follow_the_one_before(self) -> None:
        for row in self.rows.values():
            events = sorted(self.of(row), key=lambda event: event.seq)
            assert events[0].action is Action.OPEN
            for n, event in enumerate(events[1:], 1):
                assert fold(events[:n]).state in AFTER[event.action], f"{event.action} after {events[n - 1].action}"
                assert event.action is Action.FIRE or event.action is Action.WITHDRAW or self.fired(events[:n], event)
                if event.action is Action.REOPEN:
                    gone = event.happened_at - datetime_of(fold(events[:n]))
                    assert gone < self.cooldown

    @staticmethod
    def fired(before: list[Event], event: Event) -> bool:
        return event.action is Action.EXTEND or any(one.action is Action.FIRE for one in before)


def datetime_of(incident: Incident) -> datetime:
    assert incident.resolved_at is not None
    return incident.resolved_at


Lives.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
TestAnyLife = Lives.TestCase
