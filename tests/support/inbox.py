"""A mail server on this machine that keeps what it is given."""

from __future__ import annotations

import email
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from email import policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller

from tests.support.ports import free_port

__all__ = ["Inbox", "mail_server"]


class Inbox:
    """What came in, oldest first."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Keep it and say so."""
        self.mails.append(email.message_from_bytes(envelope.content, policy=policy.default))  # type: ignore[arg-type]
        return "250 taken"


@contextmanager
def mail_server() -> Iterator[tuple[Inbox, int]]:
    """A real SMTP server on a free port of 127.0.0.1, and its inbox."""
    port = free_port()
    handler = Inbox()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the server's own use of asyncio, not ours
        controller = Controller(handler, hostname="127.0.0.1", port=port)
        controller.start()
        try:
            yield handler, port
        finally:
            controller.stop()
