"""What people do comes in as files: each applied once, in order, with who and when; the odd ones put aside."""

from __future__ import annotations

import shutil
from datetime import timedelta

from pipeline.context import Context
from pipeline.notify import run, spool
from tests.conftest import MovableClock

from .world import NOW, Memory, detection, fired, next_events, put, rows


def asked(incident_id: str, action: str = "acknowledge", **changes: object) -> spool.PersonAction:
    known = {"action": action, "incident_id": incident_id, "actor": "Ann", "requested_at": NOW}
    return spool.PersonAction.model_validate(known | changes)


def firing(context: Context) -> str:
    life = fired(detection())
    put(context.warehouse, [life])
    return life[0].incident_id


def test_an_acknowledgement_is_applied_once_with_who_and_when(context: Context, clock: MovableClock) -> None:
    incident_id = firing(context)
    published = context.settings.store.published
    path = spool.request(published, asked(incident_id, note="on it"))
    assert spool.request(published, asked(incident_id, note="on it")) == path
    assert [a.actor for a in spool.pending(published)] == ["Ann"]
    clock.now += timedelta(minutes=1)
    assert run(context, {"log": Memory()}).counts["actions"] == 1
    found = rows(context, "SELECT state, acknowledged_by, acknowledged_at, events FROM incidents")
    assert found == [{"state": "acknowledged", "acknowledged_by": "Ann", "acknowledged_at": clock.now, "events": 3}]
    assert spool.pending(published) == []
    assert (path.parent.parent / "applied" / path.name).exists()
    event = rows(context, "SELECT actor, reason, detail FROM incident_events WHERE action = 'acknowledge'")[0]
    assert (event["actor"], event["reason"]) == ("Ann", "person")
    assert '"note": "on it"' in event["detail"]


def test_a_file_applied_before_a_crash_does_nothing_later(context: Context, clock: MovableClock) -> None:
    life = fired(detection())
    put(context.warehouse, [life])
    path = spool.request(context.settings.store.published, asked(life[0].incident_id))
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


def test_a_resolve_by_a_person_is_told(context: Context) -> None:
    incident_id = firing(context)
    desk = Memory()
    run(context, {"log": desk})
    spool.request(context.settings.store.published, asked(incident_id, "resolve"))
    run(context, {"log": desk})
    assert desk.accepted[1].title.startswith("[RESOLVED]")
    assert "Over by Ann" in desk.accepted[1].body


def test_files_that_cannot_be_used_are_put_aside_and_named(context: Context) -> None:
    place = spool.folder(context.settings.store.published)
    place.mkdir(parents=True)
    (place / "odd.json").write_text("{}", encoding="utf-8")
    stranger = spool.request(context.settings.store.published, asked("f" * 32))
    report = run(context, {"log": Memory()})
    assert "2 action file(s)" in report.notes[0]
    assert sorted(p.name for p in (place.parent / "refused").iterdir()) == sorted(["odd.json", stranger.name])
    assert list(place.iterdir()) == []
