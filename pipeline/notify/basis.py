"""What a message was composed from beside the evidence, kept with it, and the message composed from that again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter

from pipeline.notify.message import Message, compose, compose_dead
from pipeline.notify.records import Announcement, DeadRow, Draft, Evidence

__all__ = ["Basis", "composed", "digest", "kept", "read"]

_ANNOUNCED: TypeAdapter[tuple[Announcement, ...]] = TypeAdapter(tuple[Announcement, ...])
_DEAD: TypeAdapter[tuple[DeadRow, ...]] = TypeAdapter(tuple[DeadRow, ...])


@dataclass(frozen=True)
class Basis:
    """The incidents as they stood and why each is told, or the messages that were given up; `sha256` of the words."""

    announcements: tuple[Announcement, ...]
    dead: tuple[DeadRow, ...]
    demo: bool
    sha256: str


def kept(draft: Draft, message: Message | None) -> str | None:
    """The basis of a draft as JSON; None where there are no words."""
    if message is None:
        return None
    told = {
        "announcements": _ANNOUNCED.dump_python(draft.announcements, mode="json"),
        "dead": _DEAD.dump_python(draft.dead, mode="json"),
        "demo": message.document.demo,
        "sha256": digest(message.title, message.body),
    }
    return json.dumps(told, sort_keys=True, ensure_ascii=False)


def read(text: str) -> Basis:
    """The basis that `kept` wrote."""
    told = json.loads(text)
    return Basis(
        _ANNOUNCED.validate_python(told["announcements"]),
        _DEAD.validate_python(told["dead"]),
        told["demo"],
        told["sha256"],
    )


def composed(basis: Basis, evidence: Mapping[str, Evidence], notification_id: str) -> Message:
    """The message again. `evidence`: of each incident what stood at the step it was told for (`announce_id`)."""
    if basis.dead:
        return compose_dead(basis.dead, notification_id=notification_id, demo=basis.demo)
    return compose(basis.announcements, evidence, notification_id=notification_id, demo=basis.demo)


def digest(title: str, body: str) -> str:
    """sha256 over title, a line end and body: what a message said, when its words have been removed."""
    return hashlib.sha256(f"{title}\n{body}".encode()).hexdigest()
