"""What `detect --as-of` and `publish --as-of` do: the stages on a store that ends then; the real one is only read.

The stages are called themselves, not by `run_stage`: this is no cycle, and says nothing of how the pipeline is.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.times import moment
from pipeline.context import Context, Report
from pipeline.errors import UsageError

__all__ = ["AsOfOption", "detect_then", "moment", "publish_then"]

AsOfOption = Annotated[
    datetime | None,
    typer.Option(
        "--as-of",
        formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"],
        help="As the store knew things at this time (UTC).",
    ),
]
_FOUND = """
    SELECT i.incident_id, i.state, i.severity, i.rule, i.scope, i.key, i.label, i.summary, i.fired_at,
        list(e.action || ': ' || e.reason ORDER BY e.seq) AS steps
    FROM incidents AS i JOIN incident_events AS e USING (incident_id)
    WHERE NOT list_contains($known::VARCHAR[], e.event_id)
    GROUP BY ALL ORDER BY i.fired_at DESC NULLS LAST, i.incident_id"""
# So many days of hours are shown beside their expected range.
_FITTED = timedelta(days=14)


def detect_then(context: Context, as_of: datetime) -> tuple[list[Report], list[dict[str, Any]]]:
    """Run `aggregate` and `detect` on the store of then; answers their reports and what the pass changed."""
    from pipeline import aggregate, detect
    from pipeline.then import store

    with store(context, as_of) as past:
        with past.warehouse.read() as con:
            known = [row[0] for row in con.execute("SELECT event_id FROM incident_events").fetchall()]
        reports = [aggregate.run(past, full=True), detect.run(past)]
        with past.warehouse.read() as con:
            found = con.execute(_FOUND, {"known": known})
            names = [column[0] for column in found.description or ()]
            rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    return reports, rows


def publish_then(context: Context, as_of: datetime, to: Path | None) -> list[Report]:
    """Count and fit the series on the store of then, and publish it under `to`.

    Raises:
        UsageError: no folder is named, or it is the live one.
    """
    from pipeline import aggregate, publish
    from pipeline.detect.stage import refresh_fits
    from pipeline.promotion import active_model
    from pipeline.then import store

    if to is None or to.resolve() == context.settings.store.published.resolve():
        raise UsageError("the past is published beside the present, never in its place: name another folder with --to.")
    with store(context, as_of) as past:
        reports = [aggregate.run(past, full=True)]
        with past.warehouse.read() as con:
            model = active_model(con)
        if model is not None:
            first = as_of - _FITTED
            days = [(first + timedelta(days=n)).replace(hour=0, minute=0, second=0, microsecond=0) for n in range(15)]
            refresh_fits(past, model.model_version, days)
        return [*reports, publish.run(past, to=to)]
