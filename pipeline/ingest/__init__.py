"""The stage `ingest`: fetch politely, parse, identify, keep revisions. Feeds by HTTP, archives by `archive`."""

from __future__ import annotations

from pipeline.context import Context, Report, reporting
from pipeline.ingest.catalogue import sync
from pipeline.ingest.client import Fetcher
from pipeline.ingest.fetch import FetchCounts, batches, fetch
from pipeline.ingest.load import load
from pipeline.ingest.rebuild import rebuild

__all__ = ["FetchCounts", "batches", "fetch", "load", "rebuild", "run", "sync"]


def run(context: Context, *, fetcher: Fetcher | None = None) -> Report:
    """One pass: follow the OPML file, fetch what is due, load the spool (with what an earlier run left there)."""
    with reporting("ingest") as report:
        sync(context)
        fetch(context, fetcher=fetcher)
        loaded = load(context)
        report.counts, report.notes = loaded.counts, loaded.notes
        if waiting := _waiting(context):
            report.add("waiting", waiting)
            report.notes.append(f"waiting after a failure: {waiting} (`barograph feeds list` says until when)")
    return report


def _waiting(context: Context) -> int:
    with context.warehouse.read() as con:
        row = con.execute(
            "SELECT count(*) FROM feeds WHERE status = 'active' AND next_fetch_at > ?", [context.clock()]
        ).fetchone()
    return int(row[0]) if row else 0
