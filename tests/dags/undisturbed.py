"""Two stores that took the same news, one of them while it was disturbed: what must be equal, to the row."""

from __future__ import annotations

from pipeline.context import Context
from tests.support.rows import rows

__all__ = ["same_scores", "same_tables"]

_CLOCKS = ("recorded_at", "known_at")
_TABLES = {
    "articles": (*_CLOCKS, "first_seen_at"),
    "mentions": _CLOCKS,
    "themes": _CLOCKS,
    "story_members": _CLOCKS,
}
_SCORES = "SELECT article_id, revision, entity_id, model_version, status{} FROM scores ORDER BY ALL"


def same_tables(found: Context, wanted: Context) -> None:
    """Articles, links, themes and stories but for when they came: nothing is lost, nothing is there twice."""
    for table, clocks in _TABLES.items():
        select = f"SELECT * EXCLUDE ({', '.join(clocks)}) FROM {table} ORDER BY ALL"
        assert rows(found, select) == rows(wanted, select), table


def same_scores(found: Context, wanted: Context) -> None:
    """The same is scored, and with what other batches may round alike."""
    assert rows(found, _SCORES.format("")) == rows(wanted, _SCORES.format(""))
    both = (rows(it, _SCORES.format(", p_negative")) for it in (found, wanted))
    apart = [abs(a[-1] - b[-1]) for a, b in zip(*both, strict=True) if a[-1] is not None]
    assert max(apart) < 0.02, "batches round differently, no more"
