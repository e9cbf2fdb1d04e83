"""The life of an incident: one open at a time, no resolve without a fire, repeats and order change nothing."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.incidents import (
    Action,
    Detection,
    Event,
    Incident,
    Reason,
    Severity,
    State,
    advance,
    by_person,
    fold,
    step,
)

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Plain:
    pending_for: timedelta = timedelta(0)
    keep_firing_for: timedelta = timedelta(hours=3)
    cooldown: timedelta = timedelta(0)


def seen(hour: int, **changes: object) -> Detection:
    start = NOON + hour * HOUR
    base = Detection(
        "share", "negative_share", "sector", "banks", "Sector: banks", Severity.WARNING, "5 of 9", start, start + HOUR,
        size=5, owners=3,
    )  # fmt: skip
    return replace(base, **changes)  # type: ignore[arg-type]


def opened(detection: Detection | None = None, policy: Plain | None = None) -> tuple[Incident, list[Event]]:
    events = step(None, detection or seen(0), NOON + HOUR, policy or Plain())
    return fold(events), events


def test_first_sight_opens_and_fires_and_the_same_again_is_nothing() -> None:
    incident, events = opened()
    assert [(e.action, e.reason) for e in events] == [(Action.OPEN, Reason.FIRST), (Action.FIRE, Reason.FIRST)]
    assert incident.state is State.FIRING
    assert step(incident, seen(0), NOON + 2 * HOUR, Plain()) == []


def test_ids_come_from_what_identifies_the_thing() -> None:
    _, first = opened()
    again = step(None, seen(0), NOON + 5 * HOUR, Plain())
    assert [e.event_id for e in first] == [e.event_id for e in again]
    other = step(None, seen(1), NOON + 5 * HOUR, Plain())
    assert not {e.event_id for e in first} & {e.event_id for e in other}


def test_a_newer_bucket_extends_and_a_worse_one_escalates() -> None:
    incident, _ = opened()
    (later,) = step(incident, seen(1), NOON + 2 * HOUR, Plain())
    assert (later.action, later.reason) == (Action.EXTEND, Reason.REPEAT)
    (worse,) = step(incident, seen(1, severity=Severity.ERROR), NOON + 2 * HOUR, Plain())
    assert (worse.action, worse.reason) == (Action.ESCALATE, Reason.ESCALATED)
    (double,) = step(incident, seen(1, size=10), NOON + 2 * HOUR, Plain())
    assert double.reason is Reason.WORSENED
    acknowledged = advance(incident, by_person(incident, Action.ACKNOWLEDGE, "ada", NOON + 2 * HOUR))
    assert acknowledged.state is State.ACKNOWLEDGED
    assert advance(acknowledged, step(acknowledged, seen(1, size=10), NOON + 3 * HOUR, Plain())).state is State.FIRING


def test_it_resolves_when_it_was_not_seen_for_long_enough_and_not_before() -> None:
    incident, _ = opened()
    assert step(incident, None, NOON + 3 * HOUR, Plain()) == []
    (event,) = step(incident, None, NOON + 4 * HOUR, Plain())
    assert event.action is Action.RESOLVE
    done = advance(incident, [event])
    assert done.state is State.RESOLVED
    assert step(done, None, NOON + 9 * HOUR, Plain()) == []
    assert step(done, seen(0), NOON + 9 * HOUR, Plain()) == [], "an old bucket opens nothing"
    fresh = step(done, seen(8), NOON + 9 * HOUR, Plain())
    assert fresh[0].incident_id != incident.incident_id


def test_inside_the_cooldown_the_old_incident_is_reopened() -> None:
    policy = Plain(cooldown=timedelta(hours=12))
    incident, _ = opened(policy=policy)
    done = advance(incident, step(incident, None, NOON + 4 * HOUR, policy))
    (event,) = step(done, seen(5), NOON + 6 * HOUR, policy)
    assert (event.action, event.reason, event.incident_id) == (Action.REOPEN, Reason.COOLDOWN, incident.incident_id)


def test_a_pending_incident_fires_only_after_its_time_and_else_withdraws_without_a_word() -> None:
    policy = Plain(pending_for=timedelta(minutes=30))
    incident, events = opened(policy=policy)
    assert [e.action for e in events] == [Action.OPEN]
    assert step(incident, seen(0), NOON + HOUR + timedelta(minutes=29), policy) == []
    (fired,) = step(incident, seen(0), NOON + HOUR + timedelta(minutes=30), policy)
    assert fired.action is Action.FIRE
    (gone,) = step(incident, None, NOON + 9 * HOUR, policy)
    assert gone.action is Action.WITHDRAW
    assert advance(incident, [gone]).fired_at is None


def test_a_story_that_was_told_never_alarms_again() -> None:
    event = seen(0, subjects=frozenset({"s1"}), single_source=True, owners=1, size=0)
    incident, _ = opened(event)
    (second,) = step(incident, replace(event, owners=2, single_source=False), NOON + 2 * HOUR, Plain())
    assert second.reason is Reason.CORROBORATED
    done = advance(incident, [*step(incident, None, NOON + 30 * HOUR, Plain())])
    late = replace(event, seen_until=NOON + 40 * HOUR)
    assert step(done, late, NOON + 41 * HOUR, Plain()) == []
    news = replace(late, subjects=frozenset({"s1", "s2"}))
    assert step(done, news, NOON + 41 * HOUR, Plain())[0].action is Action.OPEN


def test_each_doubling_of_the_sources_of_an_event_is_told_and_a_busy_bucket_is_not() -> None:
    event = seen(0, subjects=frozenset({"s1"}), owners=2, size=0)
    incident, _ = opened(event)
    assert step(incident, replace(event, owners=3), NOON + 2 * HOUR, Plain()) == []
    (fourth,) = step(incident, replace(event, owners=4), NOON + 2 * HOUR, Plain())
    assert (fourth.action, fourth.reason) == (Action.ESCALATE, Reason.CORROBORATED)
    share, _ = opened(seen(0, owners=2))
    assert step(share, seen(0, owners=8), NOON + 2 * HOUR, Plain()) == []


def test_an_older_bucket_never_escalates() -> None:
    """It may lie before this life began: else a repeated pass would add to what the first one did."""
    incident, _ = opened(seen(3))
    assert step(incident, seen(0, size=50, severity=Severity.CRITICAL), NOON + 5 * HOUR, Plain()) == []


def test_a_run_that_begins_where_an_old_incident_did_is_another_incident() -> None:
    incident, _ = opened()
    done = advance(incident, by_person(incident, Action.RESOLVE, "ada", NOON + 2 * HOUR))
    longer = seen(0, seen_until=NOON + 4 * HOUR)
    events = step(done, longer, NOON + 4 * HOUR, Plain())
    assert events[0].action is Action.OPEN
    assert events[0].incident_id != incident.incident_id
    assert [e.event_id for e in step(done, longer, NOON + 5 * HOUR, Plain())] == [e.event_id for e in events]


def test_a_clock_that_jumped_back_makes_no_cooldown() -> None:
    incident, _ = opened()
    done = advance(incident, step(incident, None, NOON + 4 * HOUR, Plain()))
    (opening, _) = step(done, seen(5), NOON + 3 * HOUR, Plain())
    assert opening.action is Action.OPEN


def test_fold_refuses_what_is_no_life() -> None:
    _, events = opened()
    with pytest.raises(ValueError, match="begins with"):
        fold(events[1:])
    with pytest.raises(ValueError, match="begins with"):
        fold([])
    _, others = opened(seen(1))
    with pytest.raises(ValueError, match="more than one"):
        fold([*events, *others])


STEPS = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.none() | st.tuples(st.integers(-3, 0), st.sampled_from(Severity), st.integers(0, 3), st.integers(3, 40)),
        st.sampled_from(["", "", "acknowledge", "resolve"]),
    ),
    max_size=25,
)
POLICIES = st.builds(
    Plain,
    pending_for=st.sampled_from([timedelta(0), HOUR]),
    keep_firing_for=st.sampled_from([timedelta(0), 3 * HOUR]),
    cooldown=st.sampled_from([timedelta(0), 6 * HOUR]),
)


@given(steps=STEPS, policy=POLICIES, seed=st.integers(0, 9))
def test_any_history_is_one_orderly_life(steps: list, policy: Plain, seed: int) -> None:  # type: ignore[type-arg]
    now, known, log = NOON, [], {}
    for hours, found, person in steps:
        now += hours * HOUR
        current = known[-1] if known else None
        detection = None
        if found:
            back, severity, owners, size = found
            start = now.replace(minute=0) + back * HOUR
            detection = replace(
                seen(0), bucket_start=start, seen_until=start + HOUR, severity=severity, owners=owners, size=size
            )
        events = step(current, detection, now, policy, known[:-1])
        assert step(current, detection, now, policy, known[:-1]) == events
        for event in events:
            assert event.event_id not in log, "an id is given once"
            log[event.event_id] = event
        if events and (current is None or events[0].incident_id != current.incident_id):
            assert current is None or not current.is_open, "never two open incidents of one key"
            known.append(fold(events))
        elif events:
            known[-1] = advance(known[-1], events)
        if known:
            after = step(known[-1], detection, now, policy, known[:-1])
            assert not after or not events or known[-1].state is State.FIRING or policy.pending_for == timedelta(0)
        if known and person:
            events = by_person(known[-1], Action(person), "ada", now)
            log.update({event.event_id: event for event in events})
            known[-1] = advance(known[-1], events)
    for incident in known:
        own = [event for event in log.values() if event.incident_id == incident.incident_id]
        shuffled = own * 2
        random.Random(seed).shuffle(shuffled)
        assert fold(shuffled) == incident, "order and repetition do not matter"
        assert sorted(event.seq for event in own) == list(range(len(own)))
        fired = False
        for event in sorted(own, key=lambda e: e.seq):
            fired = fired or event.action is Action.FIRE
            assert fired or event.action not in (Action.RESOLVE, Action.ESCALATE, Action.REOPEN)
