"""`fold` on the store: stories, repeats, interruptions, late copies, and the clock of archives."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from pipeline import fold
from pipeline.context import Context
from pipeline.fold.decide import story_id
from pipeline.series import stories as telling
from pipeline.settings import Settings
from pipeline.warehouse import Warehouse
from tests.conftest import MovableClock

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
_UTC = pa.timestamp("us", tz="UTC")
Row = tuple[str, str, datetime]

TEXTS: tuple[Row, ...] = (
    ("a", "Holt shares plunge after profit warning", NOON),
    ("b", "Maar opens a plant in Leeds", NOON + timedelta(hours=1)),
    ("c", "UPDATE 1-Holt shares plunge after profit warning", NOON + timedelta(hours=2)),
    ("d", "Holt shares plunge following profit warning", NOON + timedelta(hours=3)),
    ("e", "Holt shares plunge after profit warning", NOON + timedelta(days=30)),
)
STORIES = {"a": "a", "b": "b", "c": "a", "d": "a", "e": "e"}


PORTS = "Dockworkers press demands at northern ports over pension terms and holiday rosters"
MERGING: tuple[Row, ...] = (
    ("a", f"{PORTS} despite heavy snow", NOON),
    ("b", f"{PORTS} citing rotten canteen", NOON + timedelta(hours=1)),
    ("c", PORTS, NOON + timedelta(hours=2)),
)


@pytest.fixture
def anywhere(settings: Settings, warehouse_setting: str, clock: MovableClock) -> Context:
    """A store on each engine in turn."""
    warehouse = Warehouse(warehouse_setting, clock, 10)
    warehouse.prepare()
    return Context(settings, warehouse, clock)


def add(context: Context, texts: tuple[Row, ...], *, imported: bool = True, day: datetime | None = None) -> None:
    """Articles as `ingest` leaves them and as `link` has seen them; with `day` they are dated to that day only."""
    names = [name for name, _, _ in texts]
    times = pa.array([when for _, _, when in texts], _UTC)
    revisions = pa.array([1] * len(texts), pa.int32())
    articles = pa.table(
        {
            "article_id": names,
            "revision": revisions,
            "kind": ["news"] * len(texts),
            "title": [title for _, title, _ in texts],
            "published_at": pa.array([day] * len(texts), _UTC) if day else times,
            "date_precision": ["day" if day else "second"] * len(texts),
            "imported": [imported] * len(texts),
            "known_at": times,
        }
    )
    mentions = pa.table(
        {
            "article_id": names,
            "revision": revisions,
            "entity_id": [""] * len(texts),
            "linker_version": ["v"] * len(texts),
        }
    )
    context.warehouse.transact("articles", lambda tx: tx.insert_new("articles", articles, ["article_id"]))
    context.warehouse.transact("mentions", lambda tx: tx.insert_new("mentions", mentions, ["article_id"]))


def stories(context: Context) -> dict[str, str]:
    with context.warehouse.read() as con:
        return dict(con.execute("SELECT article_id, story_id FROM story_members").fetchall())


def rows(context: Context) -> set[tuple[object, ...]]:
    with context.warehouse.read() as con:
        return set(con.execute("SELECT * FROM story_members").fetchall())


def told(context: Context, as_of: datetime | None = None, *, known: bool = True) -> dict[str, str]:
    """The story of each article as readers see it, on the clock of knowledge or of the store."""
    with context.warehouse.read() as con:
        table = telling.told(con, as_of=as_of, clock_column="known_at" if known else "recorded_at")
    return {row["article_id"]: row["story_id"] for row in table.to_pylist()}


EXPECTED = {name: story_id(first) for name, first in STORIES.items()}


def test_copies_fold_and_time_ends_a_story(anywhere: Context) -> None:
    add(anywhere, TEXTS)
    report = fold.run(anywhere, rewrites=False)
    assert stories(anywhere) == EXPECTED
    assert (report.counts["first"], report.counts["exact"], report.counts["near"]) == (3, 1, 1)


def test_a_repeat_adds_nothing(context: Context) -> None:
    add(context, TEXTS)
    fold.run(context, rewrites=False)
    assert fold.run(context, rewrites=False).counts == {}
    with context.warehouse.read() as con:
        assert con.execute("SELECT count(*), count(DISTINCT article_id) FROM story_members").fetchone() == (5, 5)


def test_piecemeal_gives_the_same_stories(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fold, "CHUNK", 2)
    add(context, TEXTS)
    fold.run(context, rewrites=False)
    assert stories(context) == EXPECTED


def test_a_late_copy_joins_the_story_that_is_there(context: Context) -> None:
    add(context, TEXTS[:2])
    fold.run(context, rewrites=False)
    add(context, TEXTS[2:])
    fold.run(context, rewrites=False)
    assert stories(context) == EXPECTED


def test_a_crowded_neighbourhood_is_folded_in_smaller_pieces(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fold, "NEIGHBOURS", 4)
    monkeypatch.setattr(fold, "SMALLEST", 1)
    add(context, TEXTS)
    fold.run(context, rewrites=False)
    assert stories(context) == EXPECTED


def test_where_too_many_come_what_came_last_is_looked_at(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one article at a time, each with all of the window loaded anew, which at 40,000 a day would never end."""
    crowd = tuple((f"x{n:02}", f"Fernhall {n * 37} opens site {n}", NOON + timedelta(hours=20)) for n in range(20))
    add(context, (TEXTS[0], *crowd))
    fold.run(context, rewrites=False)
    late = NOON + timedelta(hours=24)
    add(context, (("l", TEXTS[0][1], late), ("m", crowd[5][1], late), ("n", crowd[6][1], late)))
    monkeypatch.setattr(fold, "NEIGHBOURS", 23)
    monkeypatch.setattr(fold, "SMALLEST", 3)
    chunks: list[int] = []
    seen = replace(context, progress=lambda _stage, done, _total: chunks.append(done))
    (note,) = fold.run(seen, rewrites=False).notes
    assert "those of 18.0 hours" in note
    found = stories(context)
    assert (found["m"], found["n"]) == (found["x05"], found["x06"]), "from four hours before"
    assert found["l"] == story_id("l"), "a day before is too long ago where so many come"
    assert chunks == [3], "all three at once"


