"""What people do, as idempotent files that `notify` applies: any page or command writes one and needs no store.

A link in a message carries a `Grant`: what may be done, to which incident, until when, signed. Reading a grant changes
nothing; the page behind the link asks, and only its POST writes an action.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from itsdangerous import BadData, URLSafeSerializer
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import InputError

__all__ = [
    "LONGEST_SILENCE",
    "Grant",
    "Kind",
    "PersonAction",
    "Verdict",
    "folder",
    "grant_of",
    "pending",
    "request",
    "token",
]

LONGEST_SILENCE = timedelta(days=366)
_ID = r"^([0-9a-f]{32})?$"


class Kind(StrEnum):
    """What a person can do."""

    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    SILENCE = "silence"
    EXPIRE = "expire"
    VERDICT = "verdict"
    MISSED = "missed"


class Verdict(StrEnum):
    """What a person says of an alert; the last one of an event that nobody was told of."""

    RIGHT = "right"
    NOT_MATERIAL = "not material"
    WRONG_COMPANY = "wrong company"
    WRONG_POLARITY = "wrong polarity"
    DUPLICATE = "duplicate"
    STALE = "stale"
    TOO_LATE = "too late"
    MISSED_EVENT = "missed event"


class PersonAction(BaseModel):
    """One action file. Its name is the hash of its content, so that writing it twice is one action.

    `note` is why (of a silence it is needed). `about` and `happened_at` are the event that was missed. `matchers` are
    those of a silence: label to accepted values, all of which must match.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Kind
    incident_id: str = Field("", pattern=_ID)
    actor: str = Field(min_length=1, max_length=200)
    note: str = Field("", max_length=2000)
    requested_at: datetime
    verdict: Verdict | None = None
    about: str = Field("", max_length=500)
    happened_at: datetime | None = None
    silence_id: str = Field("", pattern=_ID)
    matchers: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    @model_validator(mode="after")
    def _whole(self) -> PersonAction:
        match self.action:
            case Kind.ACKNOWLEDGE | Kind.RESOLVE | Kind.VERDICT if not self.incident_id:
                raise ValueError(f"{self.action} needs the incident")
            case Kind.VERDICT if self.verdict in (None, Verdict.MISSED_EVENT):
                raise ValueError("a verdict on an incident is one of " + ", ".join(list(Verdict)[:-1]))
            case Kind.MISSED if not self.about.strip():
                raise ValueError("say what was missed")
            case Kind.EXPIRE if not self.silence_id:
                raise ValueError("expire needs the silence")
            case Kind.SILENCE:
                self._check_silence()
        return self

    def _check_silence(self) -> None:
        if not self.matchers or not all(self.matchers.values()):
            raise ValueError("a silence needs at least one matcher: everything cannot be silenced")
        if not self.note.strip():
            raise ValueError("a silence needs its reason")
        starts, ends = self.starts_at or self.requested_at, self.ends_at
        if ends is None:
            raise ValueError("a silence needs its end")
        if ends <= max(starts, self.requested_at):
            raise ValueError("a silence must end after it begins, and not in the past")
        if ends - starts > LONGEST_SILENCE:
            raise ValueError("a silence holds a year at most")

    def content(self) -> bytes:
        """The file's bytes: JSON with sorted keys."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False).encode()

    def action_id(self) -> str:
        """First 32 hex of the sha256 over the content: the file's name, and the id of the silence or verdict."""
        return hashlib.sha256(self.content()).hexdigest()[:32]


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
    found = []
    for path in folder(published).glob("*.json"):
        try:
            found.append(PersonAction.model_validate_json(path.read_bytes()))
        except (FileNotFoundError, ValidationError):  # applied meanwhile, or put aside by the next notify
            continue
    return sorted(found, key=lambda action: (action.requested_at, action.action_id()))


@dataclass(frozen=True)
class Grant:
    """Who was sent the link may do this to that incident until then. `receiver` is a name of routes.toml."""

    action: Kind
    incident_id: str
    receiver: str
    expires_at: datetime


def token(grant: Grant, key: str) -> str:
    """The grant, signed with HMAC-SHA256, for a query string. The same grant and key give the same token."""
    until = int(grant.expires_at.timestamp())
    return str(_signer(key).dumps([grant.action.value, grant.incident_id, grant.receiver, until]))


def grant_of(signed: str, key: str, now: datetime) -> Grant:
    """The grant of a token.

    Raises:
        InputError: it was not signed with this key, was changed, or has run out; says which, never the token.
    """
    try:
        action, incident_id, receiver, until = _signer(key).loads(signed)
        grant = Grant(Kind(action), str(incident_id), str(receiver), datetime.fromtimestamp(until, UTC))
    except (BadData, ValueError, TypeError, OverflowError) as error:
        raise InputError("this link was not made here, or was changed on its way. Open it from the message.") from error
    if now >= grant.expires_at:
        raise InputError(
            f"this link ran out on {grant.expires_at:%Y-%m-%d}. Use `barograph incidents` or the dashboard."
        )
    return grant


def _signer(key: str) -> URLSafeSerializer:
    if len(key) < 32:
        raise InputError("links need [notify] link_key, 32 characters or more (openssl rand -hex 32).")
    options = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
    return URLSafeSerializer(key, salt="barograph.action.1", signer_kwargs=options)
