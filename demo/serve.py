"""A local server of real RSS and Atom feeds, so that the demo and the tests fetch over HTTP as in life."""

import errno
import hashlib
import logging
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import NamedTuple, Self
from xml.etree import ElementTree as ET

import pandas as pd

from pipeline.errors import PortInUse

__all__ = ["FeedRow", "FeedServer", "Request"]

log = logging.getLogger(__name__)

ATOM = "http://www.w3.org/2005/Atom"
MIME = {"rss": "application/rss+xml; charset=utf-8", "atom": "application/atom+xml; charset=utf-8"}
# XML 1.0 has no way to write these, not even escaped.
UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
ET.register_namespace("atom", ATOM)


@dataclass(frozen=True)
class FeedRow:
    """One entry of a feed. `link` is its identity too; `published_at` needs a time zone."""

    title: str
    summary: str
    link: str
    published_at: datetime


class Request(NamedTuple):
    """One line of the server's log: what was asked for and the HTTP status it was answered with."""

    path: str
    status: int


@dataclass(frozen=True)
class _Page:
    body: bytes
    mime: str
    etag: str
    modified: datetime


class FeedServer:
    """Serves one feed per publisher on 127.0.0.1: every other one RSS 2.0, the rest Atom.

    Feeds carry ETag and Last-Modified and answer conditional GETs with 304. `publish` replaces a feed's
    content while the server runs, and adds a feed for a publisher not known before. `port` 0 takes a free
    port; PortInUse where a given one is taken.
    """

    def __init__(
        self,
        publishers: Iterable[str] = (),
        port: int = 0,
        categories: Mapping[str, str] | None = None,
        owners: Mapping[str, str] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.requests: list[Request] = []
        self._clock = clock
        self._port = port
        self._categories = dict(categories or {})
        self._owners = dict(owners or {})
        self._formats: dict[str, str] = {}
        self._paths: dict[str, str] = {}
        self._pages: dict[str, _Page] = {}
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None
        for name in publishers:
            self._add(name)

    def start(self) -> Self:
        """Open the port, begin every feed empty, and answer requests."""
        if self._server is not None:
            return self
        try:
            server = _Server(("127.0.0.1", self._port), _Handler)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(
                    f"port {self._port} on 127.0.0.1 is taken: stop what uses it, or choose another"
                ) from error
            raise
        server.feeds = self
        self._server = server
        self._port = int(server.server_address[1])
        for name in self._formats:
            self.publish(name, ())
        self._thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="demo-feeds")
        self._thread.start()
        log.info("serving %d feeds at %s", len(self._formats), self.url)
        return self

    def stop(self) -> None:
        """Close the port and wait until no thread of the server is left. Stopping twice is no error."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server = self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Base address, without a trailing slash."""
        return f"http://{self.address}"

    @property
    def address(self) -> str:
        """Host and port, as in `127.0.0.1:8123`."""
        return f"127.0.0.1:{self._port}"

    @property
    def feeds(self) -> dict[str, str]:
        """Publisher → address of its feed."""
        return {name: self.url + path for name, path in self._paths.items()}

    def publish(self, publisher: str, rows: Iterable[FeedRow] | pd.DataFrame) -> None:
        """Replace what a publisher's feed holds, newest entry first; a new publisher gets a feed.

        `rows` may be a DataFrame with the columns of FeedRow. The same rows again leave ETag and Last-Modified
        as they were. RuntimeError before `start`: a feed names its own address.
        """
        if self._server is None:
            raise RuntimeError("start the server before publishing")
        if publisher not in self._formats:
            self._add(publisher)
        form, path = self._formats[publisher], self._paths[publisher]
        ordered = sorted(_rows(rows), key=lambda row: (row.published_at, row.link), reverse=True)
        now = self._clock().astimezone(UTC).replace(microsecond=0)
        write = _rss if form == "rss" else _atom
        body = write(publisher, self.url + path, ordered)
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        with self._lock:
            before = self._pages.get(path)
            if before is not None:
                if before.etag == etag:
                    return
                # Last-Modified counts whole seconds: a second change within one must still look newer.
                now = max(now, before.modified + timedelta(seconds=1))
            self._pages[path] = _Page(body, MIME[form], etag, now)

    def opml(self) -> str:
        """The list of feeds as OPML 2.0: one outline per publisher with text, xmlUrl, category and owner."""
        root = ET.Element("opml", version="2.0")
        ET.SubElement(ET.SubElement(root, "head"), "title").text = "Barograph demo feeds"
        body = ET.SubElement(root, "body")
        for name, url in self.feeds.items():
            known = {"category": self._categories.get(name, ""), "owner": self._owners.get(name, name)}
            ET.SubElement(body, "outline", type="rss", text=name, title=name, xmlUrl=url, attrib=known)
        ET.indent(root)
        return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"

    def _add(self, publisher: str) -> None:
        form = ("rss", "atom")[len(self._formats) % 2]
        path = f"/feeds/{_slug(publisher)}.{form}"
        if any(_slug(publisher) == _slug(name) for name in self._formats):
            raise ValueError(f"two publishers have the address {path}: give them names that differ in letters")
        self._formats[publisher], self._paths[publisher] = form, path

    def page(self, path: str) -> _Page | None:
        """What is served at a path now."""
        with self._lock:
            return self._pages.get(path)

    def note(self, path: str, status: int) -> None:
        """Log one answered request."""
        with self._lock:
            self.requests.append(Request(path, status))


