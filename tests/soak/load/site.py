"""The local feeds of the load: thirty ports served from a thread, each entry shown from the moment that it appears."""

from __future__ import annotations

import asyncio
import email.utils
import threading
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from tests.soak.load.arrivals import HOSTS, Entry

__all__ = ["Site", "serving"]

# As many entries as a busy feed shows.
WINDOW = 100


class Site:
    """The feeds; `served` are the (feed, number) that went out in an answer that was read to its end."""

    def __init__(self, entries: Sequence[Entry], feeds: int, origin: float) -> None:
        self.origin = origin
        self.served: set[tuple[int, int]] = set()
        self.urls: list[str] = []
        self._at: list[list[float]] = [[] for _ in range(feeds)]
        self._items: list[list[str]] = [[] for _ in range(feeds)]
        for entry in entries:
            self._at[entry.feed].append(entry.at)
            self._items[entry.feed].append(_item(entry, origin))

    async def serve(self, ready: threading.Event, stop: threading.Event) -> None:
        """Answer until told to stop."""
        servers = [await asyncio.start_server(self._answer, "127.0.0.1", 0) for _ in range(HOSTS)]
        ports = [server.sockets[0].getsockname()[1] for server in servers]
        self.urls = [f"http://127.0.0.1:{ports[n % HOSTS]}/{n}.xml" for n in range(len(self._at))]
        ready.set()
        while not stop.is_set():
            await asyncio.sleep(0.1)
        for server in servers:
            server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            feed = int(head.split(b" ", 2)[1].strip(b"/").removesuffix(b".xml"))
            newest = bisect_right(self._at[feed], time.time() - self.origin)
            shown = range(max(0, newest - WINDOW), newest)
            tag = f'"{feed}-{newest}"'
            known = tag.encode() in head
            body = b"" if known else self._document(feed, shown)
            lines = [f"ETag: {tag}", "Content-Type: application/rss+xml", f"Content-Length: {len(body)}"]
            status = "304 Not Modified" if known else "200 OK"
            writer.write("\r\n".join([f"HTTP/1.1 {status}", *lines, "Connection: close", "", ""]).encode() + body)
            await writer.drain()
            self.served |= {(feed, number) for number in shown}
        with suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()

    def _document(self, feed: int, shown: range) -> bytes:
        items = "".join(self._items[feed][number] for number in reversed(shown))
        head = '<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel>'
        return f"{head}<title>Feed {feed}</title>{items}</channel></rss>".encode()


def _item(entry: Entry, origin: float) -> str:
    at = email.utils.format_datetime(datetime.fromtimestamp(origin + entry.at, UTC))
    link = f"https://press.example/{entry.feed}/{entry.number}"
    return (
        f"<item><title>{escape(entry.title)}</title><guid>{link}</guid><link>{link}</link><pubDate>{at}</pubDate>"
        f"<description>{escape(entry.title)}, it was said.</description></item>"
    )


@contextmanager
def serving(entries: Sequence[Entry], feeds: int, origin: float) -> Iterator[Site]:
    """The site with these entries, whose time began at `origin` (seconds since 1970)."""
    site, ready, stop = Site(entries, feeds, origin), threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(site.serve(ready, stop)), name="site")
    thread.start()
    try:
        if not ready.wait(30):
            raise TimeoutError("the local feeds did not start within 30 s")
        yield site
    finally:
        stop.set()
        thread.join()
