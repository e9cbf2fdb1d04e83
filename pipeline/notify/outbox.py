"""The outbox: notifications saved before they are sent, claimed by one sender at a time, and their outcome recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa

from pipeline.notify import basis, reading
from pipeline.notify.claims import CLAIM_FOR, MAX_ATTEMPTS, MAX_UNSURE, backoff, bounded, claims
from pipeline.notify.message import Message
from pipeline.notify.records import Draft, OutboxRow, Outgoing, Status
from pipeline.warehouse import Transaction

__all__ = ["MAX_ATTEMPTS", "Claimed", "Outcome", "claim", "mark", "record", "save"]

_UTC = pa.timestamp("us", tz="UTC")
_ROW = pa.schema(
    [
        ("notification_id", pa.string()),
        ("receiver", pa.string()),
        ("group_key", pa.string()),
        ("event_ids", pa.list_(pa.string())),
        ("incident_ids", pa.list_(pa.string())),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("severity", pa.string()),
        ("title", pa.string()),
        ("body", pa.string()),
        ("document", pa.string()),
        ("basis", pa.string()),
        ("concerns", pa.list_(pa.string())),
        ("created_at", _UTC),
        ("not_before", _UTC),
        ("attempt", pa.int32()),
    ]
)
_MARK = pa.schema([("incident_id", pa.string()), ("suppressed_by", pa.string())])
_OUTCOME = pa.schema(
    [
        ("notification_id", pa.string()),
        ("status", pa.string()),
        ("not_before", _UTC),
        ("attempt", pa.int32()),
        ("claimed_by", pa.string()),
        ("claim_expires_at", _UTC),
        ("sent_at", _UTC),
        ("error", pa.string()),
    ]
)


@dataclass(frozen=True)
class Claimed:
    """What this sender may send now, and which rows were given up on."""

    outgoing: tuple[Outgoing, ...]
    rows: Mapping[str, OutboxRow]
    dead: tuple[OutboxRow, ...]


@dataclass(frozen=True)
class Outcome:
    """How sending went: `error` None is accepted; `tried` False means that the turn never came; `unsure` that nobody
    answered, but the message may have been taken; `wait` how long the receiver asked to be left alone."""

    notification_id: str
    error: str | None = None
    tried: bool = True
    unsure: bool = False
    wait: timedelta | None = None


def save(tx: Transaction, drafts: Sequence[Draft], messages: Mapping[str, Message]) -> bool:
    """Save all drafts, or none and answer False where the store is no longer as it was when they were planned.

    All or none, because an event counts as read as soon as one row names it.
    """
    if not _still_true(tx, drafts):
        return False
    replaced = [row for draft in drafts for row in draft.replaces]
    if replaced:
        tx.con.execute("DELETE FROM notifications WHERE notification_id IN (SELECT unnest(?::VARCHAR[]))", [replaced])
    rows = [
        {
            "notification_id": d.notification_id,
            "receiver": d.receiver,
            "group_key": d.group_key,
            "event_ids": list(d.event_ids),
            "incident_ids": list(d.incident_ids),
            "status": d.status,
            "reason": d.reason,
            "severity": d.severity,
            **_words(messages.get(d.notification_id)),
            "basis": basis.kept(d, messages.get(d.notification_id)),
            "concerns": [row.notification_id for row in d.dead] or None,
            "created_at": d.created_at,
            "not_before": d.not_before,
            "attempt": 0,
        }
        for d in drafts
    ]
    tx.insert_new("notifications", pa.Table.from_pylist(rows, _ROW), ["notification_id"])
    return True


def _words(message: Message | None) -> dict[str, str]:
    if message is None:
        return {"title": "", "body": "", "document": "{}"}
    # The text stands in the column beside it; channels put it back.
    kept = message.document.model_copy(update={"text": ""})
    return {"title": message.title, "body": message.body, "document": kept.model_dump_json()}


def _still_true(tx: Transaction, drafts: Sequence[Draft]) -> bool:
    fresh = sorted({event for draft in drafts for event in draft.fresh})
    taken = tx.con.execute(
        "SELECT count(*) FROM (SELECT unnest(event_ids) AS event_id FROM notifications)"
        " WHERE event_id IN (SELECT unnest(?::VARCHAR[]))",
        [fresh],
    ).fetchone()
    replaced = [row for draft in drafts for row in draft.replaces]
    held = tx.con.execute(
        "SELECT count(*) FROM notifications WHERE status = 'pending' AND attempt = 0"
        " AND notification_id IN (SELECT unnest(?::VARCHAR[]))",
        [replaced],
    ).fetchone()
    told = tx.con.execute(
        "SELECT count(*) FROM (SELECT unnest(concerns) AS dead FROM notifications)"
        " WHERE dead IN (SELECT unnest(?::VARCHAR[]))",
        [[row.notification_id for draft in drafts for row in draft.dead]],
    ).fetchone()
    new = taken and not taken[0] and told and not told[0]
    return bool(new and held and held[0] == len(replaced))


def mark(tx: Transaction, suppressed_by: Mapping[str, str | None]) -> None:
    """Write which wider incident mutes each of these (None: none any more)."""
    rows = [{"incident_id": part, "suppressed_by": above} for part, above in suppressed_by.items()]
    tx.con.register("marks", pa.Table.from_pylist(rows, _MARK))
    try:
        # An update, not a merge: an incident that is gone must not come back as a row of two columns.
        tx.con.execute(
            "UPDATE incidents SET suppressed_by = m.suppressed_by FROM marks AS m"
            " WHERE incidents.incident_id = m.incident_id"
        )
    finally:
        tx.con.unregister("marks")


def claim(
    tx: Transaction,
    owner: str,
    now: datetime,
    broken: AbstractSet[str],
    limit: int,
    gone: Callable[[str], bool],
) -> Claimed:
    """Take at most `limit` due rows for `owner`, for two minutes; give up on rows that died with their sender."""
    rows = reading.open_rows(tx.con)
    over = {row.claimed_by for row in rows if row.claimed_by and gone(row.claimed_by)}
    decided = claims(rows, now, broken, limit, over)
    if decided.dead:
        tx.con.execute(
            "UPDATE notifications SET status = 'dead', error = 'the sender was stopped at every attempt',"
            " claimed_by = NULL, recorded_at = ? WHERE notification_id IN (SELECT unnest(?::VARCHAR[]))",
            [tx.recorded_at, [row.notification_id for row in decided.dead]],
        )
    taken = {row.notification_id: row for row in decided.take}
    if not taken:
        return Claimed((), {}, decided.dead)
    tx.con.execute(
        "UPDATE notifications SET status = 'sending', claimed_by = ?, claim_expires_at = ?, attempt = attempt + 1,"
        " recorded_at = ? WHERE notification_id IN (SELECT unnest(?::VARCHAR[]))",
        [owner, now + CLAIM_FOR, tx.recorded_at, list(taken)],
    )
    texts = {
        row[0]: row[1:]
        for row in tx.con.execute(
            "SELECT notification_id, title, body, coalesce(document, '{}') FROM notifications"
            " WHERE notification_id IN (SELECT unnest(?::VARCHAR[]))",
            [list(taken)],
        ).fetchall()
    }
    outgoing = tuple(_outgoing(row, *texts[key]) for key, row in taken.items())
    return Claimed(outgoing, taken, decided.dead)


def _outgoing(row: OutboxRow, title: str, body: str, document: str) -> Outgoing:
    return Outgoing(
        notification_id=row.notification_id,
        receiver=row.receiver,
        reason=row.reason,
        severity=row.severity,
        title=title,
        body=body,
        event_ids=row.event_ids,
        incident_ids=row.incident_ids,
        document=document,
        attempt=row.attempt + 1,
        created_at=row.created_at,
    )


def record(
    tx: Transaction, owner: str, now: datetime, outcomes: Sequence[Outcome], rows: Mapping[str, OutboxRow]
) -> dict[str, Status]:
    """Write how sending went; answers the status of each row that was written.

    What a channel accepted is `sent` even if the claim was lost meanwhile (it would be repeated otherwise); a failure
    counts only while the claim is ours. A receiver that asked for time gets it for all that waits for it.
    """
    held = dict(
        tx.con.execute(
            "SELECT notification_id, claimed_by FROM notifications WHERE status NOT IN ('sent', 'dead')"
            " AND notification_id IN (SELECT unnest(?::VARCHAR[]))",
            [[o.notification_id for o in outcomes]],
        ).fetchall()
    )
    written = []
    for outcome in outcomes:
        key = outcome.notification_id
        if key in held and (held[key] == owner or (outcome.tried and outcome.error is None)):
            written.append(_after(outcome, rows[key], now))
    tx.upsert("notifications", pa.Table.from_pylist(written, _OUTCOME), ["notification_id"])
    for outcome in outcomes:
        if outcome.wait is not None:
            _hold(tx, rows[outcome.notification_id].receiver, now + bounded(outcome.wait))
    return {str(row["notification_id"]): Status(str(row["status"])) for row in written}


def _hold(tx: Transaction, receiver: str, until: datetime) -> None:
    tx.con.execute(
        "UPDATE notifications SET not_before = $1 WHERE receiver = $2 AND status IN ('pending', 'failed')"
        " AND not_before < $1",
        [until, receiver],
    )


def _after(outcome: Outcome, row: OutboxRow, now: datetime) -> dict[str, object]:
    tries = row.attempt + 1 if outcome.tried else row.attempt
    status, not_before = Status.PENDING, row.not_before
    if outcome.tried:
        status = Status.SENT
        if outcome.error is not None:
            status = Status.DEAD if tries >= (MAX_UNSURE if outcome.unsure else MAX_ATTEMPTS) else Status.FAILED
            not_before = now + backoff(row.notification_id, tries)
    elif row.attempt:
        status = Status.FAILED
    return {
        "notification_id": row.notification_id,
        "status": status,
        "not_before": not_before,
        "attempt": tries,
        "claimed_by": None,
        "claim_expires_at": None,
        "sent_at": now if status is Status.SENT else None,
        "error": outcome.error,
    }
