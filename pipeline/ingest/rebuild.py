"""From the raw store back to articles: what was taken in on one day, taken in again; run twice it adds nothing."""

from __future__ import annotations

from datetime import date

from pipeline.context import Context, Report, reporting
from pipeline.errors import InputError
from pipeline.ingest.catalogue import sync
from pipeline.ingest.load import load_again
from pipeline.ingest.parse import Parser
from pipeline.ingest.raw import RawStore

__all__ = ["rebuild"]


def rebuild(context: Context, day: date, *, parser: Parser | None = None) -> Report:
    """The articles of `day` (UTC, by when the store took them in), load by load as they were taken in then.

    Their `known_at` is that of then, their `recorded_at` is now. Feeds that the OPML file does not name are left out.

    Raises:
        InputError: nothing is kept of that day.
    """
    raw = RawStore(context.settings.store.raw)
    days = raw.days()
    if day not in days:
        span = f"kept are {days[0]} to {days[-1]}" if days else "nothing is kept"
        raise InputError(f"--from-raw {day}: of this day no response is kept in {raw.raw} ({span}).")
    with reporting("ingest") as report:
        sync(context)
        for attempts in raw.loads(day):
            load_again(context, attempts, report, parser=parser)
    return report
