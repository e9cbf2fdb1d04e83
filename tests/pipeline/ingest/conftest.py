"""A real web server on loopback that answers as a test tells it to, and a context whose feeds are on it."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from pipeline.context import Context
from pipeline.ingest.catalogue import CatalogueFeed, to_opml
from pipeline.settings import Settings
from tests.support.rows import rows

RSS = (
    '<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel>'
    "<title>Harbour Gazette</title><language>en-gb</language>"
)
DATE = "Tue, 03 Mar 2026 11:00:00 GMT"


def item(title: str, link: str = "", date: str | None = DATE, guid: str = "", summary: str = "") -> str:
    """One RSS item; the title is escaped once, as a feed does."""
    parts = [f"<title>{escape(title)}</title>", f"<link>{escape(link)}</link>" if link else ""]
    parts += [f"<pubDate>{date}</pubDate>" if date else "", f"<guid>{escape(guid)}</guid>" if guid else ""]
    parts += [f"<description>{escape(summary)}</description>" if summary else ""]
    return f"<item>{''.join(parts)}</item>"


def rss(*items: str) -> bytes:
    """A whole RSS document."""
    return f"{RSS}{''.join(items)}</channel></rss>".encode()


@dataclass
class Page:
    """What a path answers: status, headers, body; `etag` makes it answer 304 to those who have it."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    etag: str = ""
    length: bool = True
    drip_s: float = 0.0
    slow_headers_s: float = 0.0


class Site:
    """The server: `pages` by path, `requests` as (path, status, headers) in order."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.requests: list[tuple[str, int, dict[str, str]]] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.site = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.address = f"127.0.0.1:{self._server.server_port}"

    def url(self, path: str) -> str:
        return f"http://{self.address}{path}"

    def statuses(self) -> list[int]:
        return [status for _, status, _ in self.requests]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    site: Site


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        site = self.server.site
        page = site.pages.get(self.path, Page(status=404))
        if page.etag and self.headers.get("If-None-Match") == page.etag:
            page = Page(status=304, etag=page.etag)
        site.requests.append((self.path, page.status, {k.lower(): v for k, v in self.headers.items()}))
        try:
            self._answer(page)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client had enough, which is what some tests are about

    def _answer(self, page: Page) -> None:
        if page.slow_headers_s:
            self._drip(b"HTTP/1.1 200 OK\r\n", page.slow_headers_s)
        self.send_response(page.status)
        headers = dict(page.headers) | ({"ETag": page.etag} if page.etag else {})
        if page.length:
            headers["Content-Length"] = str(len(page.body))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if page.drip_s:
            self._drip(page.body, page.drip_s)
        else:
            self.wfile.write(page.body)

    def _drip(self, data: bytes, seconds: float) -> None:
        for byte in data:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(seconds)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


@pytest.fixture
def settings(settings: Settings, site: Site) -> Settings:
    ingest = settings.ingest.model_copy(update={"allow_hosts": (site.address,), "timeout_s": 2.0, "max_body_mb": 0.2})
    return settings.model_copy(update={"ingest": ingest})


@pytest.fixture
def subscribe(context: Context) -> Callable[[Sequence[str]], None]:
    """Writes the OPML file that the settings name, with these addresses."""

    def write(urls: Sequence[str]) -> None:
        feeds = [
            CatalogueFeed(url, f"Feed {url.rpartition('/')[2].partition('?')[0]}", "Harbour Gazette", "Harbour House")
            for url in urls
        ]
        Path(context.settings.ingest.feeds).write_text(to_opml(feeds), encoding="utf-8")

    return write


def with_ingest(context: Context, **changes: object) -> Context:
    """The same context with other settings under [ingest]."""
    ingest = context.settings.ingest.model_copy(update=changes)
    return replace(context, settings=context.settings.model_copy(update={"ingest": ingest}))


def with_timeout(context: Context, seconds: float) -> Context:
    """The same context with another deadline per feed."""
    return with_ingest(context, timeout_s=seconds)


def outcomes(context: Context) -> dict[str, tuple[str, str]]:
    """The outcome and the error of each fetch, by the last part of its address."""
    found = rows(context, "SELECT url, outcome, coalesce(error, '') FROM fetches ORDER BY fetched_at")
    return {str(url).rpartition("/")[2]: (str(outcome), str(error)) for url, outcome, error in found}


def bomb(size: int) -> bytes:
    """A gzip of `size` spaces: about a thousandth of that."""
    return gzip.compress(b" " * size)
