"""What a finding was computed from, as JSON and back, so that it is found again without the store: numbers and ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from pipeline.detect.events import Sighting
from pipeline.detect.excess import MARKET
from pipeline.detect.findings import Finding, Labels
from pipeline.detect.judging import Seen
from pipeline.detect.ourselves import Failing, Vitals
from pipeline.detect.rules import Health, Kind
from pipeline.detect.volume import Usual
from pipeline.health import WINDOW_HOURS
from pipeline.local_time import LocalTime
from pipeline.machine import Disk
from pipeline.series.coverage import FeedHistory
from pipeline.watchlists import WatchList, WatchLists

__all__ = ["as_json", "narrowed", "read"]

_MOMENTS = ("article_at", "waiting_since", "published_at", "feeds_since")


def narrowed(seen: Seen, finding: Finding) -> Seen:
    """The part of `seen` from which the finding comes: one series (of shares the market too), one name or one feed."""
    rule, found = finding.rule, finding.detection
    nothing = Seen(seen.trends.iloc[:0], seen.fits.iloc[:0], (), (), _label(finding))
    if rule.kind is Kind.EVENT:
        told = tuple(one for one in seen.sightings if one.entity_id == found.key)
        return Seen(nothing.trends, nothing.fits, told, (), nothing.labels)
    if rule.what is Health.LATE_FEED:
        feeds = tuple(_recent(one) for one in seen.feeds if one.feed_id == found.key)
        return Seen(nothing.trends, nothing.fits, (), feeds, nothing.labels)
    if rule.scope == "pipeline":
        return Seen(nothing.trends, nothing.fits, (), (), nothing.labels, vitals=seen.vitals)
    grain = "hour" if rule.kind is Kind.HEALTH else rule.grain
    trends, fits = seen.of_series(rule.scope, found.key, grain)
    if rule.kind is Kind.HEALTH:
        return Seen(trends, nothing.fits, (), (), nothing.labels)
    if rule.kind is Kind.VOLUME:
        usual = {grain: _one(seen.usual[grain], rule.scope, found.key)}
        return Seen(trends, nothing.fits, (), (), nothing.labels, usual)
    if rule.scope != MARKET[0]:
        of_market = seen.of_series(*MARKET, grain)
        trends, fits = (_both(*pair) for pair in zip((trends, fits), of_market, strict=True))
    return Seen(trends, fits, (), (), nothing.labels)


def _both(ours: pd.DataFrame, market: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([ours, market], ignore_index=True) if len(market) else ours


def as_json(seen: Seen, finding: Finding, watched: WatchLists, oldest: datetime, now: datetime) -> dict[str, Any]:
    """The inputs of one finding. `seen` is narrowed to it first; the rule stands with the decision."""
    part = narrowed(seen, finding)
    told: dict[str, Any] = {
        "horizon_start": oldest.isoformat(),
        "label": finding.detection.label,
        "limit": finding.numbers.get("limit"),
        "now": now.isoformat(),
        "p_limit": finding.rule.p_limit,
        "watchlists": [
            {"name": one.name, "owner": one.owner, "tier": tier}
            for one in watched.lists
            if (tier := one.tier_of(finding.detection.key)) is not None
        ],
    }
    if len(part.trends):
        told["trends"] = _frame(part.trends)
    if len(part.fits):
        told["fits"] = _frame(part.fits)
    if part.usual:
        told["usual"] = [
            {"grain": one.grain, "mean": one.mean.tolist(), "alpha": one.alpha.tolist(), "at": one.at.isoformat()}
            for one in part.usual.values()
        ]
    if part.sightings:
        told["sightings"] = [
            {**vars(one), "owners": list(one.owners), "known_at": one.known_at.isoformat()} for one in part.sightings
        ]
    if finding.rule.scope == "pipeline":
        told["vitals"] = _vitals(part.vitals)
    if part.feeds:
        told["feeds"] = [_feed(one) for one in part.feeds]
    return told


def read(told: Mapping[str, Any], scope: str, key: str) -> tuple[Seen, WatchLists]:
    """The inputs as `as_json` kept them."""
    labels = Labels({key: told["label"]}, {key: str(told["label"]).removeprefix("Topic: ")})
    usual = {
        one["grain"]: Usual(
            one["grain"],
            {(scope, key): 0} if one["alpha"] else {},
            np.array(one["mean"], np.float64),
            np.array(one["alpha"], np.float64),
            datetime.fromisoformat(one["at"]),
        )
        for one in told.get("usual", ())
    }
    sightings = tuple(
        Sighting(
            **{**one, "owners": tuple(one["owners"]), "known_at": datetime.fromisoformat(one["known_at"])},
        )
        for one in told.get("sightings", ())
    )
    feeds = tuple(_history(one) for one in told.get("feeds", ()))
    vitals = _read_vitals(told["vitals"]) if "vitals" in told else Vitals()
    seen = Seen(_table(told.get("trends")), _table(told.get("fits")), sightings, feeds, labels, usual, vitals)
    return seen, WatchLists(tuple(_list(one, key) for one in told["watchlists"]))


def _list(told: Mapping[str, Any], key: str) -> WatchList:
    tiers = {tier: frozenset({key} if told["tier"] == tier else ()) for tier in (1, 2)}
    return WatchList(told["name"], told["owner"], tiers[1], tiers[2])


def _label(finding: Finding) -> Labels:
    key, label = finding.detection.key, finding.detection.label
    return Labels({key: label}, {key: label.removeprefix("Topic: ")})


def _one(known: Usual, scope: str, key: str) -> Usual:
    rows = [known.place[scope, key]] if (scope, key) in known.place else []
    place = {(scope, key): 0} if rows else {}
    return Usual(known.grain, place, known.mean[rows], known.alpha[rows], known.at)


def _recent(feed: FeedHistory) -> FeedHistory:
    """The arrivals from which its cadence comes; no polls, which only coverage looks at."""
    last = float(feed.arrivals[-1]) if feed.arrivals.size else 0.0
    ours = feed.arrivals[feed.arrivals >= last - WINDOW_HOURS]
    empty = np.empty(0)
    return FeedHistory(
        feed.feed_id, feed.publisher, feed.title, feed.added, empty, ours, empty, feed.removed, feed.place
    )


def _feed(feed: FeedHistory) -> dict[str, Any]:
    # JSON knows no infinity: a clock's first offset holds since ever, a feed may never have been removed.
    return {
        "added": feed.added,
        "arrivals": feed.arrivals.tolist(),
        "feed_id": feed.feed_id,
        "offsets": feed.place.offsets.tolist(),
        "publisher": feed.publisher,
        "removed": None if np.isinf(feed.removed) else feed.removed,
        "starts": feed.place.starts.tolist()[1:],
        "title": feed.title,
    }


def _history(told: Mapping[str, Any]) -> FeedHistory:
    empty = np.empty(0)
    place = LocalTime(np.array([-np.inf, *told["starts"]]), np.array(told["offsets"], np.float64))
    return FeedHistory(
        told["feed_id"], told["publisher"], told["title"], told["added"], empty,
        np.array(told["arrivals"], np.float64), empty, np.inf if told["removed"] is None else told["removed"], place,
    )  # fmt: skip


def _vitals(vitals: Vitals) -> dict[str, Any]:
    told = asdict(vitals)
    for name in _MOMENTS:
        told[name] = told[name].isoformat() if told[name] else None
    return told | {"failing": [{**one, "since": one["since"].isoformat()} for one in told["failing"]]}


def _read_vitals(told: Mapping[str, Any]) -> Vitals:
    # Older evidence lacks what was not looked at then.
    moments = {name: datetime.fromisoformat(told[name]) if told.get(name) else None for name in _MOMENTS}
    failing = tuple(Failing(**{**one, "since": datetime.fromisoformat(one["since"])}) for one in told["failing"])
    return Vitals(**{**told, **moments, "failing": failing, "disk": Disk(**told["disk"]) if told["disk"] else None})


def _frame(frame: pd.DataFrame) -> dict[str, Any]:
    columns = [{"name": str(name), "type": str(kind)} for name, kind in frame.dtypes.items()]
    values = ([_cell(value) for value in frame[name].tolist()] for name in frame.columns)
    return {"columns": columns, "rows": [list(row) for row in zip(*values, strict=True)]}


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if value is None or (isinstance(value, float) and np.isnan(value)) or value is pd.NaT:
        return None
    return value.item() if isinstance(value, np.generic) else value


def _table(told: Mapping[str, Any] | None) -> pd.DataFrame:
    if told is None:
        return pd.DataFrame(columns=["scope", "grain", "key", "bucket_start", "fitted_for", "status", "coverage"])
    names = [column["name"] for column in told["columns"]]
    rows: Sequence[Sequence[Any]] = told["rows"]
    made: dict[str, Any] = {}
    for place, (name, column) in enumerate(zip(names, told["columns"], strict=True)):
        values = [row[place] for row in rows]
        if str(column["type"]).startswith("datetime64"):
            made[name] = pd.Series(pd.to_datetime(pd.Series(values, dtype="str"), utc=True, format="ISO8601"))
            made[name] = made[name].astype(column["type"])
        elif str(column["type"]).startswith("float"):
            made[name] = pd.Series([np.nan if value is None else float(value) for value in values])
        else:
            made[name] = pd.Series(values, dtype=column["type"])
    return pd.DataFrame(made, columns=names)
