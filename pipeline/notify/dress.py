"""The document of a message as it is sent now: with text, receiver, attempt and links, which are not stored in it."""

from __future__ import annotations

from pydantic import ValidationError

from pipeline.notify.document import Document
from pipeline.notify.forms import LINK_INDENT, utc
from pipeline.notify.records import Outgoing
from pipeline.notify.wording import ACTIONS

__all__ = ["document_of", "with_links"]


def document_of(message: Outgoing) -> Document:
    """The kept document, or, of a message that an older version saved, one that has just its text."""
    bare = Document(
        notification_id=message.notification_id,
        reason=message.reason,
        severity=message.severity,
        title=message.title,
        text=message.body,
        incident_ids=message.incident_ids,
    )
    try:
        kept = Document.model_validate_json(message.document)
    except ValidationError:
        kept = bare
    return kept.model_copy(
        update={
            "text": message.body,
            "receiver": message.receiver,
            "attempt": message.attempt,
            "created_at": message.created_at,
            "links": message.links,
        }
    )


def with_links(message: Outgoing) -> str:
    """The plain text, then each link on a line of its own."""
    if not message.links:
        return message.body
    lines = [
        line
        for link in message.links
        for line in (f"{ACTIONS.get(link.action, link.action)}:", f"{LINK_INDENT}{link.url}")
    ]
    return "\n".join([message.body, "", *lines, f"The links hold until {utc(message.links[0].expires_at)}."])
