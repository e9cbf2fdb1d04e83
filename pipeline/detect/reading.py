"""What `detect` reads: recent buckets, the past to fit, fits at hand, the lives of incidents, names."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import duckdb
import pandas as pd
import pyarrow as pa

from models.taxonomy import taxonomy
from pipeline.detect.findings import Labels
from pipeline.detect.fits import BUCKET, GUARD, WINDOW, Fit, Status
from pipeline.detect.rules import Rules
from pipeline.incidents import Action, Event, Incident, Reason, Severity, fold

__all__ = [
    "TRENDS",
    "began",
    "fit_rows",
    "fits_for",
    "keys_of",
    "labels",
    "lives",
    "memory",
    "missing_days",
    "past_of",
    "recent",
]

_COUNTS = """
    SELECT bucket_start, grain, scope, key, model_version, news_volume, story_count, negative_stories, owners,
           covered / expected AS coverage, recorded_at AS counted_at
    FROM trends WHERE model_version = $model_version"""
TRENDS = ("bucket_start", "scope", "key", "story_count", "negative_stories")
_MEMORY = timedelta(days=30)


def recent(
    con: duckdb.DuckDBPyConnection,
    model_version: str,
    since: datetime,
    grain: str | None = None,
    scopes: Collection[str] | None = None,
) -> pd.DataFrame:
    """The buckets of all series (of a grain and of `scopes`, if given) from `since` on."""
    bound = {"model_version": model_version, "since": since, "grain": grain, "scopes": sorted(scopes or ())}
    sql = f"{_COUNTS} AND bucket_start >= $since AND ($grain IS NULL OR grain = $grain)" + (
        " AND (len($scopes::VARCHAR[]) = 0 OR scope IN (SELECT unnest($scopes::VARCHAR[])))"
    )
    frame: pd.DataFrame = con.execute(sql, bound).to_arrow_table().to_pandas()
    return frame


def began(con: duckdb.DuckDBPyConnection, model_version: str, grain: str) -> datetime | None:
    """The first bucket of the whole store, of one grain."""
    row = con.execute(
        "SELECT min(bucket_start) FROM trends WHERE model_version = $model_version AND grain = $grain"
        " AND news_volume > 0",
        {"model_version": model_version, "grain": grain},
    ).fetchone()
    return row[0] if row else None


def past_of(con: duckdb.DuckDBPyConnection, model_version: str, grain: str, days: Sequence[datetime]) -> pd.DataFrame:
    """What fits for `days` need of the past of one grain."""
    bound = {"model_version": model_version, "grain": grain}
    since, until = min(days) - WINDOW[grain], max(days) - GUARD[grain] * BUCKET[grain]
    frame: pd.DataFrame = (
        con.execute(
            f"SELECT {', '.join(TRENDS)} FROM trends WHERE model_version = $model_version AND grain = $grain"
            " AND bucket_start >= $since AND bucket_start < $until",
            bound | {"since": since, "until": until},
        )
        .to_arrow_table()
        .to_pandas()
    )
    return frame


def fits_for(con: duckdb.DuckDBPyConnection, model_version: str, days: Sequence[datetime]) -> pd.DataFrame:
    """The fits at hand for these days."""
    frame: pd.DataFrame = (
        con.execute(
            "SELECT fit_id, scope, key, grain, model_version, fitted_for, status, n_baseline, parameters FROM fits"
            " WHERE model_version = ? AND fitted_for IN (SELECT unnest(?::TIMESTAMPTZ[])) ORDER BY fit_id",
            [model_version, list(days)],
        )
        .to_arrow_table()
        .to_pandas()
    )
    return frame


def missing_days(fits: pd.DataFrame, grain: str, days: Sequence[datetime], first: datetime | None) -> list[datetime]:
    """The days for which no series of the grain has a fit, or one that lacked a past which the store has by now, or one
    of a version that knew no volumes.

    `first`: the store's first bucket. An archive moves it, and must end the warm-up of today, not only of tomorrow.
    """
    ours = fits[fits["grain"] == grain]
    there = set(pd.to_datetime(ours["fitted_for"], utc=True))
    poor = ours.loc[ours["status"] != Status.OK.value, ["fitted_for", "parameters"]]
    oldest: dict[pd.Timestamp, datetime] = {}
    for day, text in zip(pd.to_datetime(poor["fitted_for"], utc=True), poor["parameters"], strict=True):
        at = datetime.fromisoformat(json.loads(text)["began"])
        oldest[day] = min(at, oldest.get(day, at))
    outdated = {day for day, at in oldest.items() if first and at > first}
    able = ours[ours["status"] == Status.OK.value]
    outdated |= set(pd.to_datetime(able["fitted_for"], utc=True)[~able["parameters"].str.contains('"volumes"')])
    return [day for day in days if pd.Timestamp(day) not in there - outdated]


def fit_rows(fits: Sequence[Fit]) -> pa.Table:
    """Rows of `fits`."""
    return pa.table(
        {
            "fit_id": [fit.fit_id for fit in fits],
            "scope": [fit.scope for fit in fits],
            "key": [fit.key for fit in fits],
            "grain": [fit.grain for fit in fits],
            "model_version": [fit.model_version for fit in fits],
            "fitted_for": pa.array([fit.fitted_for for fit in fits], pa.timestamp("us", tz="UTC")),
            "status": [fit.status.value for fit in fits],
            "n_baseline": pa.array([fit.n_baseline for fit in fits], pa.int32()),
            "parameters": [fit.as_json() for fit in fits],
        }
    )


def memory(rules: Rules, horizon: timedelta) -> timedelta:
    """How long a key's resolved incidents are remembered, so that what they told does not alarm again.

    Thirty days, but never shorter than the longest cooldown in force, nor than `horizon`: so long the same article or
    bucket is found again. (What a receiver was told, `repeat_interval` with it, is read from `notifications`, all.)
    """
    return max(_MEMORY, horizon, *(rule.cooldown for rule in rules.rules))


def lives(con: duckdb.DuckDBPyConnection, since: datetime) -> dict[str, list[Incident]]:
    """Open incidents, and those resolved `since` then, folded from their events: dedup key -> oldest first."""
    rows = con.execute(
        "SELECT e.event_id, e.incident_id, e.seq, e.happened_at, e.action, e.reason, e.severity, e.actor, e.detail"
        " FROM incident_events AS e WHERE e.incident_id IN (SELECT incident_id FROM incidents"
        " WHERE state <> 'resolved' OR resolved_at >= $since) ORDER BY e.incident_id, e.seq",
        {"since": since},
    ).fetchall()
    events: dict[str, list[Event]] = {}
    for row in rows:
        event = Event(
            row[0], row[1], row[2], row[3], Action(row[4]), Reason(row[5]), Severity(row[6]), row[7] or "", row[8]
        )
        events.setdefault(event.incident_id, []).append(event)
    found: dict[str, list[Incident]] = {}
    for incident in sorted(
        (fold(of_one) for of_one in events.values()), key=lambda one: (one.opened_at, one.incident_id)
    ):
        found.setdefault(incident.dedup_key, []).append(incident)
    return found


def labels(con: duckdb.DuckDBPyConnection) -> Labels:
    """Names of entities and topics."""
    names = con.execute("SELECT entity_id, any_value(name) FROM entities GROUP BY entity_id").fetchall()
    return Labels(dict(names), taxonomy().names)


def keys_of(con: duckdb.DuckDBPyConnection) -> dict[str, set[str]]:
    """Scope to the keys that the store has: of its trends, its entities and their sectors, its feeds."""
    rows = con.execute(
        "SELECT DISTINCT scope, key FROM trends"
        " UNION SELECT 'entity', entity_id FROM entities UNION SELECT 'sector', sector FROM entities WHERE sector <> ''"
        " UNION SELECT 'publisher', publisher FROM publishers UNION SELECT 'feed', feed_id FROM feeds"
    ).fetchall()
    found: dict[str, set[str]] = {}
    for scope, key in rows:
        found.setdefault(str(scope), set()).add(str(key))
    return found
