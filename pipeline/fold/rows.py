"""From decisions to rows of `story_members`: one per article, and one more per article that a merge moved. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from pipeline.fold.decide import Decision, How

__all__ = ["MemberRow", "Placed", "member_rows"]


class Placed(NamedTuple):
    """An article that was decided. `known_at`: an archive's, None for what was observed (the store's clock then)."""

    article_id: str
    known_at: datetime | None
    wire: str
    decision: Decision


class MemberRow(NamedTuple):
    """One row of `story_members`."""

    story_id: str
    article_id: str
    how: str
    follows: str | None
    wire: str
    known_at: datetime | None


def member_rows(placed: Sequence[Placed], before: Mapping[str, Sequence[tuple[str, datetime]]]) -> list[MemberRow]:
    """The rows of these decisions, in their order. `before`: who stands, in the store, in the stories that merge.

    A merge is known when the article that showed it is: by the archive's clock if that article came from one (not
    before the member itself was known), else by the store's.
    """
    inside: dict[str, list[tuple[str, datetime | None]]] = {story: list(them) for story, them in before.items()}
    rows = []
    moved: dict[tuple[str, datetime | None], MemberRow] = {}
    for one in placed:
        story = one.decision.story_id
        for merged in one.decision.merges:
            for article, known_at in inside.pop(merged, []):
                when = max(one.known_at, known_at) if one.known_at and known_at else None
                # Of several merges at one moment the last one holds.
                moved[article, when] = MemberRow(story, article, How.MERGED.value, None, "", when)
                inside.setdefault(story, []).append((article, when))
        decision = one.decision
        rows.append(MemberRow(story, one.article_id, decision.how.value, decision.follows, one.wire, one.known_at))
        inside.setdefault(story, []).append((one.article_id, one.known_at))
    return rows + list(moved.values())
