"""`fold` on the store: stories, repeats, interruptions, late copies, and the clock of archives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from pipeline import fold
from pipeline.context import Context
from pipeline.fold.decide import story_id

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


EXPECTED = {name: story_id(first) for name, first in STORIES.items()}


def test_copies_and_rewrites_fold_and_time_ends_a_story(context: Context) -> None:
    add(context, TEXTS)
    report = fold.run(context)
    assert stories(context) == EXPECTED
    assert (report.counts["first"], report.counts["exact"], report.counts["near"]) == (3, 1, 1)


def test_a_repeat_adds_nothing(context: Context) -> None:
    add(context, TEXTS)
    fold.run(context)
    assert fold.run(context).counts == {}
    with context.warehouse.read() as con:
        assert con.execute("SELECT count(*), count(DISTINCT article_id) FROM story_members").fetchone() == (5, 5)


def test_piecemeal_gives_the_same_stories(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fold, "CHUNK", 2)
    add(context, TEXTS)
    fold.run(context)
    assert stories(context) == EXPECTED


def test_a_late_copy_joins_the_story_that_is_there(context: Context) -> None:
    add(context, TEXTS[:2])
    fold.run(context)
    add(context, TEXTS[2:])
    fold.run(context)
    assert stories(context) == EXPECTED


def test_a_crowded_neighbourhood_is_folded_in_smaller_pieces(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fold, "NEIGHBOURS", 2)
    add(context, TEXTS)
    fold.run(context)
    assert stories(context) == EXPECTED


def test_archives_keep_their_clock_and_the_observed_get_the_stores(context: Context) -> None:
    add(context, TEXTS[:1])
    add(context, (("x", "Maar names a new chair", NOON - timedelta(hours=1)),), imported=False)
    fold.run(context)
    with context.warehouse.read() as con:
        known = dict(con.execute("SELECT article_id, known_at FROM story_members").fetchall())
    assert known == {"a": NOON, "x": context.clock()}


@pytest.mark.parametrize(("imported", "together"), [(True, True), (False, False)])
def test_a_date_without_a_time_places_archives_only(context: Context, imported: bool, together: bool) -> None:
    # As in the buckets: an archive's copy happened on its day, what a feed brings when it came.
    add(context, TEXTS[:1])
    came = NOON + timedelta(hours=75)
    add(context, (("z", TEXTS[0][1], came),), imported=imported, day=came.replace(hour=0))
    fold.run(context)
    assert (stories(context)["z"] == story_id("a")) is together


def test_what_was_not_linked_waits(context: Context) -> None:
    add(context, TEXTS[:1])
    context.warehouse.transact("mentions", lambda tx: tx.con.execute("DELETE FROM mentions") and None)
    assert fold.run(context).counts == {}
