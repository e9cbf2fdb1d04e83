"""A fetch cycle over 200 local feeds of 50 entries, 90% unchanged, end to end; and the import of an archive."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path

import pandas as pd

from pipeline import ingest
from pipeline.context import Context, utc_now
from pipeline.ingest.archive import import_frame
from pipeline.ingest.catalogue import CatalogueFeed, to_opml
from pipeline.settings import Settings
from pipeline.warehouse import Warehouse
from tests.benchmarks.show_real_feeds import _Quiet

Row = tuple[str, float, str, str | None, bool | None]

FEEDS, ENTRIES, CHANGED, NEW = 200, 50, 20, 5
HOSTS = 20  # ports of one process: two connections per host are allowed, as on the internet
ARCHIVE_ROWS = 16_000


def main() -> list[Row]:
    """Measure; seconds are wall-clock. Limits are on what the process itself computed: machines are shared."""
    return [*_cycle(), *_import()]


def _cycle() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        site, work = Path(folder, "site"), Path(folder, "work")
        site.mkdir()
        work.mkdir()
        for i in range(FEEDS):
            _write(site / f"{i}.xml", i, range(ENTRIES))
        with _serving(site) as ports:
            urls = [f"http://127.0.0.1:{ports[i % HOSTS]}/{i}.xml" for i in range(FEEDS)]
            context = _context(work, urls, ports)
            first = ingest.run(context)
            assert first.counts["new_articles"] == FEEDS * ENTRIES, first.counts
            yield "first cycle, all new", first.seconds, "s", None, None
            yield "first cycle, articles", first.counts["new_articles"] / first.seconds, "/s", None, None
            for i in range(CHANGED):
                _write(site / f"{i}.xml", i, range(NEW, ENTRIES + NEW))
                os.utime(site / f"{i}.xml", (time.time() + 60, time.time() + 60))
            started = time.process_time()
            second = ingest.run(context)
            cpu = time.process_time() - started
        assert second.counts["unchanged"] == FEEDS - CHANGED, second.counts
        assert second.counts["new_articles"] == CHANGED * NEW, second.counts
        yield "cycle of 200 feeds, 90% unchanged", second.seconds, "s", None, None
        yield "of it computing", cpu, "s", "≤ 3", cpu <= 3


def _import() -> Iterator[Row]:
    start = pd.Timestamp("2019-01-01", tz="UTC")
    frame = pd.DataFrame(
        {
            "title": [f"Company {i % 97} reports result number {i} for the quarter" for i in range(ARCHIVE_ROWS)],
            "summary": [f"The <b>result</b> was {i}&nbsp;million." for i in range(ARCHIVE_ROWS)],
            "link": [f"https://gazette.example/{i}" for i in range(ARCHIVE_ROWS)],
            "published_at": [start + pd.Timedelta(minutes=30 * i) for i in range(ARCHIVE_ROWS)],
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        context = _context(Path(folder), [], [])
        started = time.process_time()
        report = import_frame(context, frame, "Harbour Gazette")
        rate = report.counts["new_articles"] / (time.process_time() - started)
        yield "import of an archive", report.counts["new_articles"] / report.seconds, "rows/s", None, None
        yield "the same, per second of computing", rate, "rows/s", "≥ 6,000", rate >= 6_000
        again = import_frame(context, frame, "Harbour Gazette")
        assert again.counts["new_articles"] == 0
        yield "importing it again", ARCHIVE_ROWS / again.seconds, "rows/s", None, None


def _context(root: Path, urls: list[str], ports: list[int]) -> Context:
    feeds = [CatalogueFeed(url, url, f"Publisher {i}", f"Owner {i}") for i, url in enumerate(urls)]
    (root / "feeds.opml").write_text(to_opml(feeds), encoding="utf-8")
    allowed = tuple(f"127.0.0.1:{port}" for port in ports)
    settings = Settings(ingest={"allow_hosts": allowed, "timeout_s": 60}).anchored(root)  # type: ignore[arg-type]
    warehouse = Warehouse(settings.store.warehouse, utc_now)
    warehouse.prepare()
    return Context(settings, warehouse)


def _write(path: Path, feed: int, numbers: range) -> None:
    items = "".join(
        f"<item><title>Company {n} of feed {feed} reports &amp; explains its quarter</title>"
        f"<link>https://news{feed}.example/{n}</link><guid>{feed}-{n}</guid>"
        f"<pubDate>Tue, 03 Mar 2026 {n % 24:02}:00:00 GMT</pubDate>"
        f"<description>&lt;p&gt;Sales rose {n}%, said the company, and costs fell.&lt;/p&gt;</description></item>"
        for n in reversed(numbers)
    )
    head = f'<?xml version="1.0"?><rss version="2.0"><channel><title>Feed {feed}</title>'
    path.write_text(f"{head}{items}</channel></rss>", encoding="utf-8")


@contextmanager
def _serving(folder: Path) -> Iterator[list[int]]:
    """The folder served on several ports by another process, so that its work is not counted as ours."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(str(folder), theirs), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def _serve(folder: str, pipe: Connection) -> None:
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder)) for _ in range(HOSTS)]
    for server in servers:
        server.statuses = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
    pipe.send([server.server_port for server in servers])
    threading.Event().wait()


if __name__ == "__main__":
    for row in main():
        print(*row, sep="\t")
