"""A hundred services through Apprise, each in the form it shows best: mail with a picture, cards, Markdown, text."""

from __future__ import annotations

import json
import logging
import tempfile
import warnings
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from pipeline.errors import DeliveryFailed, RulesError
from pipeline.notify import slack, teams
from pipeline.notify.chart import drawn
from pipeline.notify.document import Document
from pipeline.notify.dress import document_of, with_links
from pipeline.notify.forms import as_html, as_markdown, clean, masked
from pipeline.notify.mail import CHART, page
from pipeline.notify.records import Outgoing, Reason
from pipeline.notify.web import hush

__all__ = ["AppriseChannel"]

_TIMEOUT_S = 30.0
# Services that take a card of ours, by the class that serves them.
_CARDS = {"NotifySlack": slack.card, "NotifyWorkflows": teams.card}


class AppriseChannel:
    """One Apprise URL. The URL and what is secret in it never reach a log, an error or a listing."""

    def __init__(self, url: str) -> None:
        """Raises RulesError, without the URL, where Apprise cannot use it."""
        self._url = url
        self._secrets = _secrets(url)
        self._service = _service(url)
        plugin = self._service[0]
        self._described = masked(str(plugin.url(privacy=True)).partition("?")[0], ())
        self._form = _preferred(plugin.notify_format)
        self._card = None if "template=" in url else _CARDS.get(type(plugin).__name__)
        self._pages = type(plugin).__name__ == "NotifyPagerDuty"
        self._pictures = hasattr(plugin, "inline")
        if self._pictures:
            plugin.inline = True
        if "overflow=" not in url and not self._pictures:
            # A channel with a short limit would refuse a long message for ever. Mail has none, and must stay whole.
            plugin.overflow_mode = _apprise().OverflowMode.SPLIT

    def send(self, message: Outgoing) -> None:
        """Send in the form the channel likes best.

        Raises:
            DeliveryFailed: with the last line Apprise had to say, secrets masked.
        """
        document = document_of(message)
        if self._card is not None:
            self._send_card(message, self._card(document))
            return
        if self._form == "html":
            self._send_page(message, document)
            return
        body = with_links(message)
        if self._pages:
            self._hand_over(_service(_with(self._url, _paged(message))), message, body, self._form)
            return
        self._hand_over(self._service, message, as_markdown(body) if self._form == "markdown" else body, self._form)

    @property
    def mails(self) -> bool:
        """Whether it is mail, which can carry a whole page."""
        return self._pictures

    def send_page(self, title: str, page: str, pictures: Mapping[str, bytes]) -> None:
        """Mail a page of ours, which is no message about an incident, with the PNGs that it shows by their names.

        Raises:
            DeliveryFailed: with the last line Apprise had to say, secrets masked.
        """
        self._hand_over(
            self._service, Outgoing("", "", Reason.FIRST, "info", title, ""), page, "html", _attached(pictures)
        )

    def describe(self) -> str:
        """The address with user, password and tokens masked."""
        return self._described

    def _send_page(self, message: Outgoing, document: Document) -> None:
        incident = document.one
        picture = drawn(incident) if self._pictures and incident is not None else None
        if not self._pictures:
            # A chat that shows some HTML does not take a mail's.
            self._hand_over(self._service, message, as_html(with_links(message)), "html")
            return
        body = page(document, chart=picture is not None)
        attached = _attached({CHART: picture} if picture is not None else {})
        self._hand_over(self._service, message, body, "html", attached)

    def _send_card(self, message: Outgoing, card: dict[str, Any]) -> None:
        # Apprise reads a card from a file, and puts its own words where the file says {{ name }}: so it must not.
        text = json.dumps(card).replace("{{", "{\\u007b")
        with tempfile.NamedTemporaryFile("w", suffix=".json", prefix="barograph-card-") as file:
            file.write(text)
            file.flush()
            service = _service(_with(self._url, {"template": file.name}))
            self._hand_over(service, message, clean(message.title, 250), "text")

    def _hand_over(self, service: Any, message: Outgoing, body: str, form: str, attach: Any = None) -> None:
        result = service.notify(
            title=message.title,
            body=body,
            notify_type=_type(message),
            body_format=form,
            attach=attach,
            timeout=_TIMEOUT_S,
        )
        if not result:
            said = [entry.message for entry in result.logs()]
            unsure = getattr(result.status, "name", "") == "TIMEOUT"
            reason = clean(masked(said[-1] if said else "no answer", self._secrets), 300)
            raise DeliveryFailed(reason, unsure=unsure)


def _paged(message: Outgoing) -> dict[str, str]:
    """PagerDuty knows an incident of ours by its id, so that "it is over" resolves what it raised. A message of many
    raises one of its own."""
    known = {"severity": message.severity}
    return known | ({"dedup": message.incident_ids[0], "action": "map"} if len(message.incident_ids) == 1 else {})


def _with(url: str, parameters: Mapping[str, str]) -> str:
    """The address with further parameters; what stands in it already stays."""
    new = [
        f"{key}={quote(value, safe='')}" for key, value in parameters.items() if f"{key}=" not in url.partition("?")[2]
    ]
    return "&".join([url + ("" if "?" in url else "?"), *new]) if new else url


def _service(url: str) -> Any:
    apprise = _apprise()
    asset = apprise.AppriseAsset(
        app_id="Barograph", app_desc="Barograph", app_url="", image_url_mask="", image_url_logo=""
    )
    service = apprise.Apprise(asset=asset)
    if not service.add(url):
        raise RulesError(f"Apprise cannot use an address that begins with {clean(url.partition(':')[0], 20)}:")
    return service


def _attached(pictures: Mapping[str, bytes]) -> Any:
    from apprise.attachment import memory

    if not pictures:
        return None
    held: Any = memory.AttachMemory
    attached = _apprise().AppriseAttachment()
    for name, picture in pictures.items():
        attached.add(held(picture, name=name, mimetype="image/png"))
    return attached


def _apprise() -> Any:
    with warnings.catch_warnings():
        # Loading its plugins touches a module that Python has deprecated; nothing of ours is to be mended.
        warnings.simplefilter("ignore", DeprecationWarning)
        import apprise

        apprise.Apprise.instantiate("json://localhost")
    hush("urllib3")
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
