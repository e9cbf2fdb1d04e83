"""Many articles at once: the order of arrival, the size of the pieces and repeats lead to the same stories."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline.fold.decide import How, story_id
from pipeline.fold.folding import fold
from pipeline.fold.records import Article
from pipeline.fold.rows import MemberRow, Placed, member_rows
from pipeline.fold.text import gist

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
_PORTS = "Dockworkers press demands at northern ports over pension terms and holiday rosters"
# Of the ports the second and third are too unlike each other: the first shows that they are one story.
TEXTS = {
    "ports-0": _PORTS,
    "ports-1": f"{_PORTS} despite heavy snow",
    "ports-2": f"{_PORTS} citing rotten canteen",
    "holt-0": "Holt shares plunge after profit warning",
    "holt-1": "UPDATE 1-Holt shares plunge after profit warning",
    "holt-2": "Holt stock tumbles following profit warning",
    "maar-0": "Maar shares plunge after profit warning",
    "maar-1": "Maar shares plunge after profit warning - Reuters",
    "gold-0": "Gold touches record as dollar weakens",
}


def article(name: str) -> Article:
    event, number = name.split("-")
    named = frozenset({f"t:{event}"} if event in ("holt", "maar") else ())
    when = NOON + timedelta(hours=int(number))
    return Article(name, "news", gist(TEXTS[name], ""), named, when, when, named)


def newest(rows: Sequence[MemberRow]) -> dict[str, str]:
    """The story of each article: the newest row holds."""
    return {row.article_id: row.story_id for row in rows}


def arrive(pieces: Sequence[Sequence[str]]) -> list[MemberRow]:
    """All rows written when articles arrive in these pieces."""
    rows: list[MemberRow] = []
    for piece in pieces:
        standing = newest(rows)
        begun = {row.story_id: article(row.article_id).known_at for row in reversed(rows) if row.how == How.FIRST.value}
        members = [(article(name), story, begun[story]) for name, story in sorted(standing.items())]
        new = [article(name) for name in piece]
        placed = [Placed(name, None, "", made) for name, made in zip(piece, fold(members, new), strict=True)]
        before = {
            story: [(name, NOON) for name, at in standing.items() if at == story] for story in set(standing.values())
        }
        rows += member_rows(placed, before)
    return rows


@given(st.permutations(sorted(TEXTS)), st.sets(st.integers(1, len(TEXTS) - 1)))
def test_any_order_in_any_pieces_ends_with_the_same_stories(order: list[str], cuts: set[int]) -> None:
    ends = [0, *sorted(cuts), len(order)]
    rows = arrive([order[a:b] for a, b in pairwise(ends)])
    stories = newest(rows)
    together: dict[str, set[str]] = {}
    for name, story in stories.items():
        together.setdefault(story, set()).add(name)
    events = [{name for name in TEXTS if name.startswith(event)} for event in ("ports", "holt", "maar", "gold")]
    assert sorted(map(sorted, together.values())) == sorted(map(sorted, events))
    # Every id is that of a story which began with one of its own, and no article is twice in one story.
    assert all(story in {story_id(name) for name in names} for story, names in together.items())
    assert len({(row.article_id, row.story_id) for row in rows}) == len(rows)


def test_one_who_shows_that_two_are_one_moves_the_younger_by_new_rows() -> None:
    rows = arrive([["ports-1"], ["ports-2"], ["ports-0"]])
    assert [(row.article_id, row.story_id, row.how) for row in rows] == [
        ("ports-1", story_id("ports-1"), "first"),
        ("ports-2", story_id("ports-2"), "first"),
        ("ports-0", story_id("ports-1"), "near"),
        ("ports-2", story_id("ports-1"), "merged"),
    ]
