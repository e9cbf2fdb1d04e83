"""What the pages read: the current snapshot, opened again when a newer one is published, and small views of it."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.publish.snapshot import Snapshot, current_id
from pipeline.series.index import with_index

__all__ = ["MARKET", "SHOWN", "Reader", "Series", "View", "evidence_of", "incidents_of", "parse_series", "ranked"]

MARKET = "market:all"
SHOWN = {"hour": timedelta(days=7), "day": timedelta(days=90)}
_SCOPES = ("market", "topic", "sector", "theme", "entity", "publisher")


@dataclass(frozen=True)
class Series:
    """One series ready to draw. `rows`: a row per bucket that had anything, with index and expected range."""

    scope: str
    key: str
    grain: str
    label: str
    rows: pd.DataFrame
    incidents: pd.DataFrame
    models: pd.DataFrame
    until: datetime


@dataclass
class View:
    """One snapshot and the tables of it that were asked for, kept until the next one."""

    snapshot: Snapshot
    _tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    _arrow: dict[str, pa.Table] = field(default_factory=dict)

    def table(self, name: str) -> pd.DataFrame:
        """A small table, whole; not to be changed."""
        if name not in self._tables:
            self._tables[name] = self.snapshot.table(name)
        return self._tables[name]

    def rows(self, name: str, where: pc.Expression, columns: list[str] | None = None) -> pd.DataFrame:
        """Rows of a large table, which is kept as Arrow: opening its many parts costs more than searching them."""
        if name not in self._arrow:
            self._arrow[name] = self.snapshot.arrow(name)
        found = self._arrow[name].filter(where)
        frame: pd.DataFrame = (found.select(columns) if columns else found).to_pandas()
        return frame

    def options(self) -> list[dict[str, str]]:
        """The series to choose from: market, topics, sectors, themes, companies, publishers; `scope:key` as value."""
        labels, entities = self.table("labels"), self.table("entities")
        kinds = dict(zip(entities["entity_id"], entities["kind"], strict=True))
        rank = {scope: place for place, scope in enumerate(_SCOPES)}
        rows = sorted(
            zip(labels["scope"], labels["key"], labels["label"], strict=True),
            key=lambda row: (rank.get(row[0], len(rank)), str(row[2]).casefold()),
        )
        return [
            {
                "value": f"{scope}:{key}",
                "label": label if scope == "market" else f"{_scope_word(scope, kinds.get(key))}: {label}",
            }
            for scope, key, label in rows
        ]

    def until(self) -> datetime:
        """Where charts end: now, or the end of the newest bucket of an archive that ended long ago."""
        now = self.snapshot.manifest.published_at
        trends = self.daily()
        if trends.empty:
            return now
        newest: datetime = trends["bucket_start"].max() + pd.Timedelta(days=1)
        return now if now - newest < timedelta(days=3) else newest

    def daily(self) -> pd.DataFrame:
        """The daily rows of all series, under the active model."""
        if "daily" not in self._tables:
            where = (pc.field("grain") == "day") & (pc.field("model_version") == self.model_version)
            columns = ["scope", "key", "bucket_start", "story_count", "negative_stories"]
            self._tables["daily"] = self.rows("trends", where, columns)
        return self._tables["daily"]

    @property
    def model_version(self) -> str:
        """The active version; empty before the first."""
        return self.snapshot.manifest.model_version or ""

    def series(self, scope: str, key: str, grain: str) -> Series:
        """One series over the shown time; its index rests on all that was published of its past."""
        same = (pc.field("scope") == scope) & (pc.field("key") == key) & (pc.field("grain") == grain)
        active = pc.field("model_version") == self.model_version
        rows = self.rows("trends", same & active).sort_values("bucket_start").reset_index(drop=True)
        rows = with_index(rows, grain) if len(rows) else rows
        until = self.until()
        since = until - SHOWN[grain]
        columns = ["bucket_start", "expected", "low", "high", "p_value", "status"]
        ranges = self.rows("expected", same & (pc.field("bucket_start") >= pa.scalar(since)), columns)
        rows = rows.rename(columns={"expected": "arrivals_expected"})
        rows = rows[rows["bucket_start"] >= since].merge(ranges, on="bucket_start", how="left")
        incidents = incidents_of(self, scope, key)
        labels = self.table("labels")
        named = labels[(labels["scope"] == scope) & (labels["key"] == key)]["label"]
        label = str(named.iloc[0]) if len(named) else key
        return Series(
            scope,
            key,
            grain,
            label,
            rows.reset_index(drop=True),
            incidents[incidents["fired_at"] >= since],
            _switches(self.table("models"), since),
            until,
        )


def _switches(models: pd.DataFrame, since: datetime) -> pd.DataFrame:
    """Activations since then, but for the very first: a store's first model takes over from nobody."""
    active = models[models["status"] == "active"].sort_values("recorded_at")[1:]
    return active[active["recorded_at"] >= since]


class Reader:
    """Hands out the current view. One per server; safe for its threads."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = threading.Lock()
        self._view: View | None = None

    def view(self) -> View:
        """The view of the newest snapshot.

        Raises:
            SnapshotMissing: nothing was published yet.
        """
        with self._lock:
            if self._view is None or self._view.snapshot.snapshot_id != current_id(self.root):
                self._view = View(Snapshot.open(self.root))
            return self._view


def parse_series(value: object) -> tuple[str, str]:
    """(scope, key) of `scope:key`; the market for anything else."""
    scope, mark, key = str(value or "").partition(":")
    return (scope, key) if mark and scope in _SCOPES and key else ("market", "all")


def incidents_of(view: View, scope: str | None = None, key: str | None = None) -> pd.DataFrame:
    """Incidents that have fired, open ones first, newest first; of one series, or (market, or None) of all."""
    incidents = view.table("incidents")
    # One that was withdrawn before it fired is resolved too, but nobody was ever told of it.
    rows = incidents[incidents["fired_at"].notna()]
    if scope not in (None, "market"):
        rows = rows[(rows["scope"] == scope) & (rows["key"] == key)]
    rows = rows.assign(open=rows["resolved_at"].isna(), started_at=rows["fired_at"])
    return rows.sort_values(["open", "started_at", "incident_id"], ascending=[False, False, True])


def evidence_of(view: View, incident_id: str) -> dict[str, list[dict[str, Any]]]:
    """The payloads an incident rests on, by kind (decision, article, feed), in the order they were kept."""
    rows = view.table("evidence")
    rows = rows[rows["incident_id"] == incident_id].sort_values(["recorded_at", "event_id", "seq"])
    found: dict[str, list[dict[str, Any]]] = {"decision": [], "article": [], "feed": []}
    for kind, payload in zip(rows["kind"], rows["payload"], strict=True):
        found.setdefault(str(kind), []).append(json.loads(payload))
    return found


def ranked(view: View, scope: str, day: str, limit: int) -> pd.DataFrame:
    """The series of a scope by how unusual their negative count is on the open day (`today`) or the one before it.

    Of entities only companies: a currency or an index is a series to draw, but nobody's bad news.
    """
    rows = view.table("unusual")
    rows = rows[(rows["scope"] == scope) & (rows["open"] == (day == "today"))]
    if scope == "entity":
        entities = view.table("entities")
        rows = rows[~rows["key"].isin(entities.loc[entities["kind"] != "company", "entity_id"])]
    rows = rows.sort_values(["p_value", "negative_stories", "story_count", "key"], ascending=[True, False, False, True])
    return rows.head(limit)


def _scope_word(scope: str, kind: str | None) -> str:
    word = (kind or "company") if scope == "entity" else scope
    return word.replace("_", " ").capitalize()
