"""The whole stage on a real store: saved, grouped, claimed, sent, recorded, retried, never lost and never twice."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections import Counter
from datetime import timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from pipeline.context import Context
from pipeline.errors import StoreError
from pipeline.incidents import Action, by_person, fold
from pipeline.notify import run
from pipeline.notify.claims import MAX_ATTEMPTS
from pipeline.notify.records import Outgoing
from pipeline.warehouse import Transaction, Warehouse
from tests.conftest import MovableClock

from .world import NOW, Memory, article, decision, detection, fired, next_events, put, routed, rows

DESK = '[[route]]\nreceiver = "desk"\n{more}\n[receivers.desk]\nurls = ["file:unused.jsonl"]\n'


def proof(found: Any, **changes: Any) -> list[tuple[str, dict[str, Any]]]:
    return [
        ("decision", decision(found, **changes)),
        ("article", article("a1", 0.97)),
        ("article", article("a2", 0.10)),
    ]


def one(context: Context, key: str = "insurers", **changes: Any) -> list[Any]:
    found = detection(key, **changes)
    life = fired(found)
    put(context.warehouse, [life], {life[0].incident_id: proof(found)})
    return life


def many(context: Context, n: int, prefix: str = "k") -> None:
    """`n` incidents of as many rules, so that each makes a message of its own."""
    found = [detection(f"{prefix}{i:02}", rule=f"rule-{prefix}{i:02}") for i in range(n)]
    lives = [fired(f) for f in found]
    put(context.warehouse, lives, {life[0].incident_id: proof(f) for life, f in zip(lives, found, strict=True)})


def test_a_fresh_install_writes_every_message_to_a_file(context: Context) -> None:
    life = one(context)
    report = run(context)
    assert report.counts == {"pending": 1, "sent": 1, "failed": 0, "dead": 0, "skipped": 1}
    lines = (context.settings.store.published.parent / "alerts.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1
    assert "[WARNING] Insurers: 14 of 31 stories negative; usual 5, range 2–9" in lines[0]
    assert life[0].incident_id in lines[0]
    by_status = {row["status"]: row for row in rows(context)}
    assert by_status["sent"]["reason"] == "first"
    assert by_status["sent"]["notification_id"] in lines[0]
    assert by_status["skipped"]["reason"] == "unremarkable"
    assert by_status["skipped"]["event_ids"] == [life[0].event_id]


@pytest.mark.postgres
def test_the_same_on_ducklake(context: Context, clock: MovableClock, lake_setting: str) -> None:
    warehouse = Warehouse(lake_setting, clock, 30)
    warehouse.prepare()
    lake = Context(context.settings, warehouse, clock)
    one(lake)
    desk = Memory(refusals=1)
    assert run(lake, {"log": desk}).counts["failed"] == 1
    clock.now += timedelta(minutes=2)
    assert run(lake, {"log": desk}).counts == {"pending": 0, "sent": 1, "failed": 0, "dead": 0, "skipped": 0}
    assert sum(run(lake, {"log": desk}).counts.values()) == 0
    one(context)
    other = Memory()
    clock.now -= timedelta(minutes=2)
    run(context, {"log": other})
    assert [m.notification_id for m in other.accepted] == [m.notification_id for m in desk.accepted]
    assert [m.body for m in other.accepted] == [m.body for m in desk.accepted]


def test_a_second_run_sends_nothing(context: Context) -> None:
    one(context)
    desk = Memory()
    run(context, {"log": desk})
    before = rows(context)
    report = run(context, {"log": desk})
    assert sum(report.counts.values()) == 0
    assert rows(context) == before
    assert len(desk.accepted) == 1


def test_a_channel_that_is_down_is_tried_again_with_the_same_id(context: Context, clock: MovableClock) -> None:
    one(context)
    desk = Memory(refusals=2)
    assert run(context, {"log": desk}).counts["failed"] == 1
    assert run(context, {"log": desk}).counts["failed"] == 0, "not before the back-off is over"
    clock.now += timedelta(minutes=2)
    assert run(context, {"log": desk}).counts["failed"] == 1
    saved = rows(context, "SELECT * FROM notifications WHERE status = 'failed'")[0]
    assert (saved["attempt"], saved["error"]) == (2, "refused for the test")
    clock.now += timedelta(minutes=4)
    assert run(context, {"log": desk}).counts["sent"] == 1
    assert [m.notification_id for m in desk.accepted] == [saved["notification_id"]]
    assert saved["notification_id"] in desk.accepted[0].body


def test_a_message_is_given_up_aloud_after_eight_attempts(context: Context, clock: MovableClock) -> None:
    one(context)
    desk = Memory(refusals=100)
    notes = []
    for _ in range(MAX_ATTEMPTS + 3):
        report = run(context, {"log": desk})
        notes += report.notes
        clock.now += timedelta(hours=2)
    assert desk.tried == MAX_ATTEMPTS
    assert rows(context, "SELECT status FROM notifications WHERE receiver = 'log'") == [{"status": "dead"}]
    assert len([n for n in notes if "given up" in n]) == 1


def test_a_dead_channel_holds_up_nobody_else(context: Context) -> None:
    text = (
        '[[route]]\nreceiver = "a"\ncontinue = true\n[[route]]\nreceiver = "b"\n'
        '[receivers.a]\nurls = ["file:a"]\n[receivers.b]\nurls = ["file:b"]\n'
    )
    routed(context, text)
    many(context, 30)
    dead, alive = Memory(refusals=1000), Memory()
    report = run(context, {"a": dead, "b": alive})
    assert len(alive.accepted) == 30
    assert dead.tried == 1, "one time-out for a run, not thirty"
    assert report.counts["failed"] == 1
    assert rows(context, "SELECT DISTINCT attempt FROM notifications WHERE receiver = 'a' AND status = 'pending'") == [
        {"attempt": 0}
    ]


def test_five_hundred_that_fire_together_are_one_message_with_the_ten_worst(context: Context) -> None:
    found = [detection(f"series{n:03}") for n in range(500)]
    lives = [fired(f) for f in found]
    evidence = {
        life[0].incident_id: proof(f, p_value=(n + 1) * 1e-5)
        for n, (life, f) in enumerate(zip(lives, found, strict=True))
    }
    put(context.warehouse, lives, evidence)
    desk = Memory()
    report = run(context, {"log": desk})
    assert report.counts["pending"] == report.counts["sent"] == 1
    message = desk.accepted[0]
    assert message.title.startswith("[WARNING] negative-share-sector: 500 incidents; worst: Series000: 14 of 31")
    for n in range(10):
        assert f"{n + 1}. [WARNING] Series{n:03}: 14 of 31" in message.body
    assert "11. [WARNING]" not in message.body
    assert "And 490 more: Series010, " in message.body
    assert len(message.body) < 10_000
    assert len(message.event_ids) == 500


def test_a_resolved_message_follows_only_a_firing_one_and_only_once(context: Context, clock: MovableClock) -> None:
    life = one(context)
    desk = Memory()
    run(context, {"log": desk})
    clock.now += timedelta(days=2)
    over = next_events(life, clock.now, None)
    assert over[-1].action is Action.RESOLVE
    put(context.warehouse, [over])
    run(context, {"log": desk})
    run(context, {"log": desk})
    assert [m.reason for m in desk.accepted] == ["first", "resolved"]
    assert desk.accepted[1].title.startswith("[RESOLVED] Insurers")


def test_fired_and_resolved_while_notify_was_away_is_told_in_order(context: Context, clock: MovableClock) -> None:
    life = one(context)
    clock.now += timedelta(days=2)
    put(context.warehouse, [next_events(life, clock.now, None)])
    desk = Memory(refusals=1)
    run(context, {"log": desk})
    assert desk.accepted == [], "the resolved message waits for the firing one"
    clock.now += timedelta(minutes=2)
    run(context, {"log": desk})
    assert [m.reason for m in desk.accepted] == ["first", "resolved"]


def test_fired_resolved_and_fired_again_says_that_it_fires(context: Context, clock: MovableClock) -> None:
    life = one(context)
    clock.now += timedelta(days=2)
    over = next_events(life, clock.now, None)
    again = next_events(over, clock.now + timedelta(hours=1), detection(seen_until=clock.now))
    assert again[-1].action is Action.REOPEN
    put(context.warehouse, [again])
    desk = Memory()
    run(context, {"log": desk})
    assert [m.reason for m in desk.accepted] == ["first"]
    assert "fired again soon after it was resolved" in desk.accepted[0].body


def test_an_escalation_says_why(context: Context, clock: MovableClock) -> None:
    found = detection("acme", kind="event", rule="event-watchlist", single_source=True, owners=1, size=0)
    life = fired(found)
    put(context.warehouse, [life], {life[0].incident_id: proof(found, p_value=None, story_count=1)})
    desk = Memory()
    run(context, {"log": desk})
    assert "(single source)" in desk.accepted[0].title
    assert "*Single source*" in desk.accepted[0].body
    clock.now += timedelta(hours=1)
    seen = detection(
        "acme", kind="event", rule="event-watchlist", owners=2, size=0, seen_until=NOW - timedelta(hours=1)
    )
    put(context.warehouse, [next_events(life, clock.now, seen)])
    run(context, {"log": desk})
    assert desk.accepted[1].title.startswith("[WARNING, escalated] Acme")
    assert "a second, independent publisher" in desk.accepted[1].body
    assert "ingle source" not in desk.accepted[1].body


def test_who_nobody_wants_to_hear_of_is_kept_with_its_reason(context: Context) -> None:
    routed(context, DESK.format(more='match = { severity = "critical" }'))
    one(context)
    report = run(context, {"desk": Memory()})
    assert report.counts["pending"] == 0
    assert {r["reason"] for r in rows(context)} == {"no_receiver", "unremarkable"}
    assert {r["status"] for r in rows(context)} == {"skipped"}


def silence(context: Context, matchers: str, hours: int) -> None:
    row = pa.table(
        {
            "silence_id": ["s1"],
            "matchers": [matchers],
            "starts_at": pa.array([NOW - timedelta(hours=1)], pa.timestamp("us", tz="UTC")),
            "ends_at": pa.array([NOW + timedelta(hours=hours)], pa.timestamp("us", tz="UTC")),
            "author": ["Ann"],
            "reason": ["known"],
        }
    )
    context.warehouse.transact("notifications", lambda tx: tx.upsert("silences", row, ["silence_id"]))


def test_a_silence_holds_and_when_it_ends_what_still_fires_is_told_once(context: Context, clock: MovableClock) -> None:
    silence(context, '{"key": "insurers"}', hours=2)
    one(context)
    one(context, "banks")
    desk = Memory()
    run(context, {"log": desk})
    assert len(desk.accepted) == 1
    assert "Banks" in desk.accepted[0].title
    assert Counter(r["reason"] for r in rows(context)) == {"first": 1, "silenced": 1, "unremarkable": 1}
    clock.now += timedelta(hours=3)
    run(context, {"log": desk})
    run(context, {"log": desk})
    assert [m.reason for m in desk.accepted[1:]] == ["silence_ended"]
    assert desk.accepted[1].title.startswith("[WARNING, silence ended] Insurers")


def test_matchers_that_cannot_be_read_silence_nothing(context: Context) -> None:
    silence(context, '["broken', hours=2)
    one(context)
    desk = Memory()
    run(context, {"log": desk})
    assert len(desk.accepted) == 1


def test_reminders_come_while_it_fires_and_stop_when_somebody_has_it(context: Context, clock: MovableClock) -> None:
    routed(context, DESK.format(more='repeat_interval = "4h"'))
    life = one(context)
    desk = Memory()
    for _ in range(10):
        run(context, {"desk": desk})
        clock.now += timedelta(hours=1)
    assert [m.reason for m in desk.accepted] == ["first", "repeat", "repeat"]
    assert len({m.notification_id for m in desk.accepted}) == 3
    put(context.warehouse, [[*life, *by_person(fold(life), Action.ACKNOWLEDGE, "Ann", clock.now)]])
    clock.now += timedelta(hours=9)
    run(context, {"desk": desk})
    assert len(desk.accepted) == 3


def test_group_wait_gathers_what_comes_in_several_runs(context: Context, clock: MovableClock) -> None:
    routed(context, DESK.format(more='group_wait = "10m"'))
    desk = Memory()
    for n in range(3):
        one(context, f"k{n}")
        assert run(context, {"desk": desk}).counts["sent"] == 0
        clock.now += timedelta(minutes=3)
    clock.now += timedelta(minutes=2)
    run(context, {"desk": desk})
    assert [len(m.incident_ids) for m in desk.accepted] == [3]
    assert all(name in desk.accepted[0].body for name in ("K0", "K1", "K2"))
    run(context, {"desk": desk})
    assert len(desk.accepted) == 1


def _run_in_a_process(context_parts: tuple[Any, str], barrier: Any) -> None:
    settings, warehouse = context_parts
    context = Context(settings, Warehouse(warehouse, lambda: NOW, 60), lambda: NOW)
    barrier.wait(60)
    run(context)


def test_two_processes_at_once_send_once(context: Context) -> None:
    many(context, 6)
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(2)
    parts = (context.settings, context.settings.store.warehouse)
    processes = [spawn.Process(target=_run_in_a_process, args=(parts, barrier)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    lines = (context.settings.store.published.parent / "alerts.jsonl").read_text(encoding="utf-8").splitlines()
    assert len({json.loads(line)["notification_id"] for line in lines}) == len(lines) == 6
    assert {r["status"] for r in rows(context, "SELECT status FROM notifications WHERE receiver = 'log'")} == {"sent"}


def _killed_while_sending(context_parts: tuple[Any, str]) -> None:
    class Kills:
        def send(self, message: Outgoing) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        def describe(self) -> str:
            return "kills:"

    settings, warehouse = context_parts
    run(Context(settings, Warehouse(warehouse, lambda: NOW, 60), lambda: NOW), {"log": Kills()})


def test_killed_while_sending_the_same_command_sends_at_once_with_the_same_id(context: Context) -> None:
    one(context)
    parts = (context.settings, context.settings.store.warehouse)
    process = multiprocessing.get_context("spawn").Process(target=_killed_while_sending, args=(parts,))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    left = rows(context, "SELECT notification_id, status, attempt FROM notifications WHERE receiver = 'log'")
    assert [(r["status"], r["attempt"]) for r in left] == [("sending", 1)]
    desk = Memory()
    run(context, {"log": desk})
    assert [m.notification_id for m in desk.accepted] == [left[0]["notification_id"]]


def test_a_claim_of_another_machine_holds_until_it_runs_out(context: Context, clock: MovableClock) -> None:
    one(context)
    run(context, {"log": Memory(refusals=1)})

    def elsewhere(tx: Transaction) -> None:
        tx.con.execute(
            "UPDATE notifications SET status = 'sending', claimed_by = 'elsewhere', claim_expires_at = ?"
            " WHERE receiver = 'log'",
            [NOW + timedelta(minutes=2)],
        )

    context.warehouse.transact("notifications", elsewhere)
    desk = Memory()
    assert run(context, {"log": desk}).counts["sent"] == 0
    clock.now += timedelta(minutes=2)
    assert run(context, {"log": desk}).counts["sent"] == 1


class Faulty(Warehouse):
    """Fails at the k-th call to the store: before it begins, before the commit, or right after the commit."""

    def __init__(self, good: Warehouse, k: int, when: str) -> None:
        super().__init__(f"duckdb:{good.engine.path}", good.clock, good.lock_timeout_s)  # type: ignore[union-attr]
        self.k, self.when, self.calls = k, when, 0

    def _connect_once(self, read_only: bool) -> duckdb.DuckDBPyConnection:
        if self.when == "open":
            self._count()
        return super()._connect_once(read_only)

    def _commit(self, con: duckdb.DuckDBPyConnection, group: str) -> None:
        if self.when == "before commit":
            self._count()
        super()._commit(con, group)
        if self.when == "after commit":
            self._count()

    def _count(self) -> None:
        self.calls += 1
        if self.calls == self.k:
            raise StoreError("broken for the test")


@pytest.mark.parametrize("when", ["open", "before commit", "after commit"])
def test_a_fault_at_every_call_to_the_store_loses_nothing(context: Context, clock: MovableClock, when: str) -> None:
    """The same command again, at once, ends it. Repeats only where sending was not recorded, with the same id."""
    sent: Counter[str] = Counter()
    expected = 0
    for k in range(1, 6):
        many(context, 3, f"{when}-{k}-")
        expected += 3
        desk = Memory()
        broken = Context(context.settings, Faulty(context.warehouse, k, when), clock)
        try:
            run(broken, {"log": desk})
        except StoreError:
            run(context, {"log": desk})
        sent.update(m.notification_id for m in desk.accepted)
        assert len({m.notification_id for m in desk.accepted}) == 3
    saved = rows(context, "SELECT * FROM notifications WHERE receiver = 'log'")
    assert {r["notification_id"] for r in saved} == set(sent)
    assert len(saved) == expected
    assert {r["status"] for r in saved} == {"sent"}
    assert max(sent.values()) <= 2


def test_a_row_whose_senders_all_died_is_given_up(context: Context, clock: MovableClock) -> None:
    one(context)

    class Dies:
        tried = 0

        def send(self, message: Outgoing) -> None:
            self.tried += 1

        def describe(self) -> str:
            return "dies:"

    class NeverRecords(Warehouse):
        """Dies after sending, every time."""

        def transact(self, group: str, work: Any) -> Any:
            def watched(tx: Transaction) -> Any:
                done = work(tx)
                if isinstance(done, tuple) and done[0]:
                    raise StoreError("killed before recording")
                return done

            return super().transact(group, watched)

    dying = NeverRecords(f"duckdb:{context.warehouse.engine.path}", clock, 10)  # type: ignore[union-attr]
    channel = Dies()
    for _ in range(MAX_ATTEMPTS):
        with pytest.raises(StoreError, match="killed"):
            run(Context(context.settings, dying, clock), {"log": channel})
    report = run(context, {"log": channel})
    assert (channel.tried, report.counts["dead"]) == (MAX_ATTEMPTS, 1)
    assert any("given up" in note for note in report.notes)


def test_a_channel_that_raises_something_else_is_a_failure_like_any_other(context: Context) -> None:
    class Odd:
        def send(self, message: Outgoing) -> None:
            raise ZeroDivisionError

        def describe(self) -> str:
            return "odd:"

    one(context)
    assert run(context, {"log": Odd()}).counts["failed"] == 1
    assert rows(context, "SELECT error FROM notifications WHERE status = 'failed'") == [
        {"error": "the channel failed with ZeroDivisionError"}
    ]


def test_a_receiver_that_is_gone_keeps_its_messages_for_a_while(context: Context) -> None:
    one(context)
    run(context, {})
    assert rows(context, "SELECT status, error FROM notifications WHERE receiver = 'log'") == [
        {"status": "failed", "error": "this receiver is no longer in routes.toml"}
    ]


def test_demo_stands_at_the_very_start(context: Context) -> None:
    demo = Context(context.settings.model_copy(update={"demo": True}), context.warehouse, context.clock)
    one(demo)
    desk = Memory()
    run(demo, {"log": desk})
    assert desk.accepted[0].title.startswith("DEMO [WARNING]")
    assert desk.accepted[0].body.startswith("DEMO: ")
