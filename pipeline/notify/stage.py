"""One pass of notify: apply what people did, turn unread events into saved messages, deliver what is due."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

import duckdb

from pipeline.context import Context, Report, reporting
from pipeline.machine import newest_cycle
from pipeline.notify import outbox, reading, spool
from pipeline.notify.channels import Channel, channels_for
from pipeline.notify.decide import plan
from pipeline.notify.heartbeat import Beat, beat
from pipeline.notify.inhibit import suppressions
from pipeline.notify.links import links_for
from pipeline.notify.message import SHOWN, Message, compose, compose_dead, worst
from pipeline.notify.outbox import Claimed, Outcome
from pipeline.notify.records import Draft, Evidence, State, Status
from pipeline.notify.routes import Routes, load
from pipeline.notify.senders import gone, sender
from pipeline.notify.sending import send_all
from pipeline.settings import file_or_default
from pipeline.warehouse import Transaction

__all__ = ["run"]

logger = logging.getLogger(__name__)

# So many messages are claimed and recorded together: a kill repeats at most these.
_BATCH = 20
_PLANS = 20
# A slow channel must not hold up the cycle; what is left goes out in the next one.
_RUN_SECONDS = 30.0
# Sends begun this long after the claim still end (30 s each at most) before it runs out.
_BATCH_SECONDS = 60.0


def run(context: Context, channels: Mapping[str, Channel] | None = None) -> Report:
    """Save, then send. Counts: pending, skipped (messages saved), sent, failed (will be tried again), dead.

    Args:
        channels: by address name, for tests; those of routes.toml if None.

    Raises:
        RulesError: routes.toml cannot be used; nothing is lost, the events stay unread.
        StoreBusy: the store was held by somebody else for too long; what was sent and not recorded is sent again
            with the same id once its claim has run out.
    """
    with reporting("notify") as report:
        for name in ("pending", "sent", "failed", "dead", "skipped"):
            report.counts[name] = 0
        _people(context, report)
        path = file_or_default(context.settings.notify.routes)
        routes = load(path)
        data_folder = context.settings.store.published.parent
        ready = channels if channels is not None else channels_for(routes, data_folder, path)
        if _fill(context, routes, report):
            _deliver(context, ready, report)
        _beat(context, routes, report)
    return report


def _beat(context: Context, routes: Routes, report: Report) -> None:
    if routes.heartbeat is None:
        return
    with context.warehouse.read() as con:
        waiting = reading.waiting(con)
    told = Beat(
        at=context.clock(),
        run_id=context.run_id,
        cycle_at=newest_cycle(context.settings.store.published),
        waiting=waiting,
        demo=context.settings.demo,
    )
    failed = beat(told, routes.heartbeat)
    if failed:
        report.notes.append(failed)


def _people(context: Context, report: Report) -> None:
    done = spool.apply(context)
    if done.applied:
        report.add("actions", done.applied)
    if done.refused:
        report.notes.append(
            f"{len(done.refused)} action file(s) could not be used and were put into spool/refused: {done.refused[0]}"
        )


def _fill(context: Context, routes: Routes, report: Report) -> bool:
    """Save what unread events call for; answers whether anything may be waiting to be sent."""
    for _ in range(_PLANS):
        now = context.clock()
        with context.warehouse.read() as con:
            state = reading.state(con, now)
            drafts = plan(state, routes, now)
            evidence = _evidence(con, drafts)
        _mark(context, state, routes)
        if not drafts:
            return bool(state.outbox)
        messages = {d.notification_id: _message(context, d, evidence) for d in drafts if d.spoken}
        if context.warehouse.transact("notifications", partial(outbox.save, drafts=drafts, messages=messages)):
            for draft in drafts:
                report.add(draft.status)
                logger.info("%s to %s: %s", draft.status, draft.receiver or "nobody", draft.reason)
            return bool(messages or state.outbox)
    report.notes.append("others kept writing messages; what is left is taken up in the next run")
    return True


def _evidence(con: duckdb.DuckDBPyConnection, drafts: Sequence[Draft]) -> dict[str, Evidence]:
    """What the messages rest on; articles are read only for the incidents that a message shows."""
    told = [draft for draft in drafts if draft.announcements]
    if not told:
        return {}
    evidence = reading.outlines_of(con, sorted({i for draft in told for i in draft.incident_ids}))
    shown = {a.incident.incident_id for d in told for a in worst(d.announcements, evidence)[:SHOWN]}
    return evidence | reading.evidence_of(con, sorted(shown))


def _mark(context: Context, state: State, routes: Routes) -> None:
    """Write which open incidents are not told apart from something wider; they stay open."""
    parts = suppressions(state.incidents.values()) if routes.inhibit else {}
    changed = {
        i.incident_id: parts.get(i.incident_id)
        for i in state.incidents.values()
        if i.is_open and parts.get(i.incident_id) != (i.suppressed_by or None)
    }
    if changed:
        context.warehouse.transact("incidents", partial(outbox.mark, suppressed_by=changed))


def _message(context: Context, draft: Draft, evidence: Mapping[str, Evidence]) -> Message:
    if draft.dead:
        return compose_dead(draft.dead, notification_id=draft.notification_id, demo=context.settings.demo)
    return compose(draft.announcements, evidence, notification_id=draft.notification_id, demo=context.settings.demo)


def _deliver(context: Context, channels: Mapping[str, Channel], report: Report) -> None:
    folder = context.settings.store.published.parent / "spool" / "senders"
    with sender(folder) as owner:
        broken: set[str] = set()
        started = time.monotonic()
        claimed, outcomes = Claimed((), {}, ()), list[Outcome]()
        while True:
            late = time.monotonic() - started >= _RUN_SECONDS
            begun = time.monotonic()
            turn = partial(
                _turn,
                owner=owner,
                now=context.clock(),
                last=(claimed, outcomes),
                broken=frozenset(broken),
                limit=0 if late else _BATCH,
                gone=partial(gone, folder),
            )
            written, following = context.warehouse.transact("notifications", turn)
            _count(report, claimed, outcomes, written, following)
            context.progress("notify", report.counts["sent"], None)
            if not following.outgoing:
                break
            claimed = following
            outgoing = [replace(o, links=links_for(o, context.settings.notify)) for o in claimed.outgoing]
            outcomes = send_all(outgoing, channels, partial(_before, begun + _BATCH_SECONDS))
            broken |= {claimed.rows[o.notification_id].receiver for o in outcomes if o.error is not None}
        if late and len(claimed.outgoing) == _BATCH:
            report.notes.append("messages are still waiting: the channels are slow; the next run goes on")


def _turn(
    tx: Transaction,
    *,
    owner: str,
    now: datetime,
    last: tuple[Claimed, list[Outcome]],
    broken: frozenset[str],
    limit: int,
    gone: Callable[[str], bool],
) -> tuple[dict[str, Status], Claimed]:
    """Record how the last batch went and claim the next, in one transaction."""
    claimed, outcomes = last
    written = outbox.record(tx, owner, now, outcomes, claimed.rows) if outcomes else {}
    # Less than a full batch was all there was.
    if outcomes and len(claimed.outgoing) < _BATCH:
        return written, Claimed((), {}, ())
    return written, outbox.claim(tx, owner, now, broken, limit, gone)


def _count(
    report: Report,
    claimed: Claimed,
    outcomes: Sequence[Outcome],
    written: Mapping[str, Status],
    following: Claimed,
) -> None:
    tried = {o.notification_id for o in outcomes if o.tried}
    for notification_id, status in written.items():
        if notification_id in tried:
            report.add(status)
        if status is Status.DEAD:
            _note_dead(report, claimed.rows[notification_id].receiver)
    for row in following.dead:
        report.add(Status.DEAD)
        _note_dead(report, row.receiver)


def _before(deadline: float) -> bool:
    return time.monotonic() < deadline


def _note_dead(report: Report, receiver: str) -> None:
    report.notes.append(
        f"a message to {receiver} was given up; another receiver is told. See `barograph incidents list`, and try"
        f" {receiver} with `barograph routes test`"
    )
