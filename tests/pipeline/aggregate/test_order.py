"""From given articles and story members, any order of arrival, with retries and duplicates, gives the same tables."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.aggregate import run
from pipeline.context import Context
from tests.conftest import MovableClock
from tests.pipeline.seeds import Piece, activate_model, put
from tests.pipeline.series.test_buckets import catalogue

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)


def world(seed: int) -> list[Piece]:
    """Forty articles of seventy days in fifteen stories, a third of them revised, with companies and themes."""
    rng = random.Random(seed)
    pieces = []
    for n in range(40):
        when = NOON - timedelta(hours=rng.choice([2, 5, 30, 200, 1000, 1700]), minutes=rng.randrange(60))
        piece = Piece(
            f"a{n}", when - timedelta(minutes=10), when, f"s{rng.randrange(15)}", f"P{rng.randrange(4)}",
            status=rng.choice(["scored", "scored", "abstained", "filing"]), p_negative=rng.randrange(17) / 16,
            p_positive=0.0, inherited=True,
            entities={"co:a": (0.75, rng.randrange(9) / 8, 0.0)} if rng.random() < 0.4 else {},
            themes=(("", "fraud"),) if rng.random() < 0.2 else (),
        )  # fmt: skip
        pieces.append(piece)
        if rng.random() < 0.3:
            pieces.append(replace(piece, revision=2, known_at=when + timedelta(hours=1), p_negative=0.25))
    return pieces


def tables(context: Context) -> list[tuple[object, ...]]:
    with context.warehouse.read() as con:
        return con.execute("SELECT * EXCLUDE (recorded_at) FROM trends ORDER BY ALL").fetchall()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_order_with_retries_and_duplicates_gives_the_same_tables(
    context: Context, clock: MovableClock, seed: int
) -> None:
    catalogue(context.warehouse)
    activate_model(context.warehouse)
    pieces = world(7)
    put(context.warehouse, pieces)
    run(context, full=True)
    straight = tables(context)
    assert {row[1] for row in straight} == {"hour", "day"}
    for table in ("articles", "story_members", "mentions", "themes", "scores", "trends", "rebuilds"):
        context.warehouse.transact("articles", lambda tx, table=table: tx.con.execute(f"DELETE FROM {table}"))
    shuffled = random.Random(seed)
    shuffled.shuffle(pieces)
    while pieces:
        batch, pieces = pieces[:9], pieces[9:]
        # The first revision of an article is there before a later one, whatever else comes when.
        late = [p for p in batch if p.revision and any(q.article_id == p.article_id and not q.revision for q in pieces)]
        pieces += late
        batch = [p for p in batch if p not in late]
        put(context.warehouse, batch)
        run(context)
        clock.now += timedelta(minutes=shuffled.choice([1, 20, 59]))
        put(context.warehouse, batch[: shuffled.randrange(len(batch) + 1)])
        if shuffled.random() < 0.5:
            run(context)
    run(context)
    assert tables(context) == straight


def test_a_score_of_an_article_of_last_year_rebuilds_its_day_and_no_other(
    context: Context, clock: MovableClock
) -> None:
    activate_model(context.warehouse)
    old = NOON - timedelta(days=300)
    clock.now = old
    put(context.warehouse, [Piece("old", old, old, status=None), Piece("near", old, old - timedelta(days=1))])
    clock.now = NOON
    put(context.warehouse, [Piece("new", NOON, NOON)])
    clock.now += timedelta(hours=2)
    run(context, full=True)
    clock.now += timedelta(hours=2)
    put(context.warehouse, [Piece("old", old, old, p_negative=0.9)])
    assert run(context).counts["days"] == 1
    with context.warehouse.read() as con:
        rebuilt = con.execute(
            "SELECT DISTINCT bucket_start::DATE, negative_stories FROM trends"
            " WHERE recorded_at = ? AND scope = 'market'",
            [clock.now],
        ).fetchall()
    assert rebuilt == [(old.date(), 1)]


def test_the_sweep_of_a_day_leaves_what_is_older_than_an_index_looks_back(
    context: Context, clock: MovableClock
) -> None:
    activate_model(context.warehouse)
    for days in (900, 5):
        clock.now = NOON - timedelta(days=days)
        put(context.warehouse, [Piece(f"a{days}", clock.now, clock.now)])
    run(context)
    with context.warehouse.write("catalogue") as tx:
        tx.con.execute("INSERT INTO publishers (publisher, owner) VALUES ('Wire', 'House')")
    clock.now = NOON
    assert run(context).counts["days"] == 401
    clock.now += timedelta(hours=3)
    assert run(context).counts["days"] == 0
    assert run(context, full=True).counts["days"] == 2
