"""The links of a message by which people act: signed for one receiver, made when it is sent, never stored."""

from __future__ import annotations

from datetime import timedelta

from pipeline.actions import Grant, Kind, token
from pipeline.notify.document import Link
from pipeline.notify.records import Outgoing, Reason
from pipeline.settings import Notify

__all__ = ["PATH", "links_for"]

# The dashboard's page: it shows what the token allows and asks; only its POST writes an action.
PATH = "/act"
_WHILE_FIRING = (Kind.ACKNOWLEDGE, Kind.SILENCE, Kind.VERDICT)
_WHEN_OVER = (Kind.VERDICT,)


def links_for(message: Outgoing, settings: Notify) -> tuple[Link, ...]:
    """What may be done about the one incident of a message; nothing where it has many, or where links are not set up.

    They hold for `link_days` from when the message was made, so that a repeat carries the same ones.
    """
    key = settings.link_key.get_secret_value()
    made = message.created_at
    if not settings.link_base or not key or made is None or len(message.incident_ids) != 1:
        return ()
    if message.reason is Reason.DEAD_LETTER:
        return ()
    until = made + timedelta(days=settings.link_days)
    kinds = _WHEN_OVER if message.reason is Reason.RESOLVED else _WHILE_FIRING
    incident_id = message.incident_ids[0]
    base = settings.link_base.rstrip("/") + PATH
    return tuple(
        Link(
            action=kind,
            incident_id=incident_id,
            url=f"{base}?token={token(Grant(kind, incident_id, message.receiver, until), key)}",
            expires_at=until,
        )
        for kind in kinds
    )
