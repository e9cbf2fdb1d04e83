"""The real feed files served over HTTP, ingested twice: `python -m tests.benchmarks.show_real_feeds`."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pipeline import ingest
from pipeline.context import Context, utc_now
from pipeline.ingest.catalogue import CatalogueFeed, to_opml
from pipeline.settings import Settings
from pipeline.warehouse import Warehouse

ROOT = Path(__file__).resolve().parent.parent.parent


class _Quiet(SimpleHTTPRequestHandler):
    """The standard library's file server: Last-Modified, and 304 to those who have it."""

    statuses: list[int]

    def send_response(self, code: int, message: str | None = None) -> None:
        self.server.statuses.append(code)  # type: ignore[attr-defined]
        super().send_response(code, message)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, list[int]]]:
    """A web server over `folder`: its address, and the statuses it has answered so far."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    server.statuses = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", server.statuses  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def reading(root: Path, address: str, files: list[Path]) -> Context:
    """A context in `root` whose feeds are these files of the server."""
    feeds = [CatalogueFeed(f"http://{address}/{file.name}", file.stem, file.stem, file.stem) for file in files]
    (root / "feeds.opml").write_text(to_opml(feeds), encoding="utf-8")
    settings = Settings(ingest={"allow_hosts": (address,)}).anchored(root)
    warehouse = Warehouse(settings.store.warehouse, utc_now)
    warehouse.prepare()
    return Context(settings, warehouse)


def main() -> None:
    """Print per file what it held and what was kept, then what a second poll cost."""
    data = Path(os.environ.get("BAROGRAPH_SHARED_DATA", ROOT.parent / "shared" / "data"))
    files = sorted((data / "feeds" / "real_finance").glob("*.*"))
    if not files:
        print(f"no feeds in {data} (set BAROGRAPH_SHARED_DATA)")
        return
    with tempfile.TemporaryDirectory() as folder, serving(files[0].parent) as (address, statuses):
        context = reading(Path(folder), address, files)
        first = ingest.run(context)
        with context.warehouse.read() as con:
            rows = con.execute(
                "SELECT title, entries, new_articles, warning FROM fetches JOIN feeds USING (feed_id) ORDER BY title"
            ).fetchall()
            kinds = con.execute("SELECT kind, count(*) FROM articles GROUP BY kind ORDER BY kind").fetchall()
            titles = con.execute("SELECT count(DISTINCT (title, url)) FROM articles").fetchone()
        for title, entries, kept, warning in rows:
            print(f"{entries:5} entries {kept:5} kept  {title}  {warning or ''}")
        print(f"first poll: {first.counts} in {first.seconds:.2f} s; {dict(kinds)}; distinct title and link: {titles}")
        print(f"answers: {sorted(set(statuses))} × {len(statuses)}")
        statuses.clear()
        second = ingest.run(context)
        print(
            f"second poll: {second.counts} in {second.seconds:.2f} s; answers {sorted(set(statuses))} × {len(statuses)}"
        )


if __name__ == "__main__":
    main()
