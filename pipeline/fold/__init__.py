"""`fold`: fold copies and rewrites of one event into a story, one article at a time, rows only added."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache

import duckdb
from threadpoolctl import threadpool_limits

from pipeline.context import Context, Report, reporting
from pipeline.fold import tables
from pipeline.fold.compare import WINDOW
from pipeline.fold.decide import Decision
from pipeline.fold.folding import Embedder, fold
from pipeline.fold.records import Article
from pipeline.fold.remembering import Remembering
from pipeline.fold.rows import Placed, member_rows
from pipeline.warehouse import Transaction

__all__ = ["CHUNK", "NEIGHBOURS", "run"]

logger = logging.getLogger(__name__)

CHUNK = 8_000
# What is loaded around a chunk, so that memory grows neither with history nor with how much comes.
NEIGHBOURS = 100_000
# A chunk over a crowded time is made smaller; below this it is compared with less of the past instead, which is loaded
# anew for each.
SMALLEST = 500
_LEAST_REACH = timedelta(hours=1)
# What happened within the window of an article became known, a day later at most, within this of it.
_WHOLE = WINDOW + timedelta(days=2)


def run(context: Context, *, embedder: Embedder | None = None, rewrites: bool = True) -> Report:
    """Give every linked article that has none its story, in the order of (known_at, article_id).

    `rewrites`: ask a sentence encoder about articles that name the same but share few words. It is `embedder`, or the
    one that ships, loaded when the first pair needs it.

    Raises:
        ModelError: the encoder is missing or damaged.
    """
    given = Remembering(embedder) if embedder else None
    asked = (lambda: given or load_embedder()) if rewrites else None
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
        chunk, reach = _bounded(con, chunk)
        seen = tables.count_members(con)
        around = tables.members(con, _happened(chunk), _known(chunk, reach), read) if seen else []
    if reach < _WHOLE and not report.notes:
        hours = reach / timedelta(hours=1)
        report.notes.append(f"too many articles for the whole window: compared with those of {hours:.1f} hours")
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


@lru_cache(maxsize=1)
def load_embedder() -> Embedder:
    """The encoder that ships, kept warm for the next run of this process, with what it last read."""
    # torch takes seconds to import: only the run that needs it pays.
    from models.embed import load

    found = Remembering(load())
    logger.info("fold: the sentence encoder is loaded")
    return found


def _bounded(con: duckdb.DuckDBPyConnection, chunk: list[tables.Unfolded]) -> tuple[list[tables.Unfolded], timedelta]:
    """The first of these articles, and how long before and after them what they are compared with became known, so
    that it is at most NEIGHBOURS articles.

    As long as few enough come, the window alone decides. Where more do, the look back and ahead is halved until they
    are few enough, and at last the chunk again.
    """

    def crowded(reach: timedelta) -> bool:
        return tables.count_known(con, *_known(chunk, reach)) > NEIGHBOURS

    while len(chunk) > SMALLEST and crowded(WINDOW):
        chunk = chunk[: max(SMALLEST, len(chunk) // 2)]
    reach = WINDOW
    while reach > _LEAST_REACH and crowded(reach):
        reach /= 2
    while len(chunk) > 1 and crowded(reach):
        chunk = chunk[: len(chunk) // 2]
    return chunk, _WHOLE if reach == WINDOW else reach


def _known(chunk: list[tables.Unfolded], reach: timedelta) -> tuple[datetime, datetime]:
    return chunk[0].article.known_at - reach, chunk[-1].article.known_at + reach


def _happened(chunk: list[tables.Unfolded]) -> tuple[datetime, datetime]:
    happened = [one.article.happened_at for one in chunk]
    return min(happened), max(happened)
