"""How fast the pages are over a large published snapshot: in a real browser, and for twenty people at once.

100,000 articles here; `python -m tests.benchmarks.bench_dashboard --articles 1000000 --folder DIR` draws and keeps a
larger one in DIR. Seconds by the clock where a browser looks, and beside them, for twenty people, the computing time of
the server: neighbours on the same machine change the one and not the other.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import pyarrow as pa
from playwright.sync_api import Browser, Page, sync_playwright

from pipeline.publish.manifest import switch
from pipeline.publish.parts import write_parts
from pipeline.publish.search import find
from pipeline.publish.snapshot import Snapshot
from pipeline.publish.tables import TABLES
from tests.benchmarks.drawn import COMPANIES, SERIES, drawn
from tests.dashboards.conftest import CHROMIUM, QUIET

__all__ = ["main", "whole"]

Row = tuple[str, float, str, str | None, bool | None]

ARTICLES = 100_000
PEOPLE, THINK_S, LOOKS = 20, 5.0, 24
# What stands on that page only, and what tells a filter of it from the others.
_SIGNS = {
    "/": '"id": "companies"', "/incidents": '"id": "incident-list"', "/feeds": '"id": "feed-list"',
    "/search": '"id": "found"', "/series": '"id": "series-chart"',
}  # fmt: skip
_CHOSEN = {
    "grain=hour": "Hours", "grain=day": "Days", "day=yesterday": "Yesterday", "state=past": "Past", "state=all": "All",
    "which=all": "All",
}  # fmt: skip
WORDS = ("company", "w17", "w3 w5", '"company 12"', "w400 -w2", "w1*", "w123*")


def main(articles: int = ARTICLES, folder: Path | None = None, looks: int = LOOKS) -> list[Row]:
    """First meaningful paint, filters under load, search, memory and page weight, each against its limit."""
    with tempfile.TemporaryDirectory() as made:
        root = drawn(folder or Path(made), articles, lambda line: print(f"  {line}", file=sys.stderr, flush=True))
        size = f"{articles:,} articles, {SERIES:,} series"
        with _serving(root) as (address, server):
            seen = list(_in_a_browser(address, server, size))
            waits, spent, torn = _people(address, server, root, looks)
            rows = [*seen, *_told(waits, spent, torn), *_searches(root)]
            memory = _memory_gb(server)
    return [*rows, _row("memory of the server at its highest", memory, "GB", 1.0)]


@contextmanager
def _serving(root: Path) -> Iterator[tuple[str, int]]:
    """The pages served by a process of their own; its address and its id."""
    environment = {**os.environ, "BAROGRAPH_STORE__PUBLISHED": str(root), "BAROGRAPH_DASHBOARD__PORT": "0"}
    command = [sys.executable, "-m", "cli.main", "dashboard", "--port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        try:
            yield line.partition(" is at ")[2].split()[0], server.pid
        finally:
            server.terminate()


def _in_a_browser(address: str, server: int, size: str) -> Iterator[Row]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(QUIET), timeout=120_000)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.set_default_timeout(300_000)
        first = _painted(page, address, "#topics table")
        # The table is there before the scripts of the chart are.
        page.locator(".main-svg").first.wait_for()
        weight = _weight(page)
        settled = _settled(server)
        again = sorted(_painted(page, address, "#topics table") for _ in range(3))[1]
        new = sorted(_by_somebody_new(browser, address) for _ in range(3))[1]
        series = sorted(
            _painted(page, f"{address}series?series=entity:co:{n:05d}", "#series-chart .main-svg")
            for n in (11, 222, 3, 77, 400)
        )[2]
        browser.close()
    yield _row(f"Morning, first person after a start, {size}", first, "s", 3.0)
    yield _row("Morning, painted again", again, "s", 1.5)
    yield _row("Morning, by a browser that never was here", new, "s", 1.5)
    yield _row("a series nobody asked for yet, chart drawn", series, "s", 1.0)
    yield "from then on until the parts are copied and the server is idle", settled, "s", None, None
    yield "weight of Morning, nothing kept by the browser", weight, "MB", None, None


def _by_somebody_new(browser: Browser, address: str) -> float:
    with browser.new_context(viewport={"width": 1440, "height": 1000}) as context:
        return _painted(context.new_page(), address, "#topics table")


def _settled(server: int) -> float:
    """Seconds until the server has computed nothing for one: pages that are asked for meanwhile come slower."""
    started, before = time.perf_counter(), -1.0
    while (now := _computed(server)) > before + 0.1:
        before = now
        time.sleep(1)
    return time.perf_counter() - started


def _painted(page: Page, address: str, sign: str) -> float:
    """Seconds until what the page is for is there."""
    started = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.locator(sign).first.wait_for(state="visible")
    return time.perf_counter() - started


def _weight(page: Page) -> float:
    sizes = "performance.getEntriesByType('resource').reduce((sum, one) => sum + one.transferSize, 0)"
    return float(page.evaluate(sizes)) / 1e6


def _people(address: str, server: int, root: Path, looks: int) -> tuple[list[float], list[float], int]:
    """Twenty people for a while, each changing a filter every five seconds; somebody publishes meanwhile.

    Answers the wait for each answer, the server's computing time by answer, and how many answers were not whole: an
    error, or another page than was asked for.
    """
    waits: list[float] = []
    wrong: list[str] = []
    before = _computed(server)

    def person(n: int) -> None:
        chosen = random.Random(n)
        for _ in range(looks):
            time.sleep(chosen.uniform(0, 2 * THINK_S))
            path, search = _filter(chosen)
            started = time.perf_counter()
            try:
                said = _asked(address, path, search)
            except (OSError, HTTPException) as error:
                said = repr(error)
            waits.append(time.perf_counter() - started)
            if not whole(said, path, search):
                wrong.append(f"{path}{search}: {said[:200]}")

    people = [threading.Thread(target=person, args=(n,)) for n in range(PEOPLE)]
    for one in people:
        one.start()
    time.sleep(THINK_S * looks / 2)
    _publish_again(root)
    for one in people:
        one.join()
    assert len(waits) == PEOPLE * looks
    print(*wrong[:10], sep="\n", file=sys.stderr)
    return waits, [(_computed(server) - before) / len(waits)], len(wrong)


def _filter(chosen: random.Random) -> tuple[str, str]:
    """What somebody looks at next: mostly filters of Morning and the lists, else a series, the known ones most."""
    series = f"entity:co:{int(chosen.random() ** 3 * COMPANIES):05d}"
    return chosen.choice(
        [
            ("/", "?grain=hour"), ("/", "?day=yesterday"), ("/", ""), ("/incidents", "?state=past"),
            ("/incidents", "?state=all&q=company"), ("/feeds", "?which=all"), ("/search", "?q=w17"),
            ("/series", f"?series={series}&grain=day"), ("/series", f"?series={series}&grain=hour"),
            ("/series", "?series=market:all&grain=day"), ("/series", f"?series=topic:topic_{chosen.randrange(12)}"),
        ]
    )  # fmt: skip


def whole(said: str, path: str, search: str) -> bool:
    """Whether the server's answer is JSON and holds what the asked page alone has: its own part, filled."""
    try:
        children = json.loads(said)["response"]["page"]["children"]
    except (ValueError, KeyError, TypeError):
        return False
    chosen = [f'"children": "{word}", "className": "on"' for value, word in _CHOSEN.items() if value in search]
    told = json.dumps(children)
    return all(part in told for part in (_SIGNS[path], *chosen))


