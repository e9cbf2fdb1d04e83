"""`fold`: fold copies and rewrites of one event into a story, one article at a time, rows only added."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

import duckdb
from threadpoolctl import threadpool_limits

from pipeline.context import Context, Report, reporting
from pipeline.fold import tables
from pipeline.fold.decide import Decision
from pipeline.fold.folding import Embedder, fold
from pipeline.fold.records import Article
from pipeline.fold.rows import Placed, member_rows
from pipeline.warehouse import Transaction

__all__ = ["CHUNK", "NEIGHBOURS", "run"]

logger = logging.getLogger(__name__)

CHUNK = 8_000
# A chunk whose neighbourhood holds more articles than this is made smaller, so that memory does not grow with history.
NEIGHBOURS = 100_000


def run(context: Context, *, embedder: Embedder | None = None, rewrites: bool = True) -> Report:
    """Give every linked article that has none its story, in the order of (known_at, article_id).

    `rewrites`: ask a sentence encoder about articles that name the same but share few words. It is `embedder`, or the
    one that ships, loaded when the first pair needs it.

    Raises:
        ModelError: the encoder is missing or damaged.
    """
    asked = _once(embedder) if rewrites else None
    with reporting("fold") as report:
        with context.warehouse.read() as con:
            total = tables.count_unfolded(con)
        done = 0
        read: dict[str, Article] = {}
        # Products of a few rows: threads that share one wait for each other, spinning, for longer than it takes.
        with threadpool_limits(1, user_api="blas"):
            while total and (folded := _fold_chunk(context, report, asked, read)) is not None:
                done += folded
                context.progress("fold", done, max(total, done))
    return report


def _fold_chunk(
    context: Context, report: Report, embedder: Callable[[], Embedder] | None, read: dict[str, Article]
) -> int | None:
    """Fold the next articles; answers how many (0: another run came first, look again), None when none is left.

    `read` keeps the articles around from chunk to chunk, so that none is read twice in a row.
    """
    with context.warehouse.read() as con:
        chunk = tables.unfolded(con, CHUNK)
        if not chunk:
            return None
        chunk = _bounded(con, chunk)
        seen = tables.count_members(con)
        around = tables.members(con, *_span(chunk), read) if seen else []
    read.clear()
    read.update((article.article_id, article) for article, _, _ in around)
    read.update((one.article.article_id, one.article) for one in chunk)
    decisions = fold(around, [one.article for one in chunk], embedder)
    placed = [
        Placed(one.article.article_id, one.article.known_at if one.imported else None, one.wire, decision)
        for one, decision in zip(chunk, decisions, strict=True)
    ]
    merged = {story for decision in decisions for story in decision.merges}
    with context.warehouse.read() as con:
        before = tables.articles_of(con, merged) if merged else {}
    rows = tables.member_table(member_rows(placed, before))

    def write(tx: Transaction) -> bool:
        # Somebody who folded meanwhile may have begun a story that ours should have joined.
        if tables.count_members(tx.con) != seen:
            return False
        tx.insert_new("story_members", rows, ["article_id", "story_id"])
        return True

    if not context.warehouse.transact("stories", write):
        return 0
    _tell(report, decisions)
    return len(decisions)


def _tell(report: Report, decisions: list[Decision]) -> None:
    report.add("articles", len(decisions))
    for decision in decisions:
        report.add(decision.how.value)
        report.add(f"reason_{decision.reason.value}")
        if decision.follows:
            report.add("follows")
        if decision.merges:
            report.add("merged", len(decision.merges))


def _once(embedder: Embedder | None) -> Callable[[], Embedder]:
    held = [embedder] if embedder else []

    def given() -> Embedder:
        if not held:
            # torch takes seconds to import: only the run that needs it pays.
            from models.embed import load

            held.append(load())
            logger.info("fold: the sentence encoder is loaded")
        return held[0]

    return given


def _bounded(con: duckdb.DuckDBPyConnection, chunk: list[tables.Unfolded]) -> list[tables.Unfolded]:
    while len(chunk) > 1 and tables.count_around(con, *_span(chunk)) > NEIGHBOURS:
        chunk = chunk[: len(chunk) // 2]
    return chunk


def _span(chunk: list[tables.Unfolded]) -> tuple[datetime, datetime]:
    happened = [one.article.happened_at for one in chunk]
    return min(happened), max(happened)
