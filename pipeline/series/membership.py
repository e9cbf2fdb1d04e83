"""Which story an article is in: its newest row of `story_members`, on either clock, as of a time or now."""

from __future__ import annotations

__all__ = ["newest_first"]


def newest_first(clock: str) -> str:
    """The order (for ORDER BY) in which an article's rows of `story_members` are read: the first one holds.

    A merge inserts a row. Where the row before it was written in the same transaction, the clocks cannot tell them
    apart: then what was known later counts, and at last the merge.
    """
    return f"{clock} DESC, recorded_at DESC, known_at DESC, coalesce(how = 'merged', false) DESC, story_id"
