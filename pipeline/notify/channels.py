"""Where messages leave the house: Apprise for a hundred services, and a file of our own so that nothing is lost."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from pipeline.errors import DeliveryFailed, RulesError
from pipeline.notify.forms import as_html, as_markdown, clean, masked
from pipeline.notify.records import Outgoing, Reason
from pipeline.notify.routes import Routes

__all__ = ["AppriseChannel", "Channel", "FileChannel", "channel_for", "channels_for"]

_TIMEOUT_S = 30.0


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


class AppriseChannel:
    """One Apprise URL. The URL and what is secret in it never reach a log, an error or a listing."""

    def __init__(self, url: str) -> None:
        """Raises RulesError, without the URL, where Apprise cannot use it."""
        apprise = _apprise()
        asset = apprise.AppriseAsset(
            app_id="Barograph", app_desc="Barograph", app_url="", image_url_mask="", image_url_logo=""
        )
        self._service: Any = apprise.Apprise(asset=asset)
        self._secrets = _secrets(url)
        scheme = url.partition(":")[0]
        if not self._service.add(url):
            raise RulesError(f"Apprise cannot use an address that begins with {clean(scheme, 20)}:")
        plugin = self._service[0]
        self._described = masked(str(plugin.url(privacy=True)).partition("?")[0], ())
        self._form = _preferred(plugin.notify_format)
        if "overflow=" not in url:
            # A channel with a short limit would refuse a long message for ever.
            plugin.overflow_mode = apprise.OverflowMode.SPLIT

    def send(self, message: Outgoing) -> None:
        """Send in the form the channel likes best.

        Raises:
            DeliveryFailed: with the last line Apprise had to say, secrets masked.
        """
        body = {"html": as_html, "markdown": as_markdown}.get(self._form, str)(message.body)
        result = self._service.notify(
            title=message.title, body=body, notify_type=_type(message), body_format=self._form, timeout=_TIMEOUT_S
        )
        if not result:
            said = [entry.message for entry in result.logs()]
            raise DeliveryFailed(clean(masked(said[-1] if said else "no answer", self._secrets), 300))

    def describe(self) -> str:
        """The address with user, password and tokens masked."""
        return self._described


def channel_for(url: str, folder: Path) -> Channel:
    """The channel of one URL; `file:NAME` stands from `folder`.

    Raises:
        RulesError: the address cannot be used.
    """
    if url.startswith("file:"):
        name = url.removeprefix("file:")
        if not name or name.startswith("//"):
            raise RulesError("a file address is written file:NAME or file:/PATH")
        return FileChannel(folder / name)
    return AppriseChannel(url)


def channels_for(routes: Routes, folder: Path, where: object) -> Mapping[str, Channel]:
    """A channel for each address of the routes; `where` (the file) is named in errors.

    Raises:
        RulesError: an address cannot be used.
    """
    made: dict[str, Channel] = {}
    for address, url in routes.addresses.items():
        try:
            made[address] = channel_for(url, folder)
        except RulesError as error:
            raise RulesError(
                f"{where}: [receivers.{address}] {error}. Mend it and run `barograph routes test`."
            ) from error
    return made


def _apprise() -> Any:
    with warnings.catch_warnings():
        # Loading its plugins touches a module that Python has deprecated; nothing of ours is to be mended.
        warnings.simplefilter("ignore", DeprecationWarning)
        import apprise

        apprise.Apprise.instantiate("json://localhost")
    # Below INFO it logs whole URLs.
    log = logging.getLogger("apprise")
    if log.level < logging.INFO:
        log.setLevel(logging.INFO)
    return apprise


def _preferred(formats: Any) -> str:
    """The form a service lists first; webhooks list plain text first."""
    first = formats[0] if isinstance(formats, tuple | list) else formats
    return str(getattr(first, "value", first))


def _type(message: Outgoing) -> str:
    if message.reason is Reason.RESOLVED:
        return "success"
    return {"info": "info", "warning": "warning"}.get(message.severity, "failure")


def _secrets(url: str) -> frozenset[str]:
    """Parts of a URL that must not be shown: all of it, the user part, and long pieces of path and query."""
    _, _, rest = url.partition("://")
    pieces = {p for p in rest.replace("?", "/").replace("&", "/").replace("=", "/").replace("@", "/").split("/")}
    try:
        parts = urlsplit(url)
        named = {parts.username, parts.password}
    except ValueError:  # Apprise takes addresses that urlsplit does not
        named = set()
    raw = {url, rest, *(p for p in pieces if len(p) >= 8), *(n for n in named if n)}
    return frozenset(raw | {unquote(p) for p in raw})