def test_archives_keep_their_clock_and_the_observed_get_the_stores(context: Context) -> None:
    add(context, TEXTS[:1])
    add(context, (("x", "Maar names a new chair", NOON - timedelta(hours=1)),), imported=False)
    fold.run(context, rewrites=False)
    with context.warehouse.read() as con:
        known = dict(con.execute("SELECT article_id, known_at FROM story_members").fetchall())
    assert known == {"a": NOON, "x": context.clock()}


@pytest.mark.parametrize(("imported", "together"), [(True, True), (False, False)])
def test_a_date_without_a_time_places_archives_only(context: Context, imported: bool, together: bool) -> None:
    # As in the buckets: an archive's copy happened on its day, what a feed brings when it came.
    add(context, TEXTS[:1])
    came = NOON + timedelta(hours=75)
    add(context, (("z", TEXTS[0][1], came),), imported=imported, day=came.replace(hour=0))
    fold.run(context, rewrites=False)
    assert (stories(context)["z"] == story_id("a")) is together


def test_what_was_not_linked_waits(context: Context) -> None:
    add(context, TEXTS[:1])
    context.warehouse.transact("mentions", lambda tx: tx.con.execute("DELETE FROM mentions") and None)
    assert fold.run(context, rewrites=False).counts == {}


@pytest.mark.parametrize("chunk", [8_000, 2, 1])
def test_stories_merge_by_new_rows_and_the_past_stays_as_it_was_known(
    anywhere: Context, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(fold, "CHUNK", chunk)
    add(anywhere, MERGING)
    assert fold.run(anywhere, rewrites=False).counts["merged"] == 1
    before = {"a": story_id("a"), "b": story_id("b")}
    assert told(anywhere, NOON + timedelta(minutes=90)) == before
    merged = dict.fromkeys("abc", story_id("a"))
    assert told(anywhere, NOON + timedelta(hours=2)) == told(anywhere) == told(anywhere, known=False) == merged


def test_the_stores_clock_knows_a_merge_only_when_it_was_made(anywhere: Context, clock: MovableClock) -> None:
    add(anywhere, MERGING[:2], imported=False)
    fold.run(anywhere, rewrites=False)
    first, clock.now = clock.now, clock.now + timedelta(hours=1)
    written = rows(anywhere)
    add(anywhere, MERGING[2:], imported=False)
    fold.run(anywhere, rewrites=False)
    assert written < rows(anywhere)
    assert told(anywhere, first, known=False) == {"a": story_id("a"), "b": story_id("b")}
    for known in (True, False):
        assert set(told(anywhere, known=known).values()) == {story_id("a")}


def test_what_joins_later_joins_the_merged_story(anywhere: Context) -> None:
    add(anywhere, MERGING)
    fold.run(anywhere, rewrites=False)
    written = rows(anywhere)
    add(anywhere, (("d", MERGING[1][1], NOON + timedelta(hours=3)),))
    fold.run(anywhere, rewrites=False)
    assert told(anywhere)["d"] == story_id("a")
    assert written < rows(anywhere)


def test_an_update_is_a_new_story_that_follows_the_old(context: Context) -> None:
    add(context, (("a", "Holt to cut 400 jobs in Leeds", NOON), ("b", "Holt to cut 900 jobs in Leeds", MERGING[1][2])))
    assert fold.run(context, rewrites=False).counts["follows"] == 1
    with context.warehouse.read() as con:
        follows = {row["article_id"]: row["follows"] for row in telling.told(con).to_pylist()}
    assert follows == {"a": None, "b": story_id("a")}


def test_a_copy_keeps_the_wire_it_credits(context: Context) -> None:
    add(context, (("a", "Maar opens a plant in Leeds - Reuters", NOON), ("b", "Maar opens a plant in Leeds", NOON)))
    fold.run(context, rewrites=False)
    with context.warehouse.read() as con:
        assert dict(con.execute("SELECT article_id, wire FROM story_members").fetchall()) == {"a": "Reuters", "b": ""}