class _Server(ThreadingHTTPServer):
    # server_close() then waits for the threads that still answer.
    daemon_threads = False
    block_on_close = True
    feeds: FeedServer


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    # A client that keeps its connection open without asking must not keep the server from stopping.
    timeout = 5
    server_version = "BarographDemo"
    sys_version = ""

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, with_body: bool) -> None:
        page = self.server.feeds.page(self.path)
        if page is None:
            self.server.feeds.note(self.path, HTTPStatus.NOT_FOUND)
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        status = HTTPStatus.NOT_MODIFIED if self._unchanged(page) else HTTPStatus.OK
        # Noted before it is sent: whoever has the answer finds it in the log.
        self.server.feeds.note(self.path, status)
        self.send_response(status)
        self.send_header("ETag", page.etag)
        self.send_header("Last-Modified", format_datetime(page.modified, usegmt=True))
        self.send_header("Cache-Control", "no-cache")
        if status == HTTPStatus.OK:
            self.send_header("Content-Type", page.mime)
            self.send_header("Content-Length", str(len(page.body)))
        self.end_headers()
        if status == HTTPStatus.OK and with_body:
            self.wfile.write(page.body)

    def _unchanged(self, page: _Page) -> bool:
        """RFC 9110, 13.2.2: If-None-Match decides where it is sent, else If-Modified-Since."""
        if (tags := self.headers.get("If-None-Match")) is not None:
            known = {tag.strip().removeprefix("W/") for tag in tags.split(",")}
            return page.etag in known or "*" in known
        if (since := self.headers.get("If-Modified-Since")) is not None:
            try:
                return page.modified <= parsedate_to_datetime(since).astimezone(UTC)
            except ValueError:
                return False
        return False

    def log_message(self, format: str, *args: object) -> None:
        log.debug(format, *args)


def _rows(rows: Iterable[FeedRow] | pd.DataFrame) -> Iterable[FeedRow]:
    if not isinstance(rows, pd.DataFrame):
        return rows
    columns = (rows["title"], rows["summary"], rows["link"], rows["published_at"])
    return [
        FeedRow(str(title), str(summary), str(link), at.to_pydatetime())
        for title, summary, link, at in zip(*columns, strict=True)
    ]


def _slug(name: str) -> str:
    return "-".join(re.findall(r"[a-z0-9]+", name.lower()))


def _text(parent: ET.Element, tag: str, value: str, **attributes: str) -> None:
    ET.SubElement(parent, tag, attributes).text = UNWRITABLE.sub("", value)


def _rss(publisher: str, url: str, rows: list[FeedRow]) -> bytes:
    root = ET.Element("rss", version="2.0")
    channel = ET.SubElement(root, "channel")
    _text(channel, "title", publisher)
    _text(channel, "link", url)
    _text(channel, "description", f"Demo feed of {publisher}; all companies in it are invented.")
    _text(channel, "language", "en")
    ET.SubElement(channel, f"{{{ATOM}}}link", href=url, rel="self", type="application/rss+xml")
    if rows:
        _text(channel, "lastBuildDate", format_datetime(rows[0].published_at.astimezone(UTC), usegmt=True))
    for row in rows:
        item = ET.SubElement(channel, "item")
        _text(item, "title", row.title)
        _text(item, "link", row.link)
        _text(item, "description", row.summary)
        _text(item, "guid", row.link, isPermaLink="true")
        _text(item, "pubDate", format_datetime(row.published_at.astimezone(UTC), usegmt=True))
    body: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return body


def _atom(publisher: str, url: str, rows: list[FeedRow]) -> bytes:
    def tag(name: str) -> str:
        return f"{{{ATOM}}}{name}"

    root = ET.Element(tag("feed"))
    _text(root, tag("id"), url)
    _text(root, tag("title"), publisher)
    _text(root, tag("subtitle"), f"Demo feed of {publisher}; all companies in it are invented.")
    ET.SubElement(root, tag("link"), href=url, rel="self", type="application/atom+xml")
    _text(ET.SubElement(root, tag("author")), tag("name"), publisher)
    # Atom asks for a time even where there is no entry; the epoch stands for "never".
    newest = rows[0].published_at if rows else datetime.fromtimestamp(0, UTC)
    _text(root, tag("updated"), _rfc3339(newest))
    for row in rows:
        entry = ET.SubElement(root, tag("entry"))
        _text(entry, tag("id"), row.link)
        _text(entry, tag("title"), row.title, type="text")
        _text(entry, tag("summary"), row.summary, type="text")
        ET.SubElement(entry, tag("link"), href=UNWRITABLE.sub("", row.link), rel="alternate")
        _text(entry, tag("published"), _rfc3339(row.published_at))
        _text(entry, tag("updated"), _rfc3339(row.published_at))
    body: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return body


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
