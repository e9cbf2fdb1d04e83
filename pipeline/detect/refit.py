"""A decision computed anew from the base tables as the store knew them then: counts, fits, findings, compared."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pandas as pd

from pipeline.context import Progress, silent
from pipeline.detect import again, events, fits, inputs, reading, vitals, volume
from pipeline.detect.findings import Finding
from pipeline.detect.judging import Seen
from pipeline.detect.rules import Health, Kind, Rule
from pipeline.series import buckets
from pipeline.series.coverage import histories

__all__ = ["TOLERANCE", "Refitted", "differences", "refitted"]

TOLERANCE = 1e-6
# Coverage moves with every later minute of an open hour: it is shown, and no decision about articles rests on it.
_NOT_COMPARED = ("coverage", "limit")
_READ_AT = "SELECT max(read_at) FROM rebuilds WHERE model_version = ? AND recorded_at <= ?"
_SERIES = ("scope", "key", "grain")
_COUNTS = ("bucket_start", *_SERIES, "story_count", "negative_stories")


@dataclass(frozen=True)
class Refitted:
    """What the rule finds in the recomputed numbers (None: nothing), and what of them was counted otherwise."""

    finding: Finding | None
    counted: tuple[str, ...]


def refitted(
    con: duckdb.DuckDBPyConnection,
    told: Mapping[str, Any],
    given: Mapping[str, Any],
    rules_text: str,
    progress: Progress = silent,
) -> Refitted:
    """The decision again, from `articles` and what was said of them by then, no row of which is younger.

    `told`: the decision, `given`: its inputs, as kept; of these only the rule, the times and the names are used.
    """
    kept, watched = inputs.read(given, told["scope"], told["key"])
    rule, _ = again.rule_of(told, given, rules_text)
    seen, counted = _seen(con, rule, told, given, kept, progress)
    return Refitted(again.found_in(seen, watched, told, given, rules_text), tuple(counted))


def differences(told: Mapping[str, Any], refitted_: Refitted) -> list[str]:
    """In words, what of a decision came out otherwise by more than 1e-6; nothing: it is the same decision."""
    if refitted_.finding is None:
        return [*refitted_.counted, "the recomputed numbers find nothing"]
    finding = refitted_.finding
    now = {**finding.numbers, "severity": finding.detection.severity.value, "summary": finding.detection.summary}
    before = {name: told[name] for name in now if name in told}
    return [*refitted_.counted, *_unlike("", before, now)]


def _unlike(where: str, before: Any, now: Any) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for name in sorted(before.keys() | now.keys()):
            # What `before` does not say, its version did not record.
            if name in _NOT_COMPARED or name not in before:
                continue
            yield from _unlike(f"{where}.{name}".lstrip("."), before.get(name), now.get(name))
    elif isinstance(before, list | tuple) and isinstance(now, list | tuple) and len(before) == len(now):
        for place, pair in enumerate(zip(before, now, strict=True)):
            yield from _unlike(f"{where}[{place}]", *pair)
    elif isinstance(before, float) or isinstance(now, float):
        if before is None or now is None or not math.isclose(before, now, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            yield f"{where}: {before} then, {now} recomputed"
    elif before != now:
        yield f"{where}: {before!r} then, {now!r} recomputed"


def _seen(
    con: duckdb.DuckDBPyConnection,
    rule: Rule,
    told: Mapping[str, Any],
    given: Mapping[str, Any],
    kept: Seen,
    progress: Progress,
) -> tuple[Seen, list[str]]:
    now, oldest = (datetime.fromisoformat(given[name]) for name in ("now", "horizon_start"))
    if rule.kind is Kind.EVENT:
        found = events.sightings(con, told["model_version"], [told["key"]], oldest, now)
        return replace(kept, sightings=tuple(found)), []
    if rule.what is Health.LATE_FEED:
        feeds = [one for one in histories(con, now) if one.feed_id == told["key"]]
        return replace(kept, feeds=tuple(feeds)), []
    version, limit = told["model_version"], told["negative_limit"]
    if rule.scope == "pipeline":
        # Disk and snapshot stand in no base table: they are taken as kept.
        store = vitals.of_store(con, version, histories(con, now), now)
        return replace(kept, vitals=replace(store, disk=kept.vitals.disk, published_at=kept.vitals.published_at)), []
    as_of = _read_at(con, version, kept.trends["counted_at"].max()) if version else now
    days = sorted({moment.date() for moment in pd.to_datetime(kept.trends["bucket_start"], utc=True)})
    recounted = _of_series(_rebuilt(con, version, limit, days, as_of, progress), kept)
    counted = list(_counted_otherwise(kept.trends, recounted))
    trends = _with_counts(kept.trends, recounted)
    if rule.kind is Kind.HEALTH:
        return replace(kept, trends=trends), counted
    if rule.kind is Kind.VOLUME:
        usual = kept.usual[rule.grain]
        past = _past(con, version, limit, rule.grain, usual.at, as_of, progress)
        return replace(
            kept,
            trends=trends,
            usual={rule.grain: volume.usual(past, rule.grain, usual.at, reading.began(con, version, rule.grain))},
        ), counted
    fresh = kept.fits.set_index("fit_id")
    for day in kept.fits["fitted_for"].unique():
        ours = kept.fits[kept.fits["fitted_for"] == day]
        for made in _fits(con, rule, version, limit, ours, pd.Timestamp(day).to_pydatetime(), progress):
            fresh.loc[made.fit_id, ["status", "n_baseline", "parameters"]] = [
                made.status.value, made.n_baseline, made.as_json()
            ]  # fmt: skip
    return replace(kept, trends=trends, fits=fresh.reset_index()), counted


def _read_at(con: duckdb.DuckDBPyConnection, version: str, counted_at: Any) -> datetime:
    """When the pass of `aggregate` that wrote these counts had read the base tables."""
    moment = pd.Timestamp(counted_at).to_pydatetime()
    row = con.execute(_READ_AT, [version, moment]).fetchone()
    return row[0] if row and row[0] else moment


def _rebuilt(
    con: duckdb.DuckDBPyConnection, version: str, limit: float, days: list[date], as_of: datetime, progress: Progress
) -> pd.DataFrame:
    rows = buckets.rebuild(con, version, limit, days, as_of, now=as_of, progress=progress)
    frame: pd.DataFrame = rows.to_pandas()
    return frame


def _of_series(frame: pd.DataFrame, kept: Seen) -> pd.DataFrame:
    """The rows of the series that the finding was computed from."""
    return frame.merge(kept.trends[list(_SERIES)].drop_duplicates(), on=list(_SERIES))


def _counted_otherwise(kept: pd.DataFrame, recounted: pd.DataFrame) -> Iterator[str]:
    both = kept[list(_COUNTS)].merge(
        recounted[list(_COUNTS)], on=["bucket_start", *_SERIES], how="left", suffixes=("", "_now")
    )
    for row in both.to_dict("records"):
        then, now = ([row[f"{name}{end}"] for name in ("negative_stories", "story_count")] for end in ("", "_now"))
        if then != now:
            said = f"{then[0]} of {then[1]} negative then, {now[0]} of {now[1]} recomputed"
            yield f"bucket {row['bucket_start']}: {said}"


def _with_counts(kept: pd.DataFrame, recounted: pd.DataFrame) -> pd.DataFrame:
    names = ["news_volume", "story_count", "negative_stories", "owners"]
    at = ["bucket_start", *_SERIES]
    found = kept[at].merge(recounted[[*at, *names]], on=at, how="left")
    return kept.assign(**{name: found[name].fillna(0).astype(kept[name].dtype).to_numpy() for name in names})


def _past(
    con: duckdb.DuckDBPyConnection,
    version: str,
    limit: float,
    grain: str,
    day: datetime,
    as_of: datetime,
    progress: Progress,
) -> pd.DataFrame:
    """The buckets of one grain that a fit for `day` looks at, as of then."""
    first = (day - fits.WINDOW[grain]).astimezone(UTC).date()
    days = [first + timedelta(days=n) for n in range((day.astimezone(UTC).date() - first).days + 1)]
    frame = _rebuilt(con, version, limit, days, as_of, progress)
    since, until = day - fits.WINDOW[grain], day - fits.GUARD[grain] * fits.BUCKET[grain]
    starts = pd.to_datetime(frame["bucket_start"], utc=True)
    return frame[(frame["grain"] == grain) & (starts >= since) & (starts < until)]


def _fits(
    con: duckdb.DuckDBPyConnection,
    rule: Rule,
    version: str,
    limit: float,
    kept: pd.DataFrame,
    day: datetime,
    progress: Progress,
) -> list[fits.Fit]:
    """The fits of these series for `day` made anew; none where the store no longer knows when they were made."""
    row = con.execute(
        "SELECT max(recorded_at) FROM fits WHERE fit_id IN (SELECT unnest(?::VARCHAR[]))", [kept["fit_id"].tolist()]
    ).fetchone()
    if row is None or row[0] is None:
        return []
    past = _past(con, version, limit, rule.grain, day, _read_at(con, version, row[0]), progress)
    made = fits.fit(past, rule.grain, day, version, reading.began(con, version, rule.grain))
    return [one for one in made if one.fit_id in set(kept["fit_id"])]
