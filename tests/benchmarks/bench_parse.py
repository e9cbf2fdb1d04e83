"""Parsing 100 feeds of 50 entries: feedparser in the pool of processes beside feedparser alone, in this process."""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import feedparser

from pipeline.ingest.parse import Body, ParsedFeed, parse_here
from pipeline.ingest.pool import ParserPool, default_workers

Row = tuple[str, float, str, str | None, bool | None]

FEEDS, ENTRIES, ROUNDS = 100, 50, 5
NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)


def main() -> list[Row]:
    """Measure; rates are the median of rounds that take turns. No limit: what it pays depends on the cores."""
    return list(_rows())


def _rows() -> Iterator[Row]:
    bodies = [
        Body(_document(n), f"feed {n}", "application/rss+xml", f"https://news{n}.example/rss", NOW)
        for n in range(FEEDS)
    ]
    workers = default_workers()
    pool, one = ParserPool(workers), ParserPool(1)
    list(pool(bodies[:2]))  # the server that workers are forked from starts once per process
    ways: dict[str, Callable[[list[Body]], object]] = {
        "feedparser alone, one process": _plain,
        "with cleaning and dates, one process": lambda given: _whole(list(parse_here(given))),
        "the same in a pool of 1": lambda given: _whole(list(one(given))),
        f"the same in a pool of {workers}": lambda given: _whole(list(pool(given))),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            started = time.perf_counter()
            way(bodies)
            seconds[name].append(time.perf_counter() - started)
    rates = {name: FEEDS * ENTRIES / statistics.median(taken) for name, taken in seconds.items()}
    for name, rate in rates.items():
        yield name, rate, "entries/s", None, None
    names = list(ways)
    yield "pool over one process, same work", rates[names[3]] / rates[names[1]], "×", None, None
    yield "pool over feedparser alone", rates[names[3]] / rates[names[0]], "×", None, None
    for name in names[:2]:
        started = time.process_time()
        ways[name](bodies)
        yield (
            f"{name}, per second of computing",
            FEEDS * ENTRIES / (time.process_time() - started),
            "entries/s",
            None,
            None,
        )
    started = time.perf_counter()
    list(pool(bodies[:1]))
    yield "starting the pool for one feed", 1000 * (time.perf_counter() - started), "ms", None, None


def _plain(bodies: list[Body]) -> None:
    for body in bodies:
        found = feedparser.parse(io.BytesIO(body.data), response_headers={"content-type": body.content_type})
        assert len(found.entries) == ENTRIES


def _whole(feeds: list[ParsedFeed]) -> None:
    assert sum(len(feed.entries) for feed in feeds) == FEEDS * ENTRIES


def _document(feed: int) -> bytes:
    items = "".join(
        f"<item><title>Company {n} of feed {feed} reports &amp; explains its quarter</title>"
        f"<link>https://news{feed}.example/{n}?utm_source=rss</link><guid>{feed}-{n}</guid>"
        f"<pubDate>Tue, 03 Mar 2026 {n % 24:02}:00:00 GMT</pubDate>"
        f"<description>&lt;p&gt;Sales rose {n}%, said the company, and costs fell.&lt;/p&gt;</description></item>"
        for n in range(ENTRIES)
    )
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>{feed}</title>{items}</channel></rss>'.encode()


if __name__ == "__main__":
    for row in main():
        print(*row, sep="\t")
