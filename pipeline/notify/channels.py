"""Where messages leave the house: the channel of each address of routes.toml, and a file so that nothing is lost."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from pipeline.errors import DeliveryFailed, RulesError
from pipeline.notify import alertmanager, webhook
from pipeline.notify.apprise_channel import AppriseChannel
from pipeline.notify.dress import document_of
from pipeline.notify.records import Outgoing
from pipeline.notify.routes import Routes
from pipeline.notify.web import post, shown

__all__ = ["AlertmanagerChannel", "Channel", "FileChannel", "WebhookChannel", "channel_for", "channels_for"]


class Channel(Protocol):
    """Hands one message over. Returning means that it was accepted."""

    def send(self, message: Outgoing) -> None:
        """Raises DeliveryFailed where the message was refused or nobody answered."""

    def describe(self) -> str:
        """The address for people to read, secrets masked."""


class FileChannel:
    """Appends each message as one JSON line, written through to the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def send(self, message: Outgoing) -> None:
        """One line more, also after a line that a crash cut short.

        Raises:
            DeliveryFailed: the file cannot be written.
        """
        known = {
            "notification_id": message.notification_id,
            "receiver": message.receiver,
            "reason": message.reason,
            "severity": message.severity,
            "title": message.title,
            "body": message.body,
            "event_ids": message.event_ids,
            "incident_ids": message.incident_ids,
        }
        line = json.dumps(known, ensure_ascii=False, sort_keys=True).encode("utf-8", "replace") + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a+b") as file:
                if file.seek(0, os.SEEK_END):
                    file.seek(-1, os.SEEK_END)
                    line = line if file.read(1) == b"\n" else b"\n" + line
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise DeliveryFailed(
                f"{self.path}: {error.strerror or error}. Free or mend it; it is tried again."
            ) from error

    def describe(self) -> str:
        """`file:` and the path."""
        return f"file:{self.path}"


class WebhookChannel:
    """POSTs the document of a message as JSON, signed where the receiver has a secret."""

    lanes = 8

    def __init__(self, url: str, secret: str = "") -> None:
        self._url, self._secret = url, secret

    def send(self, message: Outgoing) -> None:
        """Raises DeliveryFailed."""
        document = document_of(message)
        content = webhook.body(document)
        post(self._url, content, webhook.headers(document, content, self._secret))

    def describe(self) -> str:
        """Scheme, host and port."""
        return f"webhook+{shown(self._url)}"


class AlertmanagerChannel:
    """POSTs the incidents of a message as alerts to an Alertmanager (API v2)."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/") + "/api/v2/alerts"

    def send(self, message: Outgoing) -> None:
        """Raises DeliveryFailed."""
        post(self._url, alertmanager.alerts(document_of(message)), {"Content-Type": "application/json"})

    def describe(self) -> str:
        """Scheme, host and port."""
        return f"alertmanager+{shown(self._url)}"


def channel_for(url: str, folder: Path, secret: str = "") -> Channel:
    """The channel of one URL; `file:NAME` stands from `folder`, `secret` signs webhooks.

    Raises:
        RulesError: the address cannot be used.
    """
    if url.startswith("file:"):
        name = url.removeprefix("file:")
        if not name or name.startswith("//"):
            raise RulesError("a file address is written file:NAME or file:/PATH")
        return FileChannel(folder / name)
    ours, _, rest = url.partition("+")
    made = _OURS.get(ours)
    if made is not None:
        if not rest.startswith(("http://", "https://")) or not rest.partition("://")[2].strip("/"):
            raise RulesError(f"an address of this kind is written {ours}+https://HOST/PATH")
        return made(rest, secret)
    return AppriseChannel(url)


_OURS: Mapping[str, Callable[[str, str], Channel]] = {
    "webhook": WebhookChannel,
    "alertmanager": lambda url, _: AlertmanagerChannel(url),
}


def channels_for(routes: Routes, folder: Path, where: object) -> Mapping[str, Channel]:
    """A channel for each address of the routes; `where` (the file) is named in errors.

    Raises:
        RulesError: an address cannot be used.
    """
    made: dict[str, Channel] = {}
    for address, url in routes.addresses.items():
        try:
            made[address] = channel_for(url, folder, routes.secrets.get(address, ""))
        except RulesError as error:
            raise RulesError(
                f"{where}: [receivers.{address}] {error}. Mend it and run `barograph routes test`."
            ) from error
    return made