def _asked(address: str, path: str, search: str) -> str:
    """The callback by which a page is filled, as the browser would send it."""
    outputs = [("page", "children"), ("nav", "children"), ("name", "children"), ("rendered", "children")]
    inputs = [("url", "pathname", path), ("url", "search", search), ("snapshot", "children", "any")]
    body = {
        "output": ".." + "...".join(".".join(one) for one in outputs) + "..",
        "outputs": [{"id": name, "property": what} for name, what in outputs],
        "inputs": [{"id": name, "property": what, "value": value} for name, what, value in inputs],
        "state": [{"id": "rendered", "property": "children", "value": None}],
        "changedPropIds": ["url.search"],
    }
    sent = Request(f"{address}_dash-update-component", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urlopen(sent, timeout=120) as answer:
        return str(answer.read().decode())


def _publish_again(root: Path) -> None:
    """What a publish does to a reader: another manifest becomes current, in which a part is another one."""
    now = datetime.now(UTC)
    snapshot = Snapshot.open(root)
    feeds = snapshot.arrow("feeds")
    seen = pa.array([now] * len(feeds), TABLES["feeds"].schema.field("last_fetch_at").type)
    feeds = feeds.set_column(feeds.schema.get_field_index("last_fetch_at"), "last_fetch_at", seen)
    (part,) = write_parts(root, TABLES["feeds"], feeds, now)
    assert part.written
    manifest = snapshot.manifest
    tables = {**manifest.tables, "feeds": (part.file,)}
    switch(
        root, replace(manifest, snapshot_id=f"{manifest.snapshot_id[:-8]}{time.time_ns() % 16**8:08x}", tables=tables)
    )


def _told(waits: Sequence[float], spent: Sequence[float], torn: int) -> Iterator[Row]:
    middle, late = np.percentile(waits, [50, 95])
    yield f"a filter, {PEOPLE} people at once: median", float(middle) * 1000, "ms", None, None
    yield _row(f"a filter, {PEOPLE} people at once: 95th percentile", float(late) * 1000, "ms", 300.0)
    yield "computing time of a filter", spent[0] * 1000, "ms", None, None
    yield _row("answers that were not whole, with a publish amid them", float(torn), "", 0.0)


def _searches(root: Path) -> Iterator[Row]:
    took = [_timed(lambda said=said: find(root, said, newest=False, most=60)) for said in WORDS for _ in range(3)]  # type: ignore[misc]
    yield _row("search of the titles, the slowest of seven", max(took[2::3]) * 1000, "ms", 100.0)


def _timed(work: Callable[[], object]) -> float:
    started = time.thread_time()
    work()
    return time.thread_time() - started


def _computed(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_gb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1e6


def _row(name: str, value: float, unit: str, limit: float) -> Row:
    return name, value, unit, f"<= {limit:g}", value <= limit


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--articles", type=int, default=ARTICLES, help="of 90 days; 1000000, or 10000000")
    parser.add_argument("--folder", type=Path, help="where the snapshot is drawn and kept for the next time")
    parser.add_argument("--looks", type=int, default=LOOKS, help="of each of the twenty people: more, surer")
    arguments = parser.parse_args()
    for row in main(arguments.articles, arguments.folder, arguments.looks):
        print(*row, sep=" | ")
