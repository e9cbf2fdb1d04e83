"""score: what is found, what a row says, and that a second run has nothing left to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.context import Context
from pipeline.promotion import active_model
from pipeline.score import nothing_waits, run, shards
from pipeline.score.decide import Shard, Status, Target, chunks, shards_for, status_before, status_of
from tests.conftest import MovableClock
from tests.support.fakes import WordScorer
from tests.support.rows import add_articles, add_mentions

KNOWN = datetime(2026, 3, 3, 11, tzinfo=UTC)


def rows(context: Context, columns: str = "article_id, entity_id, status") -> list[tuple[object, ...]]:
    with context.warehouse.read() as con:
        return con.execute(f"SELECT {columns} FROM scores ORDER BY ALL").fetchall()


def target(**changes: object) -> Target:
    values: dict[str, object] = {
        "article_id": "a", "revision": 0, "entity_id": "", "kind": "news", "language": "en",
        "title": "Profit rises", "surface": None, "imported": False, "known_at": KNOWN,
    }  # fmt: skip
    return Target(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"kind": "filing"}, Status.FILING),
        ({"title": ""}, Status.EMPTY),
        ({"title": None}, Status.EMPTY),
        ({"title": "🚀🚀 — !"}, Status.EMPTY),
        ({"language": "de", "title": "Gewinn steigt"}, Status.LANGUAGE),
        ({"language": "en-GB"}, None),
        ({"language": None}, None),
        ({"language": "de", "title": "Velmont raises its outlook after strong sales"}, None),
        ({"title": "Der Umsatz stieg im dritten Quartal um 4 Prozent"}, Status.LANGUAGE),
        ({"title": "8-K - Velmont Inc (0001234567) (Filer)"}, Status.FILING),
        ({"title": "Actress stuns in emerald gown on red carpet"}, Status.NOT_FINANCIAL),
        ({"title": "Actress stuns in emerald gown on red carpet", "linked": True}, None),
    ],
)
def test_what_cannot_be_scored_says_so(changes: dict[str, object], expected: Status | None) -> None:
    assert status_before(target(**changes)) == expected


def test_an_unsure_answer_abstains() -> None:
    assert status_of([0.4, 0.35, 0.25], 0.5) is Status.ABSTAINED
    assert status_of([0.1, 0.2, 0.7], 0.5) is Status.SCORED


def test_chunks_keep_order_and_lose_nothing() -> None:
    targets = [target(article_id=str(i)) for i in range(7)]
    assert [len(chunk) for chunk in chunks(targets, 3)] == [3, 3, 1]
    assert [t for chunk in chunks(targets, 3) for t in chunk] == targets


def test_articles_and_their_entities_are_scored_once(context: Context) -> None:
    add_articles(
        context.warehouse, [{"article_id": "a", "title": "Loss"}, {"article_id": "b", "title": "maybe"}], KNOWN
    )
    add_mentions(context.warehouse, [("a", "co:x", 0.9), ("a", "co:faint", 0.1)])
    report = run(context, scorer=WordScorer())
    assert rows(context) == [("a", "", "scored"), ("a", "co:x", "scored"), ("b", "", "abstained")]
    assert report.counts == {"scored": 2, "abstained": 1}
    again = WordScorer()
    assert run(context, scorer=again).counts == {}
    assert again.asked == 0


def test_at_most_five_entities_of_an_article_the_most_relevant(context: Context) -> None:
    add_articles(context.warehouse, [{"article_id": "a"}], KNOWN)
    add_mentions(context.warehouse, [("a", f"co:{i}", 0.3 + i / 10) for i in range(7)])
    run(context, scorer=WordScorer())
    assert [entity for _, entity, _ in rows(context)] == ["", *(f"co:{i}" for i in range(2, 7))]


def test_filings_and_foreign_text_carry_no_probabilities(context: Context) -> None:
    articles = [
        {"article_id": "f", "kind": "filing", "title": "4 - Someone"},
        {"article_id": "g", "language": "de", "title": "Gewinn"},
    ]
    add_articles(context.warehouse, articles, KNOWN)
    run(context, scorer=WordScorer())
    assert rows(context, "status, p_negative, topic") == [("filing", None, None), ("language", None, None)]


def test_imported_rows_inherit_known_at_and_observed_rows_do_not(context: Context, clock: MovableClock) -> None:
    old = KNOWN - timedelta(days=400)
    add_articles(context.warehouse, [{"article_id": "old", "imported": True}], old)
    add_articles(context.warehouse, [{"article_id": "seen"}], KNOWN)
    run(context, scorer=WordScorer())
    assert rows(context, "article_id, known_at, recorded_at") == [
        ("old", old, clock.now),
        ("seen", clock.now, clock.now),
    ]


def test_only_the_newest_revision_is_scored(context: Context) -> None:
    add_articles(context.warehouse, [{"article_id": "a"}, {"article_id": "a", "revision": 1, "title": "Profit"}], KNOWN)
    run(context, scorer=WordScorer())
    assert rows(context, "article_id, revision") == [("a", 1)]


@pytest.mark.parametrize(("waiting", "parts"), [(0, 0), (100, 0), (101, 2), (200, 2), (201, 3)])
def test_there_are_parts_only_where_more_waits_than_one_takes(waiting: int, parts: int) -> None:
    assert shards_for(waiting, 100) == [Shard(number, parts) for number in range(parts)]


def test_parts_in_any_order_and_the_run_that_closes_them_score_everything_once(context: Context) -> None:
    few = replace(context, settings=context.settings.model_copy(update={"model": context.settings.model.model_copy(
        update={"shard_rows": 8})}))  # fmt: skip
    add_articles(context.warehouse, [{"article_id": f"a{i}", "title": "Loss"} for i in range(20)], KNOWN)
    add_mentions(context.warehouse, [("a0", "co:x", 0.9)])
    parts = shards(few)
    assert parts == [Shard(0, 3), Shard(1, 3), Shard(2, 3)]
    scorer = WordScorer()
    done = [sum(run(few, scorer=scorer, shard=part).counts.values()) for part in reversed(parts)]
    assert sum(done) == 21
    assert all(done), "the hash shares them out"
    with context.warehouse.read() as con:
        assert active_model(con) is None, "a part never makes a model the active one"
    assert run(few, scorer=scorer).counts == {}
    assert len(rows(context)) == 21
    with context.warehouse.read() as con:
        assert active_model(con) is not None
    assert shards(few) == []


def test_nothing_waits_once_all_is_scored_and_explained(context: Context) -> None:
    assert not nothing_waits(context), "a first model has to be made the active one"
    add_articles(context.warehouse, [{"article_id": "a", "title": "Profit"}], KNOWN)
    run(context, scorer=WordScorer())
    assert nothing_waits(context)
    add_articles(context.warehouse, [{"article_id": "b", "title": "Loss"}], KNOWN)
    assert not nothing_waits(context)
    run(context, scorer=WordScorer())
    assert not nothing_waits(context), "the words behind the loss are not kept yet"
