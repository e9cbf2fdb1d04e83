"""How long from the article that crosses the limit, in a feed on a local server, to the webhook that hears of it.

`barograph watch` runs as a process of its own, with the shipped model, rules of kind `event` without `for`, and a route
without `group_wait`. Articles appear at even places of the poll interval, each about another watched name, so that each
is an alert of its own. BAROGRAPH_LATENCY_EVERY and BAROGRAPH_LATENCY_ARTICLES make it shorter.
"""

from __future__ import annotations

import email.utils
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from pipeline import watchlists
from pipeline.link.gazetteer import load as gazetteer
from tests.conftest import ROOT
from tests.support.hooks import Hook, hook

__all__ = ["main"]

EVERY_S = int(os.environ.get("BAROGRAPH_LATENCY_EVERY", "30"))
ARTICLES = int(os.environ.get("BAROGRAPH_LATENCY_ARTICLES", "30"))
# What is allowed beyond one poll interval, and how long we wait for what never comes.
ALLOWED_S, PATIENCE = 10.0, 20
SHIPPED = ROOT / "pipeline" / "defaults"
RULES = """
[[rule]]
name = "event"
kind = "event"
watchlists = ["*"]
themes = ["bankruptcy"]
p_negative = 0.1
severity = "error"
"""
ROUTES = """
[[route]]
receiver = "desk"
match = {{ kind = "event" }}
group_by = ["incident_id"]
group_wait = "0s"
[receivers.desk]
urls = ["webhook+{url}/in"]
"""


@dataclass
class Feed:
    """An RSS feed that grows: titles with the time at which each appeared (Unix seconds)."""

    items: list[tuple[str, float]] = field(default_factory=list)
    polls: int = 0

    def add(self, title: str) -> None:
        """From now on the feed holds it."""
        self.items.append((title, time.time()))

    def body(self) -> bytes:
        """As XML, the newest first."""
        items = "".join(
            f"<item><title>{escape(title)}</title><guid>n{n}</guid><link>https://news.example/{n}</link>"
            f"<pubDate>{email.utils.formatdate(at, usegmt=True)}</pubDate></item>"
            for n, (title, at) in reversed(list(enumerate(self.items)))
        )
        return f"<?xml version='1.0'?><rss version='2.0'><channel><title>Wire</title>{items}</channel></rss>".encode()


def main() -> list[tuple[str, float, str, str | None, bool | None]]:
    """(name, value, unit, limit, ok) of each figure."""
    waited = measured()
    limit = EVERY_S + ALLOWED_S
    late = float(np.quantile(waited, 0.95, method="higher"))
    name = f"watch --every {EVERY_S}s: from the article to the webhook"
    return [
        (f"{name}, median of {len(waited)}", float(np.median(waited)), "s", None, None),
        (f"{name}, 95%", late, "s", f"<= {limit:g}", late <= limit),
    ]


def measured() -> list[float]:
    """Seconds from appearance to the request's arrival, of each article; infinite where it never came."""
    names = watched_names()
    with tempfile.TemporaryDirectory() as folder, serving() as (feed, url), hook() as end:
        written(Path(folder), url, end.url)
        feed.add("Harbour council opens a new bridge")
        with watching(Path(folder)):
            # The first cycle loads the model: a person has started `watch` long before the news comes.
            _until(lambda: feed.polls >= 2, 100 * PATIENCE)
            appeared: dict[str, float] = {}
            heard: dict[str, float] = {}
            begun = time.monotonic()
            for n, (entity, name) in enumerate(names):
                # Even places of the interval, in an order that is not their own (the golden ratio).
                due = begun + EVERY_S * (n + (n * 0.618) % 1) / 4
                while time.monotonic() < due:
                    _listen(end, heard)
                    time.sleep(0.02)
                feed.add(f"{name} files for bankruptcy")
                appeared[entity] = time.monotonic()
            over = time.monotonic() + PATIENCE * (EVERY_S + ALLOWED_S) / 2
            while heard.keys() != appeared.keys() and time.monotonic() < over:
                _listen(end, heard)
                time.sleep(0.02)
    return [heard.get(entity, float("inf")) - at for entity, at in appeared.items()]


def watched_names() -> list[tuple[str, str]]:
    """Entity id and name of so many names of the shipped watch-lists."""
    known = gazetteer().entities
    listed = sorted(watchlists.load(SHIPPED / "watchlists.toml").entities())
    return [(one, known[one].name) for one in listed if one in known][:ARTICLES]


def written(folder: Path, feed: str, receiver: str) -> None:
    """A working folder: settings, one feed, rules, the shipped watch-lists, routes."""
    host = feed.split("/")[2]
    (folder / "barograph.toml").write_text(f'[ingest]\nallow_hosts = ["{host}"]\n', encoding="utf-8")
    outline = f'<outline type="rss" text="Wire" title="Wire" xmlUrl="{feed}"/>'
    opml = f"<?xml version='1.0'?><opml version='2.0'><head/><body>{outline}</body></opml>"
    (folder / "feeds.opml").write_text(opml, encoding="utf-8")
    (folder / "rules.toml").write_text(RULES, encoding="utf-8")
    (folder / "routes.toml").write_text(ROUTES.format(url=receiver), encoding="utf-8")


@contextmanager
def serving() -> Iterator[tuple[Feed, str]]:
    """A feed and its address."""
    feed = Feed()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = feed.body()
            feed.polls += 1
            self.send_response(200)
            self.send_header("Content-Type", "application/rss+xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield feed, f"http://127.0.0.1:{server.server_address[1]}/feed.xml"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def watching(folder: Path) -> Iterator[None]:
    """`barograph watch` in this folder until the block ends."""
    command = [sys.executable, "-m", "cli.main", "watch", "--every", f"{EVERY_S}s"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (folder / "watch.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        yield
        assert process.poll() is None, (folder / "watch.log").read_text(encoding="utf-8")
    finally:
        process.terminate()
        process.wait()


def _listen(end: Hook, heard: dict[str, float]) -> None:
    for taken in end.taken:
        for incident in json.loads(taken.body)["incidents"]:
            heard.setdefault(incident["key"], time.monotonic())


def _until(true: object, seconds: float) -> None:
    assert callable(true)
    over = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < over, "watch never came to its second cycle"
        time.sleep(0.1)


if __name__ == "__main__":
    for figure in main():
        print(*figure)
