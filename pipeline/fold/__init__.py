"""`fold`: fold copies and rewrites of one event into a story, one article at a time, rows only added."""

from __future__ import annotations

from datetime import datetime

import duckdb

from pipeline.context import Context, Report, reporting
from pipeline.fold import tables
from pipeline.fold.decide import Article, Decision, decide
from pipeline.fold.window import Window
from pipeline.warehouse import Transaction

__all__ = ["CHUNK", "NEIGHBOURS", "run"]

CHUNK = 20_000
# A chunk whose neighbourhood holds more articles than this is made smaller, so that memory does not grow with history.
NEIGHBOURS = 150_000


def run(context: Context) -> Report:
    """Give every linked article that has none its story, in the order of (known_at, article_id)."""
    with reporting("fold") as report:
        with context.warehouse.read() as con:
            total = tables.count_unfolded(con)
        done = 0
        while total and (folded := _fold_chunk(context, report)) is not None:
            done += folded
            context.progress("fold", done, max(total, done))
    return report


def _fold_chunk(context: Context, report: Report) -> int | None:
    """Fold the next articles; answers how many (0: another run came first, look again), None when none is left."""
    with context.warehouse.read() as con:
        chunk = tables.unfolded(con, CHUNK)
        if not chunk:
            return None
        chunk = _bounded(con, chunk)
        seen = tables.count_members(con)
        around = tables.members(con, *_span(chunk)) if seen else []
    decided = _decided(chunk, around)
    rows = tables.member_table(decided)

    def write(tx: Transaction) -> bool:
        # Somebody who folded meanwhile may have begun a story that ours should have joined.
        if tables.count_members(tx.con) != seen:
            return False
        tx.insert_new("story_members", rows, ["article_id"])
        return True

    if not context.warehouse.transact("stories", write):
        return 0
    report.add("articles", len(decided))
    for _, decision in decided:
        report.add(decision.how.value)
        report.add(f"reason_{decision.reason.value}")
    return len(decided)


def _bounded(con: duckdb.DuckDBPyConnection, chunk: list[tables.Unfolded]) -> list[tables.Unfolded]:
    while len(chunk) > 1 and tables.count_around(con, *_span(chunk)) > NEIGHBOURS:
        chunk = chunk[: len(chunk) // 2]
    return chunk


def _span(chunk: list[tables.Unfolded]) -> tuple[datetime, datetime]:
    happened = [one.article.happened_at for one in chunk]
    return min(happened), max(happened)


def _decided(chunk: list[tables.Unfolded], around: list[tuple[Article, str]]) -> list[tuple[tables.Unfolded, Decision]]:
    window = Window()
    window.prepare([article for article, _ in around] + [one.article for one in chunk])
    for article, story in around:
        window.add(article, story)
    decided = []
    for one in chunk:
        decision = decide(one.article, window.candidates(one.article))
        window.add(one.article, decision.story_id)
        decided.append((one, decision))
    return decided
