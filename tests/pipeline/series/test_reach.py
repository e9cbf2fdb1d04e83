"""What a rebuild of some days reads: all that they rest on, however long ago it began, and little else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import groupby

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.context import Context
from pipeline.series import buckets, coverage, reach
from pipeline.warehouse import Warehouse
from tests.conftest import MovableClock
from tests.pipeline.seeds import MODEL, Piece, insert, put
from tests.pipeline.series.test_buckets import TOPICS, catalogue, empty
from tests.pipeline.series.test_coverage import arrive, feed, polled

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TODAY = NOON.date()


def observed(name: str, days_ago: float, story: str, **more: object) -> Piece:
    when = NOON - timedelta(days=days_ago)
    return Piece(name, when, when, story, inherited=True, **more)  # type: ignore[arg-type]


def arrived(warehouse: Warehouse, clock: MovableClock, *pieces: Piece) -> None:
    """Each at its own time, as a store that runs all the while takes them in."""
    for when, together in groupby(sorted(pieces, key=lambda p: p.known_at), key=lambda p: p.known_at):
        clock.now = when
        put(warehouse, together)
    clock.now = NOON


def moved(warehouse: Warehouse, article: str, story: str) -> None:
    row = {"article_id": article, "story_id": story, "how": "merged"}
    insert(warehouse, "stories", "story_members", [row], ["article_id", "story_id"])


def reached(context: Context, first: date, last: date) -> tuple[set[str], datetime]:
    with context.warehouse.read() as con:
        found = reach.of_days(con, first, last)
    return set(found.articles["article_id"].to_pylist()), found.since.astimezone(UTC)


def test_a_story_is_followed_back_to_its_beginning_and_nothing_else_is_read(
    context: Context, clock: MovableClock
) -> None:
    arrived(
        context.warehouse, clock, observed("old", 300, "s"), observed("alone", 200, "t"), observed("copy", 0.2, "s")
    )
    # A day more, by which clocks may differ.
    assert reached(context, TODAY, TODAY) == ({"old", "copy"}, NOON - 301 * DAY)
    long_ago = (NOON - 200 * DAY).date()
    assert reached(context, long_ago, long_ago)[0] == {"alone"}
    assert reached(context, date(2020, 1, 1), date(2020, 1, 2))[0] == set()


def test_both_stories_of_a_merge_are_read(context: Context, clock: MovableClock) -> None:
    arrived(context.warehouse, clock, observed("a", 40, "s"), observed("b", 30, "t"), observed("c", 0.1, "t"))
    moved(context.warehouse, "b", "s")
    moved(context.warehouse, "c", "s")
    assert reached(context, TODAY, TODAY)[0] == {"a", "b", "c"}


def test_days_are_read_together_at_most_a_week_of_them() -> None:
    days = [date(2026, 3, 1) + timedelta(days=n) for n in (0, 1, 2, 3, 4, 5, 6, 7, 20)]
    assert reach.runs(days) == [(days[0], days[6]), (days[7], days[7]), (days[8], days[8])]


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Piece], list[tuple[str, str]]]:
    """Articles over three hundred days, some revised long after (2: after the first), and merges at the end."""
    pieces = []
    for n in range(draw(st.integers(1, 12))):
        piece = observed(
            f"a{n}", draw(st.sampled_from([0.1, 0.6, 1.2, 5.0, 30.0, 31.0, 150.0, 300.0])),
            f"s{draw(st.integers(0, 4))}", publisher=draw(st.sampled_from(["P0", "P1", "P2"])),
            status=draw(st.sampled_from(["scored", "scored", "abstained"])),
            p_negative=draw(st.integers(0, 16)) / 16, p_positive=0.0, imported=draw(st.booleans()),
            entities={"co:a": (0.5, 0.25, 0.5)} if draw(st.booleans()) else {},
        )  # fmt: skip
        pieces.append(piece)
        if draw(st.booleans()):
            pieces.append(replace(piece, revision=2, known_at=NOON - timedelta(hours=draw(st.integers(1, 200)))))
    merges = draw(st.lists(st.tuples(st.sampled_from(pieces).map(lambda p: p.article_id), st.just("s0")), max_size=3))
    return pieces, merges


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    warehouse = Warehouse(f"duckdb:{tmp_path_factory.mktemp('reach') / 'r.duckdb'}", MovableClock())
    warehouse.prepare()
    catalogue(warehouse)
    return warehouse


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(drawn=histories(), chosen=st.sets(st.integers(0, 20), min_size=1, max_size=4))
def test_some_days_alone_are_as_in_all_of_time(
    store: Warehouse, drawn: tuple[list[Piece], list[tuple[str, str]]], chosen: set[int]
) -> None:
    empty(store)
    clock = store.clock
    assert isinstance(clock, MovableClock)
    pieces, merges = drawn
    arrived(store, clock, *pieces)
    for article, story in merges:
        moved(store, article, story)
    with store.read() as con:
        whole = buckets.rebuild(con, MODEL, 0.5, topics=TOPICS).to_pylist()
        there = buckets.days_with_news(con)
        days = sorted({there[n % len(there)] for n in chosen})
        part = buckets.rebuild(con, MODEL, 0.5, days, topics=TOPICS).to_pylist()
    assert {row["bucket_start"].astimezone(UTC).date() for row in whole} <= set(there)
    expected = [row for row in whole if row["bucket_start"].astimezone(UTC).date() in days]
    assert sorted(map(repr, part)) == sorted(map(repr, expected))


def test_coverage_of_a_day_is_as_in_all_of_time(context: Context) -> None:
    """Of feeds that are well, dead for months, slow, gone, new beside an archive, and of one that never delivered."""
    for name, silent, apart, added in (
        ("well", 0, 2, 420), ("dead", 250, 2, 420), ("slow", 3, 24 * 9, 420), ("gone", 200, 3, 420), ("new", 0, 2, 20)
    ):  # fmt: skip
        feed(context, name, added_at=NOON - added * DAY)
        count = min(int((added - silent) * 24 / apart), 2500)
        arrive(context, name, [NOON - silent * DAY - timedelta(hours=apart * (n + 1)) for n in range(count)])
    feed(context, "mute", added_at=NOON - 300 * DAY)
    feed(context, "museum", added_at=NOON - 400 * DAY)
    arrive(context, "museum", [NOON - timedelta(hours=5 * n) for n in range(1900)], published=30 * DAY)
    feed(context, "books", publisher="mute", kind="archive")
    past = [
        Piece(f"p{n}", NOON - 260 * DAY - timedelta(hours=n), NOON - 260 * DAY - timedelta(hours=n), publisher="mute",
              imported=True, feed_id="books")
        for n in range(300)
    ]  # fmt: skip
    put(context.warehouse, past)
    for name in ("well", "dead", "slow", "gone", "new", "mute", "museum"):
        polled(context, name, [NOON - timedelta(hours=6 * n) for n in range(4 * 300)])
    with context.warehouse.write("catalogue") as tx:
        tx.con.execute("UPDATE feeds SET removed_at = ? WHERE feed_id = 'gone'", [NOON - 100 * DAY])
    with context.warehouse.read() as con:
        whole = coverage.rows(con, None, None, "recorded_at", NOON).to_pandas()
        for ago in (0, 1, 30, 150, 260):
            day = (NOON - ago * DAY).date()
            part = coverage.rows(con, [day], None, "recorded_at", NOON).to_pandas()
            same = whole[whole["bucket_start"].dt.date == day].reset_index(drop=True)
            order = ["publisher", "grain", "bucket_start"]
            assert set(part["publisher"]) >= {"dead", "museum"}
            left, right = (f.sort_values(order).reset_index(drop=True) for f in (part, same))
            assert pa.Table.from_pandas(left).equals(pa.Table.from_pandas(right)), ago
