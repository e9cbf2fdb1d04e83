"""The stage `ingest`: fetch politely, parse, identify, keep revisions. Feeds by HTTP, archives by `archive`."""

from __future__ import annotations

import uuid

from pipeline.context import Context, Report, reporting
from pipeline.ingest.catalogue import sync
from pipeline.ingest.client import Fetcher
from pipeline.ingest.fetch import FetchCounts, batches, fetch
from pipeline.ingest.load import load
from pipeline.ingest.rebuild import rebuild
from pipeline.ingest.runs import under_way

__all__ = ["FetchCounts", "batches", "fetch", "load", "rebuild", "run", "sync"]


def run(context: Context, *, fetcher: Fetcher | None = None) -> Report:
    """One pass: follow the OPML file, fetch what is due, load the spool (with what an earlier run left there)."""
    store, name = context.settings.store, context.run_id or uuid.uuid4().hex[:12]
    with reporting("ingest") as report, under_way(store.raw, name, context.clock()):
        sync(context)
        fetch(context, fetcher=fetcher)
        loaded = load(context)
        report.counts, report.notes = loaded.counts, loaded.notes
    return report
