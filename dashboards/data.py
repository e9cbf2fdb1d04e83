"""What the pages read: the current snapshot, opened again when a newer one is published, and small views of it."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from dashboards.query import connect, fetch
from pipeline.publish.search import find
from pipeline.publish.snapshot import Snapshot, current_id
from pipeline.series.index import with_index

__all__ = [
    "MARKET", "SCOPES", "SHOWN", "TRENDS", "Reader", "Series", "View", "evidence_of", "incidents_of", "parse_series",
    "ranked", "stories_of",
]  # fmt: skip

MARKET = "market:all"
SHOWN = {"hour": timedelta(days=7), "day": timedelta(days=90)}
SCOPES = ("market", "topic", "sector", "theme", "entity", "publisher")
TRENDS = """
SELECT * FROM trends WHERE grain = $grain AND scope = $scope AND key = $key AND model_version = $model
ORDER BY bucket_start"""
_RANGES = """
SELECT bucket_start, expected, low, high, p_value, status FROM expected
WHERE grain = $grain AND scope = $scope AND key = $key AND bucket_start >= $since"""
_IN_SERIES = {
    "market": "true",
    "topic": "topic_key = $key",
    "theme": "list_contains(themes, $key)",
    "entity": "list_contains(entity_ids, $key)",
    "sector": "list_has_any(entity_ids, (SELECT list(entity_id) FROM entities WHERE sector = $key))",
    "publisher": "story_id IN (SELECT story_id FROM articles WHERE publisher = $key AND counted_at >= $start"
    " AND counted_at < $end)",
}
_STORIES = """
SELECT *, count(*) OVER () AS found FROM stories WHERE first_at >= $start AND first_at < $end AND {which}
ORDER BY owners DESC, articles DESC, abs(coalesce(polarity, 0)) DESC, story_id LIMIT $most"""


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


class View:
    """One snapshot, asked through SQL; its small tables are kept until the next one."""

    def __init__(self, snapshot: Snapshot, tables: dict[str, pd.DataFrame] | None = None) -> None:
        self.snapshot = snapshot
        self._tables = dict(tables or {})
        self._con = connect(snapshot)

    def table(self, name: str) -> pd.DataFrame:
        """A small table, whole; not to be changed."""
        if name not in self._tables:
            self._tables[name] = self.snapshot.table(name)
        return self._tables[name]

    def query(self, sql: str, **values: Any) -> pd.DataFrame:
        """The answer to a question about the published tables.

        Raises:
            SnapshotMissing: this snapshot was replaced long ago and its parts are gone.
        """
        return fetch(self._con, self.snapshot, sql, values)

    def search(self, said: str, *, newest: bool, most: int) -> pd.DataFrame:
        """The stories whose titles hold what was typed, the best or the newest first; only what this snapshot has."""
        found = find(self.snapshot.root, said, newest=newest, most=most)
        moments = [at for _, at in found] or [0]
        rows = self.query(
            "SELECT * FROM stories WHERE list_contains($ids::VARCHAR[], story_id)"
            " AND first_at BETWEEN make_timestamptz($first::BIGINT) AND make_timestamptz($last::BIGINT)",
            ids=[story for story, _ in found],
            first=min(moments),
            last=max(moments),
        )
        place = {story: n for n, (story, _) in enumerate(found)}
        return rows.sort_values("story_id", key=lambda ids: ids.map(place)).reset_index(drop=True)

    def options(self) -> list[dict[str, str]]:
        """The series to choose from: market, topics, sectors, themes, companies, publishers; `scope:key` as value."""
        labels, entities = self.table("labels"), self.table("entities")
        kinds = dict(zip(entities["entity_id"], entities["kind"], strict=True))
        rank = {scope: place for place, scope in enumerate(SCOPES)}
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
        last = "SELECT max(bucket_start) AS newest FROM trends WHERE grain = 'day' AND model_version = $model"
        newest = self.query(last, model=self.model_version)["newest"].iloc[0]
        if pd.isna(newest):
            return now
        end: datetime = newest + pd.Timedelta(days=1)
        return now if now - end < timedelta(days=3) else end

    @property
    def model_version(self) -> str:
        """The active version; empty before the first."""
        return self.snapshot.manifest.model_version or ""

    def series(self, scope: str, key: str, grain: str) -> Series:
        """One series over the shown time; its index rests on all that was published of its past."""
        one = {"scope": scope, "key": key, "grain": grain}
        rows = self.query(TRENDS, **one, model=self.model_version)
        rows = with_index(rows, grain) if len(rows) else rows
        until = self.until()
        since = until - SHOWN[grain]
        ranges = self.query(_RANGES, **one, since=since)
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


def stories_of(view: View, scope: str, key: str, start: datetime, end: datetime, most: int) -> pd.DataFrame:
    """The stories of a series that began in `[start, end)`, the most corroborated first; `found`: of how many."""
    sql = _STORIES.format(which=_IN_SERIES[scope])
    bound = {} if scope == "market" else {"key": key}
    return view.query(sql, start=start, end=end, most=most, **bound)


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
    return (scope, key) if mark and scope in SCOPES and key else ("market", "all")


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
