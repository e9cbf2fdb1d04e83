"""aggregate: what is rebuilt, that a repeat changes nothing, and that order does not matter."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.aggregate import run
from pipeline.aggregate.stage import dirty_days
from pipeline.context import Context
from pipeline.settings import Maintain
from tests.conftest import MovableClock
from tests.pipeline.seeds import MODEL, Piece, activate_model, put

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
COLUMNS = "bucket_start, grain, scope, key, model_version, news_volume, story_count, negative_stories, polarity_sum"


def trends(context: Context, columns: str = COLUMNS) -> list[tuple[object, ...]]:
    with context.warehouse.read() as con:
        return con.execute(f"SELECT {columns} FROM trends ORDER BY ALL").fetchall()


def pieces(n: int, days: int = 4) -> list[Piece]:
    made = []
    for i in range(n):
        seen = NOON - timedelta(hours=24 * days * i / n)
        made.append(
            Piece(
                f"a{i}", seen - timedelta(minutes=10), seen, story_id=f"s{i % (n // 2)}", publisher=f"P{i % 3}",
                p_negative=(i % 7) / 8, entities={"co:x": (0.9, (i % 5) / 6, 0.1)} if i % 4 == 0 else {},
                themes=(("", "fraud"),) if i % 9 == 0 else (),
            )
        )  # fmt: skip
    return made


def test_without_a_model_there_is_a_note_and_no_failure(context: Context) -> None:
    report = run(context)
    assert "no model is active" in report.notes[0]


def test_a_repeated_pass_leaves_the_same_rows(context: Context) -> None:
    activate_model(context.warehouse)
    put(context.warehouse, pieces(40))
    assert run(context).counts["buckets"] > 0
    first = trends(context)
    run(context)
    assert trends(context) == first
    run(context, full=True)
    assert trends(context) == first


def test_incremental_passes_agree_with_one_full_rebuild(context: Context, clock: MovableClock) -> None:
    activate_model(context.warehouse)
    world = pieces(60)
    random.Random(5).shuffle(world)
    for chunk in (world[:20], world[20:45], world[45:]):
        put(context.warehouse, chunk)
        run(context)
        clock.now += timedelta(hours=3)
    incremental = trends(context)
    run(context, full=True)
    assert trends(context) == incremental


@pytest.mark.parametrize("seed", [1, 2])
def test_the_order_of_arrival_does_not_matter(context: Context, seed: int) -> None:
    activate_model(context.warehouse)
    world = pieces(50)
    put(context.warehouse, world)
    run(context)
    straight = trends(context)
    for table in ("articles", "story_members", "mentions", "themes", "scores", "trends"):
        context.warehouse.transact("articles", lambda tx, table=table: tx.con.execute(f"DELETE FROM {table}"))
    random.Random(seed).shuffle(world)
    for piece in world[:5]:
        put(context.warehouse, [piece])
    put(context.warehouse, world)
    run(context)
    assert trends(context) == straight


def test_a_late_copy_changes_the_story_where_it_first_appeared(context: Context, clock: MovableClock) -> None:
    clock.now = NOON + timedelta(days=3)
    activate_model(context.warehouse)
    put(context.warehouse, [Piece("a", NOON, NOON, "s", "P0", p_negative=0.9)])
    run(context)
    clock.now += timedelta(hours=2)
    late = Piece("b", clock.now, clock.now, "s", "P1", p_negative=0.0, p_positive=0.9)
    put(context.warehouse, [late])
    run(context)
    market = [row for row in trends(context) if row[1:3] == ("day", "market")]
    assert [row[5:8] for row in market] == [(1, 1, 0), (1, 0, 0)]


def test_another_model_version_is_left_alone(context: Context, clock: MovableClock) -> None:
    activate_model(context.warehouse)
    world = pieces(20)
    put(context.warehouse, world)
    run(context)
    old = trends(context)
    clock.now += timedelta(hours=1)
    put(context.warehouse, [replace(p, p_negative=0.99) for p in world], model="words@2")
    activate_model(context.warehouse, "words@2")
    run(context)
    assert [row for row in trends(context) if row[4] == MODEL] == old
    assert {row[4] for row in trends(context)} == {MODEL, "words@2"}


def test_the_scores_of_a_shadow_move_no_bucket_of_the_active_model(context: Context, clock: MovableClock) -> None:
    activate_model(context.warehouse)
    world = pieces(20)
    put(context.warehouse, world)
    clock.now += timedelta(hours=2)
    run(context, full=True)
    put(context.warehouse, [replace(p, p_negative=0.99) for p in world], model="words@2")
    with context.warehouse.read() as con:
        shadow, active = (dirty_days(con, model, clock.now) for model in ("words@2", MODEL))
    assert shadow.days is None
    assert active.days == []


def test_the_first_pass_of_a_day_sweeps_over_everything(context: Context, clock: MovableClock) -> None:
    """No article tells that two publishers came under one owner; only a look at everything does."""
    activate_model(context.warehouse)
    put(context.warehouse, [Piece(n, NOON, NOON, "s", f"P{n}", p_negative=0.9) for n in ("1", "2")])
    run(context)
    clock.now += timedelta(hours=2)
    run(context, full=True)

    def owners() -> list[int]:
        with context.warehouse.read() as con:
            rows = con.execute("SELECT owners FROM trends WHERE scope = 'market' AND grain = 'day'").fetchall()
        return [count for (count,) in rows]

    assert owners() == [2]
    with context.warehouse.write("catalogue") as tx:
        tx.con.execute("DELETE FROM publishers")
        tx.con.execute("INSERT INTO publishers (publisher, owner) VALUES ('P1', 'House'), ('P2', 'House')")
    clock.now += timedelta(hours=2)
    run(context)
    assert owners() == [2]
    clock.now += timedelta(days=1)
    run(context)
    assert owners() == [1]


def test_days_whose_articles_were_let_go_stay_as_they_were_counted(context: Context, clock: MovableClock) -> None:
    activate_model(context.warehouse)
    clock.now = NOON
    old, young = NOON - timedelta(days=401), NOON - timedelta(days=399)
    put(context.warehouse, [Piece("old", old, old), Piece("older copy", old, old, "s"), Piece("young", young, young)])
    run(context)
    counted = trends(context)
    clock.now += timedelta(days=10)
    with context.warehouse.write("articles") as tx:
        tx.con.execute("DELETE FROM articles WHERE article_id IN ('old', 'young')")
    limited = context.settings.model_copy(update={"maintain": Maintain(articles_days=411)})
    context = replace(context, settings=limited)
    assert run(context, full=True).counts["days"] == 0
    before = [row for row in counted if row[0] < young.replace(hour=0)]
    assert before
    assert trends(context) == before, "of a day within the limit what is there counts"
    put(context.warehouse, [Piece("late", old, clock.now, imported=True)])
    run(context)
    assert [row for row in trends(context) if row in counted] == before
