"""Clocks that are put back, and workers in another zone: an ingest neither falls asleep nor stores another time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline import ingest
from pipeline.context import Context
from pipeline.ingest.catalogue import CatalogueFeed, to_opml
from pipeline.ingest.schedule import until
from tests.conftest import MovableClock
from tests.pipeline.ingest.conftest import Page, Site, item, rows, rss

Subscribe = Callable[[Sequence[str]], None]
NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
DATES = ["Tue, 03 Mar 2026 11:00:00 GMT", "2026-03-03T06:30:00-05:00", "3 Mar 2026 10:15", "10:00 AM ET, Mar 3 2026"]


def test_fault_32_a_clock_that_was_a_year_ahead_leaves_no_feed_asleep(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock
) -> None:
    right = clock.now
    clock.now = right + timedelta(days=365)
    site.pages["/feed"] = Page(status=500)
    subscribe([site.url("/feed")])
    ingest.run(context)
    clock.now = right
    site.pages["/feed"] = Page(rss(item("Velmont falls", "https://g.example/1")))
    assert ingest.run(context).counts["new_articles"] == 1
    assert rows(context, "SELECT failures, next_fetch_at, last_success_at FROM feeds") == [(0, None, right)]


def test_fault_32_a_clock_that_steps_back_a_little_is_waited_for(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock
) -> None:
    site.pages["/feed"] = Page(status=500)
    subscribe([site.url("/feed")])
    ingest.run(context)
    clock.now -= timedelta(hours=2)
    assert ingest.run(context).counts == {"waiting": 1}
    clock.now += timedelta(hours=2, minutes=7)
    assert ingest.run(context).counts["failed"] == 1


def test_fault_32_a_body_from_the_future_is_no_body_of_today(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock
) -> None:
    site.pages["/feed"] = Page(rss(item("Velmont falls", "https://g.example/1")), etag='"1"')
    subscribe([site.url("/feed")])
    clock.now += timedelta(days=365)
    ingest.run(context)
    clock.now -= timedelta(days=365)
    ingest.run(context)
    ingest.run(context)
    # All of it is asked for once; from then on there is a body of today.
    assert site.statuses() == [200, 200, 304]


def test_fault_32_articles_and_their_revisions_survive_a_step_back(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock
) -> None:
    subscribe([site.url("/feed")])
    for minutes, title in ((0, "Velmont falls"), (-90, "Velmont falls by a tenth"), (-60, "Velmont falls by a tenth")):
        clock.now = NOW + timedelta(minutes=minutes)
        site.pages["/feed"] = Page(rss(item(title, "https://g.example/1", guid="a")))
        ingest.run(context)
    assert rows(context, "SELECT revision, title FROM articles ORDER BY revision") == [
        (1, "Velmont falls"),
        (2, "Velmont falls by a tenth"),
    ]
    assert rows(context, "SELECT count(*) FROM fetches") == [(3,)]


@pytest.mark.parametrize("days", [1.01, 365])
def test_nobody_waits_longer_than_a_day(days: float) -> None:
    assert until(NOW + timedelta(days=days), 3, NOW) == ""


INGEST = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
from pipeline import ingest
from pipeline.context import open_context
context = open_context(sys.argv[1], clock=lambda: datetime(2026, 3, 3, 12, tzinfo=UTC), environment=False)
ingest.run(context)
with context.warehouse.read() as con:
    rows = con.execute("SELECT title, published_at::VARCHAR, date_precision, date_flag, first_seen_at::VARCHAR,"
                       " known_at::VARCHAR FROM articles ORDER BY title").fetchall()
print(json.dumps(rows))
"""


def test_fault_32_a_worker_in_another_zone_stores_the_same(site: Site, tmp_path: Path) -> None:
    site.pages["/feed"] = Page(rss(*(item(f"Story {i}", date=date, guid=str(i)) for i, date in enumerate(DATES))))
    found = []
    for zone in ("UTC", "Pacific/Auckland", "America/New_York"):
        folder = tmp_path / zone.replace("/", "-")
        folder.mkdir()
        feed = CatalogueFeed(site.url("/feed"), "Gazette", "Gazette", "Gazette")
        (folder / "feeds.opml").write_text(to_opml([feed]), encoding="utf-8")
        config = folder / "barograph.toml"
        config.write_text(f'[ingest]\nallow_hosts = ["{site.url("").split("/")[2]}"]\n', encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-c", INGEST, str(config)],
            env={**os.environ, "TZ": zone}, check=True, capture_output=True, text=True,
        )  # fmt: skip
        found.append(json.loads(done.stdout))
    assert found[0] == found[1] == found[2]
    assert [row[1][:16] for row in found[0]] == [
        "2026-03-03 11:00", "2026-03-03 11:30", "2026-03-03 10:15", "2026-03-03 15:00",
    ]  # fmt: skip
