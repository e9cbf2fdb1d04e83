"""Hundreds of feeds on local servers, for the benchmarks of fetching: another process, so that its work is not ours."""

from __future__ import annotations

import asyncio
import email.utils
import hashlib
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection

__all__ = ["ENTRIES", "NEW", "Feeds", "serving"]

ENTRIES, NEW = 50, 5
HOSTS = 50  # one port each: a host is asked twice at once at most, as on the internet
_START = 1_772_539_200  # 3 March 2026, 12:00 UTC


@dataclass(frozen=True)
class Feeds:
    """The servers: where the feeds are, and a way to let the first of them have news."""

    urls: list[str]
    pipe: Connection

    def change(self, feeds: int, times: int) -> None:
        """From now on the first so many feeds have had `NEW` new entries so many times."""
        self.pipe.send((feeds, times))
        self.pipe.recv()


@contextmanager
def serving(feeds: int, *, validators: float = 1.0, delay_s: float = 0.0) -> Iterator[Feeds]:
    """So many feeds of `ENTRIES` entries of 730 bytes, as CNBC's and the Fed's are.

    `validators` is the share that knows ETag and If-None-Match.

    Every answer waits `delay_s` seconds first, as it would on its way.
    """
    ours, theirs = multiprocessing.Pipe()
    work = partial(_run, theirs, feeds, validators, delay_s)
    process = multiprocessing.get_context("spawn").Process(target=work, daemon=True)
    process.start()
    try:
        ports = ours.recv()
        yield Feeds([f"http://127.0.0.1:{ports[i % HOSTS]}/{i}.xml" for i in range(feeds)], ours)
    finally:
        process.terminate()
        process.join()


def _body(feed: int, first: int) -> bytes:
    items = "".join(
        f"<item><title>Company {n} of feed {feed} reports &amp; explains its quarter</title>"
        f"<link>https://news{feed}.example/{n}</link><guid>{feed}-{n}</guid>"
        f"<pubDate>{email.utils.formatdate(_START + 60 * n, usegmt=True)}</pubDate>"
        f"<description>&lt;p&gt;Sales of company {n} rose {n}% in the quarter, it said on Tuesday, while costs fell for"
        " the third time in a row.&lt;/p&gt;&lt;p&gt;Analysts had expected less; the board will propose a dividend in"
        " spring, and speak of its plans then.&lt;/p&gt;</description><dc:creator>Of our own staff</dc:creator>"
        "<category domain='https://gazette.example/topics'>Companies</category><category>Results</category>"
        f"<media:content url='https://pictures.example/{feed}/{n}.jpg' medium='image' width='600' height='400'/>"
        "<media:credit>Gazette</media:credit></item>"
        for n in reversed(range(first, first + ENTRIES))
    )
    spaces = "xmlns:dc='http://purl.org/dc/elements/1.1/' xmlns:media='http://search.yahoo.com/mrss/'"
    head = f"<?xml version='1.0'?><rss version='2.0' {spaces}><channel><title>Feed {feed}</title>"
    return f"{head}{items}</channel></rss>".encode()


def _run(pipe: Connection, feeds: int, validators: float, delay_s: float) -> None:
    asyncio.run(_serve(pipe, feeds, validators, delay_s))


async def _serve(pipe: Connection, feeds: int, validators: float, delay_s: float) -> None:
    bodies = [_body(i, 0) for i in range(feeds)]
    tags = [hashlib.sha256(body).hexdigest()[:16] for body in bodies]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                i = int(head.split(b" ", 2)[1].strip(b"/").partition(b".")[0])
                body, tag = bodies[i], tags[i]
                await asyncio.sleep(delay_s)
                # Spread evenly over changed and unchanged feeds.
                knows = (i * 7919) % 100 < 100 * validators
                if knows and tag.encode() in head:
                    writer.write(f'HTTP/1.1 304 Not Modified\r\nETag: "{tag}"\r\n\r\n'.encode())
                else:
                    etag = f'ETag: "{tag}"\r\n' if knows else ""
                    writer.write(
                        f"HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\n{etag}"
                        f"Content-Length: {len(body)}\r\n\r\n".encode()
                        + body
                    )
                await writer.drain()
                if b"onnection: close" in head:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    servers = [await asyncio.start_server(answer, "127.0.0.1", 0) for _ in range(HOSTS)]
    pipe.send([server.sockets[0].getsockname()[1] for server in servers])
    while True:
        changed, times = await asyncio.to_thread(pipe.recv)
        for i in range(changed):
            bodies[i] = _body(i, NEW * times)
            tags[i] = hashlib.sha256(bodies[i]).hexdigest()[:16]
        pipe.send(None)
