"""`link`: which companies, instruments and institutions an article is about, how centrally, and why risk might care."""

from __future__ import annotations

from pipeline.context import Context, Report, reporting
from pipeline.link import tables
from pipeline.link.linker import Linked, Linker, open_linker
from pipeline.warehouse import Transaction

__all__ = ["CHUNK", "Linked", "Linker", "open_linker", "run"]

CHUNK = 20_000


def run(context: Context) -> Report:
    """Link every newest revision that this gazetteer and these themes have not linked yet.

    Raises:
        InputError: a file of [link] entities cannot be used.
    """
    with reporting("link") as report:
        linker = open_linker(context.settings.link.entities)
        _keep_entities(context, linker, report)
        with context.warehouse.read() as con:
            total = tables.count_unlinked(con, linker.version)
        done = 0
        while articles := _next(context, linker):
            linked = [linker.link(one.title, one.summary, one.dated.date()) for one in articles]
            _keep(context, linker, articles, linked, report)
            done += len(articles)
            context.progress("link", done, max(total, done))
    return report


def _next(context: Context, linker: Linker) -> list[tables.Article]:
    with context.warehouse.read() as con:
        return tables.unlinked(con, linker.version, CHUNK)


def _keep_entities(context: Context, linker: Linker, report: Report) -> None:
    with context.warehouse.read() as con:
        stored = tables.stored_entities(con)
    changed = [entity for entity in linker.gazetteer.entities.values() if entity not in stored]
    if changed:
        rows = tables.entity_table(changed)
        context.warehouse.transact("catalogue", lambda tx: tx.upsert("entities", rows, ["entity_id"]))
        report.add("entities", len(changed))


def _keep(
    context: Context, linker: Linker, articles: list[tables.Article], linked: list[Linked], report: Report
) -> None:
    mentions = tables.mention_table(articles, linked, linker.version)
    themes = tables.theme_table(articles, linked, linker.themes.version)

    def write(tx: Transaction) -> tuple[int, int]:
        keys = ["article_id", "revision", "entity_id"]
        added = tx.insert_new("mentions", mentions, [*keys, "linker_version"])
        return added, tx.insert_new("themes", themes, [*keys, "theme", "pattern_version"])

    mentions_added, themes_added = context.warehouse.transact("mentions", write)
    report.add("articles", len(articles))
    report.add("mentions", mentions_added - len(articles) if mentions_added else 0)
    report.add("themes", themes_added)
