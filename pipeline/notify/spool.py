"""What people did, taken from the spool into the store: each file once, in order, with who and when."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa
from pydantic import ValidationError

from pipeline.actions import Kind, PersonAction, Verdict, folder
from pipeline.context import Context
from pipeline.incidents import Action, Event, Incident, by_person, fold
from pipeline.notify import reading
from pipeline.warehouse import Transaction

__all__ = ["Applied", "apply"]

_UTC = pa.timestamp("us", tz="UTC")
_EVENT = pa.schema(
    [
        ("event_id", pa.string()),
        ("incident_id", pa.string()),
        ("seq", pa.int32()),
        ("happened_at", _UTC),
        ("action", pa.string()),
        ("reason", pa.string()),
        ("severity", pa.string()),
        ("actor", pa.string()),
        ("detail", pa.string()),
    ]
)
_SILENCE = pa.schema(
    [
        ("silence_id", pa.string()),
        ("matchers", pa.string()),
        ("starts_at", _UTC),
        ("ends_at", _UTC),
        ("author", pa.string()),
        ("reason", pa.string()),
    ]
)
_VERDICT = pa.schema(
    [
        *((name, pa.string()) for name in ("verdict_id", "incident_id", "verdict", "author", "note", "about")),
        ("happened_at", _UTC),
    ]
)
_INCIDENT = pa.schema(
    [
        ("incident_id", pa.string()),
        ("state", pa.string()),
        ("acknowledged_at", _UTC),
        ("acknowledged_by", pa.string()),
        ("resolved_at", _UTC),
        ("events", pa.int32()),
    ]
)


@dataclass
class Applied:
    """How many actions took effect, changed nothing (already so), or could not be used (file names)."""

    applied: int = 0
    unchanged: int = 0
    refused: list[str] = field(default_factory=list)


def apply(context: Context) -> Applied:
    """Apply every waiting action in one transaction, then move the files to `applied/` or `refused/`.

    A kill between the two applies nothing twice: the event keeps the id of its action.
    """
    place = folder(context.settings.store.published)
    files = _read(place)
    good = [(path, action) for path, action in files if action]
    bad = [path for path, action in files if not action]
    unknown: list[Path] = []
    done = Applied()
    if good:
        now = context.clock()

        def work(tx: Transaction) -> tuple[int, list[Path]]:
            changed, strangers = 0, []
            for path, action in good:
                known = _apply_one(tx, action, now)
                changed += known is True
                strangers += [path] if known is None else []
            return changed, strangers

        done.applied, unknown = context.warehouse.transact("incidents", work)
        done.unchanged = len(good) - done.applied - len(unknown)
    refused = [*bad, *unknown]
    done.refused = sorted(path.name for path in refused)
    for path, _ in good:
        _move(path, "refused" if path in unknown else "applied")
    for path in bad:
        _move(path, "refused")
    return done


def _read(place: Path) -> list[tuple[Path, PersonAction | None]]:
    found: list[tuple[Path, PersonAction | None]] = []
    for path in sorted(place.glob("*.json")):
        try:
            found.append((path, PersonAction.model_validate_json(path.read_bytes())))
        except FileNotFoundError:  # another notify has just moved it
            continue
        except (ValidationError, OSError):
            found.append((path, None))
    return sorted(found, key=lambda f: (f[1].requested_at.isoformat() if f[1] else "", f[0].name))


def _apply_one(tx: Transaction, action: PersonAction, now: datetime) -> bool | None:
    """True: it took effect. False: it was so already. None: there is no such incident or silence."""
    return _APPLY[action.action](tx, action, now)


def _step(tx: Transaction, action: PersonAction, now: datetime) -> bool | None:
    events = reading.events_of(tx.con, action.incident_id)
    if not events:
        return None
    if any(e.told().get("action_id") == action.action_id() for e in events):
        return False
    incident = fold(events)
    made = [
        replace(e, detail=json.dumps(e.told() | {"action_id": action.action_id()}, sort_keys=True, ensure_ascii=False))
        for e in by_person(incident, Action(action.action), action.actor, now, action.note)
    ]
    if not made:
        return False
    _write(tx, made, fold([*events, *made]))
    return True


def _silence(tx: Transaction, action: PersonAction, now: datetime) -> bool | None:
    row = {
        "silence_id": action.action_id(),
        "matchers": json.dumps({label: list(values) for label, values in sorted(action.matchers.items())}),
        "starts_at": action.starts_at or action.requested_at,
        "ends_at": action.ends_at,
        "author": action.actor,
        "reason": action.note,
    }
    return bool(tx.insert_new("silences", pa.Table.from_pylist([row], _SILENCE), ["silence_id"]))


def _expire(tx: Transaction, action: PersonAction, now: datetime) -> bool | None:
    known = tx.con.execute(
        "SELECT ends_at > $1 AND expired_at IS NULL FROM silences WHERE silence_id = $2", [now, action.silence_id]
    ).fetchone()
    if known is None:
        return None
    if known[0]:
        tx.con.execute(
            "UPDATE silences SET expired_at = ?, recorded_at = ? WHERE silence_id = ?",
            [now, tx.recorded_at, action.silence_id],
        )
    return bool(known[0])


def _judge(tx: Transaction, action: PersonAction, now: datetime) -> bool | None:
    if action.incident_id and not reading.events_of(tx.con, action.incident_id):
        return None
    row = {
        "verdict_id": action.action_id(),
        "incident_id": action.incident_id,
        "verdict": action.verdict or Verdict.MISSED_EVENT,
        "author": action.actor,
        "note": action.note,
        "about": action.about or None,
        "happened_at": action.happened_at,
    }
    return bool(tx.insert_new("verdicts", pa.Table.from_pylist([row], _VERDICT), ["verdict_id"]))


_APPLY: Mapping[Kind, Callable[[Transaction, PersonAction, datetime], bool | None]] = {
    Kind.ACKNOWLEDGE: _step,
    Kind.RESOLVE: _step,
    Kind.SILENCE: _silence,
    Kind.EXPIRE: _expire,
    Kind.VERDICT: _judge,
    Kind.MISSED: _judge,
}


def _write(tx: Transaction, events: list[Event], incident: Incident) -> None:
    tx.insert_new("incident_events", pa.Table.from_pylist([asdict(e) for e in events], _EVENT), ["event_id"])
    known = asdict(incident)
    row = {name: known[name] for name in _INCIDENT.names}
    tx.upsert("incidents", pa.Table.from_pylist([row], _INCIDENT), ["incident_id"])


def _move(path: Path, where: str) -> None:
    target = path.parent.parent / where
    target.mkdir(exist_ok=True)
    # Somebody else may have moved it: both have applied the same action, which counts once.
    if path.exists():
        path.replace(target / path.name)
