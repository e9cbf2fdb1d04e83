"""The local servers of the soak: thirty ports in a process of their own, which misbehave until told to stop."""

from __future__ import annotations

import asyncio
import gzip
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from tests.soak.feeds import Fault, Feed, document, fault_at, feeds

__all__ = ["Served", "Servers", "serving"]

HOSTS = 30
BOMB = gzip.compress(b" " * 30_000_000)
_HTML = b"<!doctype html><html><head><title>We are moving</title></head><body><p>Back soon</p></body></html>"
_STATUS = {Fault.TOO_MANY: 429, Fault.ERROR: 500, Fault.UNAVAILABLE: 503}
_WHOLE = {
    Fault.NONE, Fault.LATE, Fault.WRONG_TYPE, Fault.REPEATED, Fault.REGUIDED, Fault.TRACKED, Fault.BROKEN,
}  # fmt: skip
# Before the answer; for a slow one also between its pieces.
_PAUSE_S = {Fault.LATE: 0.7, Fault.SLOW: 0.3}


@dataclass
class Served:
    """What was answered: requests by fault, 304s, and each (feed, entry) that went out whole or, by a 304, had done."""

    requests: Counter[str] = field(default_factory=Counter)
    not_modified: int = 0
    entries: set[tuple[int, int]] = field(default_factory=set)


@dataclass(frozen=True)
class Servers:
    """Where the feeds are, and the way to tell them."""

    urls: list[str]
    pipe: Connection

    def behave(self) -> None:
        """From now on every answer is as it should be, and nothing new appears."""
        self._ask("behave")

    def served(self) -> Served:
        """The tally so far."""
        return self._ask("served")

    def _ask(self, what: str) -> Served:
        self.pipe.send(what)
        answer: Served = self.pipe.recv()
        return answer


@contextmanager
def serving(seed: int, count: int, seconds: float, origin: float) -> Iterator[Servers]:
    """The feeds of this seed, which began at `origin` (seconds since 1970)."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(theirs, seed, count, seconds, origin))
    process.start()
    theirs.close()
    try:
        yield Servers(ours.recv(), ours)
    finally:
        process.terminate()
        process.join()
        process.close()
        ours.close()


def _run(pipe: Connection, seed: int, count: int, seconds: float, origin: float) -> None:
    asyncio.run(_Site(pipe, seed, feeds(seed, count, seconds), origin).serve())


class _Site:
    def __init__(self, pipe: Connection, seed: int, published: list[Feed], origin: float) -> None:
        self.pipe, self.seed, self.feeds, self.origin = pipe, seed, published, origin
        self.served = Served()
        self.behaves_from: float | None = None

    async def serve(self) -> None:
        servers = [await asyncio.start_server(self._answer, "127.0.0.1", 0) for _ in range(HOSTS)]
        ports = [server.sockets[0].getsockname()[1] for server in servers]
        self.pipe.send([f"http://127.0.0.1:{ports[f.number % HOSTS]}/{f.number}.xml" for f in self.feeds])
        while True:
            if await asyncio.to_thread(self.pipe.recv) == "behave":
                self.behaves_from = time.time() - self.origin
            self.pipe.send(self.served)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode()
            feed = self.feeds[int(path.rpartition("/")[2].partition(".")[0])]
            elapsed = time.time() - self.origin if self.behaves_from is None else self.behaves_from
            fault = fault_at(self.seed, feed.number, elapsed) if self.behaves_from is None else Fault.NONE
            if path.startswith("/elsewhere/") and fault in (Fault.MOVED, Fault.MOVED_FOR_NOW):
                fault = Fault.NONE
            else:
                self.served.requests[fault] += 1
            entries = feed.shown(elapsed)
            await asyncio.sleep(_PAUSE_S.get(fault, 0))
            if fault is Fault.RESET:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n<rss><channel><item><title>Half")
                await writer.drain()
                writer.transport.abort()
                return
            status, headers, body = self._response(feed, fault, entries, elapsed, head)
            await self._write(writer, status, headers, body, slowly=fault is Fault.SLOW)
            # A 304 says that all of it was had: whoever kept the ETag of half a document has to answer for the rest.
            if status == 304 or (status == 200 and fault in _WHOLE):
                self.served.entries |= {(feed.number, n) for n in entries}
            self.served.not_modified += status == 304
        with suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()

    def _response(
        self, feed: Feed, fault: Fault, entries: range, elapsed: float, head: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        if fault in _STATUS:
            return _STATUS[fault], {} if fault is Fault.ERROR else {"Retry-After": "1800"}, b""
        where = {
            Fault.MOVED: f"/elsewhere/{feed.number}.xml",
            Fault.MOVED_FOR_NOW: f"/elsewhere/{feed.number}.xml",
            Fault.LED_AWAY: "http://10.0.0.1/feed.xml",
            Fault.LOOP: f"/{feed.number}.xml",
        }
        if fault in where:
            return 302 if fault is Fault.MOVED_FOR_NOW else 301, {"Location": where[fault]}, b""
        if fault is Fault.BOMB:
            return 200, {"Content-Type": "application/rss+xml", "Content-Encoding": "gzip"}, BOMB
        if fault in (Fault.PAGE, Fault.EMPTY):
            return 200, {"Content-Type": "text/html"}, _HTML if fault is Fault.PAGE else b""
        tag = f'"{feed.number}-{entries.stop}"'
        if fault in (Fault.NONE, Fault.LATE) and feed.validators and tag.encode() in head:
            return 304, {"ETag": tag}, b""
        body = document(feed, entries, fault, self.origin, elapsed)
        headers = {"Content-Type": "image/png" if fault is Fault.WRONG_TYPE else "application/xml; charset=utf-8"}
        if feed.validators:
            headers["ETag"] = tag
        if fault is Fault.TRUNCATED:
            body = body[: len(body) * 2 // 3]
        if fault in (Fault.TOO_LONG, Fault.TOO_SHORT):
            headers["Content-Length"] = str(len(body) + (500 if fault is Fault.TOO_LONG else -len(body) // 3))
        return 200, headers, body

    async def _write(
        self, writer: asyncio.StreamWriter, status: int, headers: dict[str, str], body: bytes, *, slowly: bool
    ) -> None:
        lines = [f"{name}: {value}" for name, value in ({"Content-Length": str(len(body))} | headers).items()]
        writer.write("\r\n".join([f"HTTP/1.1 {status} Said", *lines, "Connection: close", "", ""]).encode())
        step = max(1, len(body) // 20) if slowly else max(1, len(body))
        for start in range(0, len(body), step):
            writer.write(body[start : start + step])
            await writer.drain()
            await asyncio.sleep(_PAUSE_S[Fault.SLOW] if slowly else 0)
