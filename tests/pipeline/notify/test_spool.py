"""What people do comes in as files: each applied once, in order, with who and when; the odd ones put aside."""

from __future__ import annotations

import shutil
from datetime import timedelta

from pipeline import actions
from pipeline.actions import PersonAction, Verdict
from pipeline.context import Context
from pipeline.notify import run, spool
from tests.conftest import MovableClock

from .world import NOW, Memory, detection, fired, next_events, put, rows


def asked(incident_id: str, action: str = "acknowledge", **changes: object) -> PersonAction:
    known = {"action": action, "incident_id": incident_id, "actor": "Ann", "requested_at": NOW}
    return PersonAction.model_validate(known | changes)


def firing(context: Context) -> str:
    life = fired(detection())
    put(context.warehouse, [life])
    return life[0].incident_id


def test_an_acknowledgement_is_applied_once_with_who_and_when(context: Context, clock: MovableClock) -> None:
    incident_id = firing(context)
    published = context.settings.store.published
    path = actions.request(published, asked(incident_id, note="on it"))
    assert actions.request(published, asked(incident_id, note="on it")) == path
    assert [a.actor for a in actions.pending(published)] == ["Ann"]
    clock.now += timedelta(minutes=1)
    assert run(context, {"log": Memory()}).counts["actions"] == 1
    found = rows(context, "SELECT state, acknowledged_by, acknowledged_at, events FROM incidents")
    assert found == [{"state": "acknowledged", "acknowledged_by": "Ann", "acknowledged_at": clock.now, "events": 3}]
    assert actions.pending(published) == []
    assert (path.parent.parent / "applied" / path.name).exists()
    event = rows(context, "SELECT actor, reason, detail FROM incident_events WHERE action = 'acknowledge'")[0]
    assert (event["actor"], event["reason"]) == ("Ann", "person")
    assert '"note": "on it"' in event["detail"]


def test_a_file_applied_before_a_crash_does_nothing_later(context: Context, clock: MovableClock) -> None:
    life = fired(detection())
    put(context.warehouse, [life])
    path = actions.request(context.settings.store.published, asked(life[0].incident_id))
    copy = path.with_suffix(".kept")
    shutil.copy(path, copy)
    spool.apply(context)
    with context.warehouse.read() as con:
        from pipeline.notify.reading import events_of

        events = events_of(con, life[0].incident_id)
    worse = next_events(events, clock.now, detection(size=40, seen_until=NOW))
    put(context.warehouse, [worse])
    copy.rename(path)
    assert spool.apply(context).unchanged == 1
    assert rows(context, "SELECT state FROM incidents") == [{"state": "firing"}]


def test_a_resolve_by_a_person_is_told(context: Context, clock: MovableClock) -> None:
    incident_id = firing(context)
    desk = Memory()
    run(context, {"log": desk})
    actions.request(context.settings.store.published, asked(incident_id, "resolve"))
    clock.now += timedelta(minutes=5)
    run(context, {"log": desk})
    assert desk.accepted[1].title.startswith("[RESOLVED]")
    assert "Over by Ann" in desk.accepted[1].body


def test_files_that_cannot_be_used_are_put_aside_and_named(context: Context) -> None:
    place = actions.folder(context.settings.store.published)
    place.mkdir(parents=True)
    (place / "odd.json").write_text("{}", encoding="utf-8")
    stranger = actions.request(context.settings.store.published, asked("f" * 32))
    report = run(context, {"log": Memory()})
    assert "2 action file(s)" in report.notes[0]
    assert sorted(p.name for p in (place.parent / "refused").iterdir()) == sorted(["odd.json", stranger.name])
    assert list(place.iterdir()) == []


def judged(incident_id: str, **changes: object) -> PersonAction:
    return asked(incident_id, "verdict", verdict="wrong company", note="another Northgate", **changes)


def test_a_verdict_is_kept_once_with_who_and_why(context: Context, clock: MovableClock) -> None:
    incident_id = firing(context)
    published = context.settings.store.published
    path = actions.request(published, judged(incident_id))
    kept = path.read_bytes()
    run(context, {"log": Memory()})
    path.write_bytes(kept)
    assert spool.apply(context).unchanged == 1
    found = rows(context, "SELECT incident_id, verdict, author, note, known_at FROM verdicts")
    assert found == [
        {
            "incident_id": incident_id,
            "verdict": Verdict.WRONG_COMPANY,
            "author": "Ann",
            "note": "another Northgate",
            "known_at": clock.now,
        }
    ]
    actions.request(published, judged("f" * 32))
    assert len(spool.apply(context).refused) == 1


def test_an_event_that_was_missed_is_a_verdict_without_incident(context: Context) -> None:
    happened = NOW - timedelta(days=1)
    action = PersonAction.model_validate(
        {
            "action": "missed",
            "about": "Northgate Bank stopped payments",
            "happened_at": happened,
            "actor": "Ann",
            "requested_at": NOW,
        }
    )
    actions.request(context.settings.store.published, action)
    assert spool.apply(context).applied == 1
    assert rows(context, "SELECT incident_id, verdict, about, happened_at FROM verdicts") == [
        {
            "incident_id": "",
            "verdict": "missed event",
            "about": "Northgate Bank stopped payments",
            "happened_at": happened,
        }
    ]


def test_a_silence_by_a_file_holds_and_is_expired_by_another(context: Context, clock: MovableClock) -> None:
    published = context.settings.store.published
    quiet = PersonAction.model_validate(
        {
            "action": "silence",
            "matchers": {"key": ["insurers"]},
            "ends_at": NOW + timedelta(days=2),
            "note": "the regulator's day",
            "actor": "Ann",
            "requested_at": NOW,
        }
    )
    actions.request(published, quiet)
    firing(context)
    desk = Memory()
    run(context, {"log": desk})
    assert desk.accepted == []
    kept = rows(context, "SELECT silence_id, author, reason FROM silences")
    assert kept == [{"silence_id": quiet.action_id(), "author": "Ann", "reason": "the regulator's day"}]
    clock.now += timedelta(hours=1)
    end = PersonAction.model_validate(
        {"action": "expire", "silence_id": quiet.action_id(), "actor": "Bo", "requested_at": clock.now}
    )
    actions.request(published, end)
    run(context, {"log": desk})
    assert [m.reason for m in desk.accepted] == ["silence_ended"]
    actions.request(published, end)
    assert spool.apply(context).unchanged == 1
    strange = end.model_copy(update={"silence_id": "f" * 32})
    assert actions.request(published, strange).name in spool.apply(context).refused
