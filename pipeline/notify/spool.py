"""What people do (acknowledge, resolve) as files beside the store: any page or command writes, notify applies."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.context import Context
from pipeline.incidents import Action, Event, Incident, by_person, fold
from pipeline.notify import reading
from pipeline.warehouse import Transaction

__all__ = ["Applied", "PersonAction", "apply", "folder", "pending", "request"]

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


class PersonAction(BaseModel):
    """One action file. Its name is the hash of its content, so that writing it twice is one action."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Literal["acknowledge", "resolve"]
    incident_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    actor: str = Field(min_length=1, max_length=200)
    note: str = Field("", max_length=2000)
    requested_at: datetime

    def content(self) -> bytes:
        """The file's bytes: JSON with sorted keys."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False).encode()

    def action_id(self) -> str:
        """First 32 hex of the sha256 over the content: also the file's name."""
        return hashlib.sha256(self.content()).hexdigest()[:32]


@dataclass
class Applied:
    """How many actions took effect, changed nothing (already so), or could not be used (file names)."""

    applied: int = 0
    unchanged: int = 0
    refused: list[str] | None = None


def folder(published: Path) -> Path:
    """Where action files wait: beside the published snapshot, so that pages need no way into the store."""
    return published.parent / "spool" / "actions"


def request(published: Path, action: PersonAction) -> Path:
    """Write an action file in one step; a file of the same content stays as it is."""
    place = folder(published)
    place.mkdir(parents=True, exist_ok=True)
    target = place / f"{action.action_id()}.json"
    handle, name = tempfile.mkstemp(dir=place, suffix=".part")
    with os.fdopen(handle, "wb") as file:
        file.write(action.content())
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(target)
    return target


def pending(published: Path) -> list[PersonAction]:
    """The actions that wait and can be read, oldest first."""
    return [action for _, action in _read(folder(published)) if action]


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
    """True: it took effect. False: it was so already. None: there is no such incident."""
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
