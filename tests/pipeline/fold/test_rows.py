"""From decisions to rows: one per article, and more when stories merge, each with the clock it was known by."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipeline.fold.decide import Decision, How
from pipeline.fold.records import Reason
from pipeline.fold.rows import MemberRow, Placed, member_rows

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)


def placed(article: str, story: str, *merges: str, known_at: datetime | None = None) -> Placed:
    return Placed(article, known_at, "", Decision(story, How.EXACT, Reason.SAME_TEXT, 1.0, merges=merges))


def moves(rows: list[MemberRow]) -> list[tuple[str, str, datetime | None]]:
    return [(row.article_id, row.story_id, row.known_at) for row in rows if row.how == "merged"]


def test_a_merge_moves_who_stands_in_the_younger_story() -> None:
    rows = member_rows([placed("c", "s1", "s2")], {"s2": [("b", NOON)]})
    assert [(row.article_id, row.story_id) for row in rows] == [("c", "s1"), ("b", "s1")]
    assert moves(rows) == [("b", "s1", None)]


def test_it_moves_those_placed_in_the_same_chunk_too() -> None:
    rows = member_rows([placed("a", "s2"), placed("b", "s1", "s2"), placed("c", "s0", "s1")], {})
    # a went to s1, then with b to s0: both moves were written by one clock, and the last one holds.
    assert moves(rows) == [("a", "s0", None), ("b", "s0", None)]


def test_an_archives_merge_is_known_when_the_article_is_that_showed_it() -> None:
    late = NOON + timedelta(hours=5)
    rows = member_rows(
        [placed("c", "s1", "s2", known_at=late)], {"s2": [("b", NOON), ("z", late + timedelta(hours=1))]}
    )
    assert moves(rows) == [("b", "s1", late), ("z", "s1", late + timedelta(hours=1))]
