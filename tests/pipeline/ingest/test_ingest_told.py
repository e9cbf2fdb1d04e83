"""What an ingest says of its feeds: each change once, at the moment it happens, and until when nobody asks."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline import ingest
from pipeline.context import Context
from pipeline.ingest.catalogue import read_file
from pipeline.ingest.check import check_feeds
from pipeline.ingest.outcomes import Outcome
from pipeline.ingest.parse import parse_here
from pipeline.ingest.runs import under_way
from pipeline.ingest.schedule import FeedState, after, news_of, until
from tests.conftest import MovableClock
from tests.pipeline.ingest.conftest import Page, Site, item, rss

Subscribe = Callable[[Sequence[str]], None]
NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
GOOD = rss(item("Velmont Bank cuts its outlook", "https://gazette.example/1", guid="1"))


def states(outcomes: list[Outcome]) -> Iterator[tuple[FeedState, FeedState]]:
    """A feed before and after each of these attempts, each made when the one before said."""
    state, at = FeedState("feed"), NOON
    for outcome in outcomes:
        now = after(state, outcome, at=at, error="It fails." if outcome is Outcome.HTTP_ERROR else "")
        yield state, now
        state, at = now, now.next_fetch_at or at + timedelta(minutes=5)


def test_a_wait_is_told_each_time_it_grows_and_then_no_more() -> None:
    told = [news_of(before, now) for before, now in states([Outcome.HTTP_ERROR] * 12)]
    assert told[0].startswith("asked again at 12:0")
    assert told[0].endswith(" UTC, after 1 failure: It fails.")
    assert "after 6 failures" in told[5]
    assert [bool(text) for text in told] == [True] * 8 + [False] * 4


def test_a_feed_that_is_well_again_is_told_once() -> None:
    outcomes = [Outcome.HTTP_ERROR, Outcome.HTTP_ERROR, Outcome.NEW, Outcome.UNCHANGED, Outcome.HTTP_ERROR]
    told = [news_of(before, now) for before, now in states(outcomes)]
    assert told[2] == "well again, after 2 failures"
    assert told[3] == ""
    assert "after 1 failure:" in told[4]


def test_a_feed_that_is_gone_is_told_once() -> None:
    told = [news_of(before, now) for before, now in states([Outcome.GONE, Outcome.GONE])]
    assert told[0].startswith("gone, not asked any more")
    assert told[1] == ""


@pytest.mark.parametrize(
    ("due", "failures", "says"),
    [
        (None, 0, ""),
        (NOON, 3, ""),
        (NOON + timedelta(minutes=125), 6, "asked again at 14:05 UTC, after 6 failures"),
        (NOON + timedelta(minutes=5), 1, "asked again at 12:05 UTC, after 1 failure"),
        (NOON + timedelta(hours=13), 0, "asked again at 2026-03-04 01:00 UTC"),
    ],
)
def test_until_when_is_said_in_words(due: datetime | None, failures: int, says: str) -> None:
    assert until(due, failures, NOON) == says


def test_the_log_and_the_report_say_it_when_it_happens(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    subscribe([site.url("/feed")])
    site.pages["/feed"] = Page(status=500)

    def heard() -> list[str]:
        said = [record.message for record in caplog.records if record.name.startswith("pipeline.ingest")]
        caplog.clear()
        return said

    report = ingest.run(context)
    (line,) = heard()
    assert "asked again at" in line
    assert "after 1 failure" in line
    assert any("Asked again at" in note and "after 1 failure" in note for note in report.notes)
    ingest.run(context)
    assert heard() == []
    clock.now += timedelta(minutes=10)
    ingest.run(context)
    (line,) = heard()
    assert "after 2 failures" in line
    site.pages["/feed"] = Page(GOOD)
    clock.now += timedelta(minutes=20)
    ingest.run(context)
    (line,) = heard()
    assert line.endswith("well again, after 2 failures")
    ingest.run(context)
    assert heard() == []


def test_feeds_check_says_until_when_ingest_waits(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock
) -> None:
    subscribe([site.url("/feed")])
    site.pages["/feed"] = Page(status=500)
    ingest.run(context)
    site.pages["/feed"] = Page(GOOD)
    feeds = read_file(context.settings.ingest.feeds)
    (row,) = check_feeds(context, feeds, parser=parse_here)
    assert row["waits"].startswith("`ingest`: asked again at ")
    assert "after 1 failure" in row["says"]
    clock.now += timedelta(hours=1)
    (row,) = check_feeds(context, feeds, parser=parse_here)
    assert row["waits"] == ""


HOLD = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from pipeline.ingest.runs import under_way
with under_way(Path(sys.argv[1]), "first", datetime(2026, 3, 3, 11, 2, tzinfo=UTC)):
    print("held", flush=True)
    time.sleep(60)
"""


def test_of_an_ingest_that_was_killed_the_next_one_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with under_way(tmp_path, "second", NOON):
            assert caplog.messages == []  # it runs, and so do we
        os.kill(process.pid, signal.SIGKILL)
    for name in ("third", "fourth"):
        with under_way(tmp_path, name, NOON):
            pass
    (line,) = caplog.messages
    assert line.startswith("ingest first, begun at 2026-03-03 11:02 UTC, did not get to its end; nothing is lost")
    assert list((tmp_path / "running").glob("*.run")) == []


def test_an_ingest_that_ends_with_an_error_has_said_so_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ZeroDivisionError), under_way(tmp_path, "first", NOON):
        raise ZeroDivisionError
    with under_way(tmp_path, "second", NOON):
        assert caplog.messages == []


def test_a_folder_that_cannot_be_written_does_not_stop_an_ingest(tmp_path: Path) -> None:
    (tmp_path / "running").write_text("in the way")
    with under_way(tmp_path, "first", NOON):
        assert (tmp_path / "running").is_file()


def test_a_feed_waits_with_its_reason_in_the_state(context: Context) -> None:
    state = replace(FeedState("feed"), failures=5)
    now = after(state, Outcome.TIMEOUT, at=NOON, error="Not done after 20 seconds.")
    assert news_of(state, now).endswith("after 6 failures: Not done after 20 seconds.")
