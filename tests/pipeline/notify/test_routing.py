"""Who is told when, on a real store: intervals, quiet hours, what something wider mutes, blind spots, dead letters."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from pipeline.actions import PersonAction, request
from pipeline.context import Context
from pipeline.incidents import Action, Event, Severity, by_person, fold
from pipeline.notify import run
from pipeline.notify.claims import MAX_ATTEMPTS, claims
from pipeline.notify.records import OutboxRow, Reason, Status
from pipeline.warehouse import Warehouse
from tests.conftest import MovableClock

from .world import NOW, Memory, decision, detection, fired, next_events, put, routed, rows

DESK = '[[route]]\nreceiver = "desk"\n{more}\n[receivers.desk]\nurls = ["file:unused.jsonl"]\n'
NIGHT = 'quiet_hours = { from = "22:00", to = "07:00", zone = "UTC" }'


def one(context: Context, key: str = "insurers", facts: dict[str, Any] | None = None, **changes: Any) -> list[Event]:
    found = detection(key, **changes)
    life = fired(found, context.clock())
    put(context.warehouse, [life], {life[0].incident_id: [("decision", decision(found, **(facts or {})))]})
    return life


def over(context: Context, life: Sequence[Event]) -> None:
    put(context.warehouse, [[*life, *by_person(fold(life), Action.RESOLVE, "Ann", context.clock())]])


def test_group_interval_holds_what_follows_and_sends_it_as_one(context: Context, clock: MovableClock) -> None:
    routed(context, DESK.format(more='group_interval = "30m"'))
    desk = Memory()
    for n in range(5):
        one(context, f"k{n}")
        run(context, {"desk": desk})
        clock.now += timedelta(minutes=5)
    assert [len(m.incident_ids) for m in desk.accepted] == [1]
    clock.now += timedelta(minutes=5)
    run(context, {"desk": desk})
    assert [len(m.incident_ids) for m in desk.accepted] == [1, 4]


def test_a_critical_is_held_neither_by_the_interval_nor_by_the_night(context: Context, clock: MovableClock) -> None:
    routed(context, DESK.format(more=f'group_interval = "1h"\n{NIGHT}'))
    clock.now = NOW.replace(hour=23)
    desk = Memory()
    one(context, "calm")
    run(context, {"desk": desk})
    one(context, "burning", severity=Severity.CRITICAL)
    run(context, {"desk": desk})
    assert [m.severity for m in desk.accepted] == ["critical"]
    assert "Calm" in desk.accepted[0].body, "what is held for the same group goes along"


def test_the_night_ends_with_one_message(context: Context, clock: MovableClock) -> None:
    routed(context, DESK.format(more=NIGHT))
    clock.now = NOW.replace(hour=22)
    desk = Memory()
    for n in range(3):
        one(context, f"k{n}")
        run(context, {"desk": desk})
        clock.now += timedelta(hours=2)
    assert desk.accepted == []
    clock.now = NOW.replace(hour=7) + timedelta(days=1)
    run(context, {"desk": desk})
    assert [len(m.incident_ids) for m in desk.accepted] == [3]


def test_worse_in_the_night_takes_along_the_held_end_of_the_same_incident(
    context: Context, clock: MovableClock
) -> None:
    routed(context, DESK.format(more=NIGHT))
    clock.now = NOW.replace(hour=21)
    desk = Memory()
    life = one(context)
    run(context, {"desk": desk})
    clock.now = NOW.replace(hour=23)
    ended = [*life, *by_person(fold(life), Action.RESOLVE, "Ann", clock.now)]
    put(context.warehouse, [ended])
    run(context, {"desk": desk})
    assert [m.reason for m in desk.accepted] == ["first"], "that it is over can wait for the morning"
    clock.now += timedelta(minutes=30)
    worse = next_events(ended, clock.now, detection(severity=Severity.CRITICAL, seen_until=clock.now))
    put(context.warehouse, [worse])
    run(context, {"desk": desk})
    assert [(m.reason, m.severity) for m in desk.accepted[1:]] == [("first", "critical")]
    assert not desk.accepted[1].title.startswith("[RESOLVED]")
    clock.now = NOW.replace(hour=7) + timedelta(days=1)
    run(context, {"desk": desk})
    assert len(desk.accepted) == 2


def test_what_came_and_went_in_the_night_is_told_once_as_over(context: Context, clock: MovableClock) -> None:
    routed(context, DESK.format(more=NIGHT))
    clock.now = NOW.replace(hour=22)
    desk = Memory()
    gone, stays = one(context, "gone"), one(context, "stays")
    run(context, {"desk": desk})
    clock.now += timedelta(hours=3)
    over(context, gone)
    run(context, {"desk": desk})
    clock.now += timedelta(hours=6)
    run(context, {"desk": desk})
    (message,) = desk.accepted
    assert set(message.incident_ids) == {gone[0].incident_id, stays[0].incident_id}
    assert "[RESOLVED] Gone" in message.body
    assert "[WARNING] Stays" in message.body
    clock.now += timedelta(hours=1)
    over(context, stays)
    run(context, {"desk": desk})
    assert [m.reason for m in desk.accepted] == ["first", "resolved"]
    assert desk.accepted[1].incident_ids == (stays[0].incident_id,)


def test_a_silence_covers_what_is_held(context: Context, clock: MovableClock) -> None:
    routed(context, DESK.format(more=NIGHT))
    clock.now = NOW.replace(hour=22)
    desk = Memory()
    one(context, "insurers")
    run(context, {"desk": desk})
    clock.now += timedelta(hours=1)
    wish = PersonAction.model_validate(
        {
            "action": "silence", "matchers": {"key": ["insurers"]}, "ends_at": clock.now + timedelta(hours=9),
            "note": "known", "actor": "Ann", "requested_at": clock.now,
        }
    )  # fmt: skip
    request(context.settings.store.published, wish)
    for _ in range(3):
        run(context, {"desk": desk})
        clock.now += timedelta(hours=5)
    assert [m.reason for m in desk.accepted] == ["silence_ended"]


def test_group_by_the_labels_of_a_rule(context: Context) -> None:
    routed(context, DESK.format(more='group_by = ["label.team"]'))
    for n in range(4):
        one(context, f"k{n}", {"labels": {"team": f"t{n % 2}"}}, rule=f"rule-{n}")
    desk = Memory()
    run(context, {"desk": desk})
    assert [len(m.incident_ids) for m in desk.accepted] == [2, 2]


def market(context: Context, **changes: Any) -> list[Event]:
    return one(context, "all", scope="market", rule="negative-share-market", label="Market", **changes)


CRASH: list[tuple[str, dict[str, Any], dict[str, Any], bool]] = [
    ("a part that the market explains", {}, {"excess_p": 0.4, "tier": 2}, True),
    ("a part with an excess of its own", {}, {"excess_p": 1e-6, "tier": 2}, False),
    ("a part whose excess nobody recorded", {}, {}, False),
    ("a name of tier one", {}, {"excess_p": 0.4, "tier": 1}, False),
    ("a critical", {"severity": Severity.CRITICAL}, {"excess_p": 0.4}, False),
    ("an event", {"kind": "event", "rule": "event-watchlist"}, {"excess_p": 0.4}, False),
    ("long before the market", {}, {"excess_p": 0.4, "bucket_start": "2026-03-03T13:00:00+00:00"}, False),
]


@pytest.mark.parametrize(("what", "changes", "facts", "muted"), CRASH, ids=[c[0] for c in CRASH])
def test_on_the_day_of_a_crash(
    context: Context, what: str, changes: dict[str, Any], facts: dict[str, Any], muted: bool
) -> None:
    whole = market(context)
    one(context, "banks", facts, **changes)
    desk = Memory()
    run(context, {"log": desk})
    told = [m for m in desk.accepted if m.incident_ids != (whole[0].incident_id,)]
    assert bool(told) is not muted, what
    kept = rows(context, "SELECT state, suppressed_by FROM incidents WHERE key = 'banks'")
    assert kept == [{"state": "firing", "suppressed_by": whole[0].incident_id if muted else None}]
    listed = "Part of it, open and not told apart: Banks." in desk.accepted[0].body
    assert listed is muted


@pytest.mark.postgres
def test_muting_silences_and_dead_letters_on_ducklake(context: Context, clock: MovableClock, lake_setting: str) -> None:
    warehouse = Warehouse(lake_setting, clock, 30)
    warehouse.prepare()
    lake = Context(context.settings, warehouse, clock)
    whole = market(lake)
    one(lake, "banks", {"excess_p": 0.4, "tier": 2})
    wish = PersonAction.model_validate(
        {
            "action": "silence", "matchers": {"key": ["insurers"]}, "ends_at": NOW + timedelta(hours=1),
            "note": "known", "actor": "Ann", "requested_at": NOW,
        }
    )  # fmt: skip
    request(context.settings.store.published, wish)
    one(lake, "insurers")
    desk = Memory()
    run(lake, {"log": desk})
    assert [m.incident_ids for m in desk.accepted] == [(whole[0].incident_id,)]
    kept = rows(lake, "SELECT suppressed_by FROM incidents WHERE key = 'banks'")
    assert kept == [{"suppressed_by": whole[0].incident_id}]
    clock.now += timedelta(hours=2)
    over(lake, whole)
    desk.refusals = 10**6
    letters = Memory()
    for _ in range(MAX_ATTEMPTS + 1):
        run(lake, {"log": desk, "dead-letters": letters})
        clock.now += timedelta(hours=2)
    assert len(letters.accepted) == 1
    assert letters.accepted[0].reason == "dead_letter"


def test_who_does_not_hear_of_the_whole_hears_of_its_parts(context: Context) -> None:
    routed(
        context,
        '[[route]]\nmatch = { scope = "market" }\nreceiver = "heads"\n[[route]]\nreceiver = "desk"\n'
        '[receivers.heads]\nurls = ["file:a"]\n[receivers.desk]\nurls = ["file:b"]\n',
    )
    market(context)
    one(context, "banks", {"excess_p": 0.4, "tier": 2})
    heads, desk = Memory(), Memory()
    run(context, {"heads": heads, "desk": desk})
    assert len(heads.accepted) == len(desk.accepted) == 1


def test_what_still_fires_when_the_whole_is_over_is_told(context: Context, clock: MovableClock) -> None:
    whole = market(context)
    one(context, "banks", {"excess_p": 0.4, "tier": 2})
    desk = Memory()
    run(context, {"log": desk})
    assert len(desk.accepted) == 1
    clock.now += timedelta(hours=5)
    over(context, whole)
    run(context, {"log": desk})
    assert sorted(m.reason for m in desk.accepted[1:]) == ["inhibition_ended", "resolved"]
    assert rows(context, "SELECT suppressed_by FROM incidents WHERE key = 'banks'") == [{"suppressed_by": None}]
    run(context, {"log": desk})
    assert len(desk.accepted) == 3


def test_inhibition_can_be_switched_off(context: Context) -> None:
    routed(context, "inhibit = false\n" + DESK.format(more=""))
    market(context)
    one(context, "banks", {"excess_p": 0.4, "tier": 2})
    desk = Memory()
    run(context, {"desk": desk})
    assert len(desk.accepted) == 2


def test_a_blind_spot_keeps_all_clear_back_until_it_is_over(context: Context, clock: MovableClock) -> None:
    life = one(context)
    desk = Memory()
    run(context, {"log": desk})
    clock.now += timedelta(hours=2)
    dark = one(context, "all", {"coverage": 0.2}, kind="health", rule="blind-spot", scope="market", label="Market")
    over(context, life)
    run(context, {"log": desk})
    assert Counter(m.reason for m in desk.accepted) == {"first": 2}
    clock.now += timedelta(hours=2)
    over(context, dark)
    run(context, {"log": desk})
    assert Counter(m.reason for m in desk.accepted) == {"first": 2, "resolved": 2}
    clock.now += timedelta(hours=2)
    run(context, {"log": desk})
    assert len(desk.accepted) == 4


TWO = (
    'dead_letter = "ops"\n[[route]]\nreceiver = "desk"\n'
    '[receivers.desk]\nurls = ["file:a"]\n[receivers.ops]\nurls = ["file:b"]\n'
)


def test_what_is_given_up_is_an_alert_on_another_channel(context: Context, clock: MovableClock) -> None:
    routed(context, TWO)
    one(context, "insurers")
    one(context, "banks", rule="other")
    desk, ops = Memory(refusals=1000), Memory()
    for _ in range(3 * MAX_ATTEMPTS):
        run(context, {"desk": desk, "ops": ops})
        clock.now += timedelta(hours=2)
    dead = rows(context, "SELECT notification_id FROM notifications WHERE status = 'dead' ORDER BY 1")
    assert len(dead) == 2
    said = "\n".join(m.body for m in ops.accepted)
    assert all(said.count(row["notification_id"]) == 1 for row in dead)
    assert ops.accepted[0].title == "[UNDELIVERED] 1 message to desk given up"
    assert "refused for the test" in said


def test_a_dead_letter_that_dies_ends_there(context: Context, clock: MovableClock) -> None:
    routed(context, TWO)
    one(context)
    desk, ops = Memory(refusals=1000), Memory(refusals=1000)
    for _ in range(4 * MAX_ATTEMPTS):
        run(context, {"desk": desk, "ops": ops})
        clock.now += timedelta(hours=2)
    assert (desk.tried, ops.tried) == (MAX_ATTEMPTS, MAX_ATTEMPTS)
    assert len(rows(context, "SELECT 1 AS n FROM notifications WHERE status = 'dead'")) == 2


def test_with_one_receiver_dead_letters_go_to_a_file(context: Context, clock: MovableClock) -> None:
    routed(context, '[[route]]\nreceiver = "desk"\n[receivers.desk]\nurls = ["file:/proc/no/such"]\n')
    one(context)
    for _ in range(MAX_ATTEMPTS + 1):
        run(context)
        clock.now += timedelta(hours=2)
    file = context.settings.store.published.parent / "dead-letters.jsonl"
    assert "[UNDELIVERED] 1 message to desk given up" in file.read_text(encoding="utf-8")


def outbox_row(name: str, minute: int, severity: str, incident: str, **changes: Any) -> OutboxRow:
    row = OutboxRow(
        name, "desk", "g", (), (incident,), Status.PENDING, Reason.FIRST, severity,
        NOW + timedelta(minutes=minute), NOW, 0,
    )  # fmt: skip
    return dataclasses.replace(row, **changes)


def test_the_most_severe_goes_first_and_takes_its_own_past_along() -> None:
    queue = [
        outbox_row("old-info", 0, "info", "a"),
        outbox_row("earlier-of-b", 1, "warning", "b"),
        outbox_row("info", 2, "info", "c"),
        outbox_row("critical-b", 3, "critical", "b"),
    ]
    taken = claims(queue, NOW + timedelta(hours=1), frozenset(), 3).take
    assert [row.notification_id for row in taken] == ["earlier-of-b", "critical-b", "old-info"]


def test_a_clock_set_back_holds_nothing(context: Context, clock: MovableClock) -> None:
    """Rows of the future: a claim of a sender that is gone, a back-off, a group that "just" spoke."""
    routed(context, DESK.format(more='group_interval = "1h"'))
    desk = Memory()
    one(context, "spoke")
    run(context, {"desk": desk})
    desk.refusals = 2
    one(context, "failed", rule="other")
    run(context, {"desk": desk})
    assert len(desk.accepted) == 1
    clock.now -= timedelta(hours=12)
    one(context, "new")
    run(context, {"desk": desk})
    assert len(desk.accepted) == 3
    stuck = outbox_row(
        "x", 0, "info", "a", status=Status.SENDING, claimed_by="elsewhere", claim_expires_at=NOW + timedelta(hours=12)
    )
    assert claims([stuck], NOW, frozenset(), 5).take == (stuck,)
