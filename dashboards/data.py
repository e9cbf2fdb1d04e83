"""What the pages read: the current snapshot, opened again when a newer one is published, and small views of it."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from dashboards.kept import Kept
from dashboards.query import connect, fetch, parts_of
from pipeline.publish.labels import label_of
from pipeline.publish.search import find
from pipeline.publish.snapshot import Snapshot, current_id
from pipeline.publish.tables import TABLES
from pipeline.series.index import READ_BACK, with_index

__all__ = [
    "MARKET", "SCOPES", "SHOWN", "TRENDS", "Address", "Reader", "Series", "View", "evidence_of", "incidents_of",
    "parse_series", "ranked", "stories_of",
]  # fmt: skip

MARKET = "market:all"
SHOWN = {"hour": timedelta(days=7), "day": timedelta(days=90)}
SCOPES = ("market", "topic", "sector", "theme", "entity", "publisher")
TRENDS = """
SELECT * FROM trends WHERE grain = $grain AND scope = $scope AND key = $key AND model_version = $model
    AND bucket_start >= $since ORDER BY bucket_start"""
_RANGES = """
SELECT bucket_start, expected, low, high, p_value, status FROM {expected}
WHERE grain = $grain AND scope = $scope AND key = $key AND bucket_start >= $since"""
_FOUND = """
SELECT story_id, first_at, count(*) OVER () AS found FROM {members}
WHERE scope = $scope AND key = $key AND first_at >= $start AND first_at < $end
ORDER BY owners DESC, articles DESC, strength DESC, story_id LIMIT $most"""
# By their times, so that only what lies around each of them is read, of the parts of their days.
_STORIES = """
SELECT * FROM {stories} WHERE first_at IN ({times}) AND list_contains($ids::VARCHAR[], story_id)"""
# What is kept of one snapshot: answers of some 50 kB, and pages of up to 400 kB.
_ANSWERS, _PAGES = 400, 120


_EVIDENCE = """
SELECT kind, payload FROM evidence WHERE incident_id = $incident_id ORDER BY recorded_at, event_id, seq"""

# The path of a page, and its query in order.
Address = tuple[str, tuple[tuple[str, str], ...]]


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
    """One snapshot, asked through SQL; what was answered is kept until the next one."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._con = connect(snapshot)
        self._answers, self._pages = Kept(_ANSWERS), Kept(_PAGES)
        self._wanted: OrderedDict[Address, None] = OrderedDict()
        self._lock = threading.Lock()

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What `make` answers, made once for this snapshot. Not to be changed by anybody."""
        return self._answers.once(key, make)

    def page(self, address: Address, period: int, make: Callable[[], str], *, ahead: bool = False) -> str:
        """A page as text, made once for this snapshot and period. `ahead`: nobody has asked for it yet."""
        if not ahead:
            with self._lock:
                self._wanted[address] = None
                self._wanted.move_to_end(address)
                if len(self._wanted) > _PAGES:
                    self._wanted.popitem(last=False)
        text: str = self._pages.once((address, period), make)
        return text

    def wanted(self, most: int) -> list[Address]:
        """The pages that somebody asked for while this snapshot was shown, the last one first."""
        with self._lock:
            return list(reversed(self._wanted))[:most]

    def table(self, name: str) -> pd.DataFrame:
        """A small table, whole; not to be changed."""
        found: pd.DataFrame = self.once(("table", name), lambda: self.snapshot.table(name))
        return found

    def query(self, sql: str, **values: Any) -> pd.DataFrame:
        """The answer to a question about the published tables.

        Raises:
            SnapshotMissing: this snapshot was replaced long ago and its parts are gone.
        """
        return fetch(self._con, self.snapshot, sql, values)

    def search(self, said: str, *, newest: bool, most: int) -> pd.DataFrame:
        """The stories whose titles hold what was typed, the best or the newest first; only what this snapshot has."""
        found = find(self.snapshot.root, said, newest=newest, most=most)
        ids, times = [story for story, _ in found], [at for _, at in found]
        listed = pd.DataFrame({"story_id": pd.Series(ids, dtype="str"), "first_at": times})
        listed["first_at"] = pd.to_datetime(listed["first_at"], unit="us", utc=True)
        return listed[["story_id"]].merge(self.stories(listed), on="story_id")

    def stories(self, listed: pd.DataFrame) -> pd.DataFrame:
        """The stories that are named by `story_id` and `first_at`; those that this snapshot has, in any order."""
        if listed.empty:
            return self.query("SELECT * FROM stories LIMIT 0")
        at = sorted(set(listed["first_at"]))
        parts = parts_of(self.snapshot, "stories", at=at)
        sql = _STORIES.format(stories=parts, times=", ".join(f"'{one.isoformat()}'" for one in at))
        return self.query(sql, ids=listed["story_id"].tolist())

    def options(self) -> list[dict[str, str]]:
        """The series to choose from: market, topics, sectors, themes, companies, publishers; `scope:key` as value."""
        found: list[dict[str, str]] = self.once("options", self._options)
        return found

    def _options(self) -> list[dict[str, str]]:
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
        found: datetime = self.once("until", self._until)
        return found

    def _until(self) -> datetime:
        now = self.snapshot.manifest.published_at
        last = "SELECT max(bucket_start) AS newest FROM trends WHERE grain = 'day' AND model_version = $model"
        newest = self.query(last, model=self.model_version)["newest"].iloc[0]
        if pd.isna(newest):
            return now
        end: datetime = newest + pd.Timedelta(days=1)
        return now if now - end < timedelta(days=3) else end

    def first_story(self) -> Any:
        """When the oldest published story began; NaT where there is none."""
        return self.once("first story", lambda: self.query("SELECT min(first_at) AS at FROM stories")["at"].iloc[0])

    def last_story(self) -> Any:
        """When the newest published story began; NaT where there is none."""
        return self.once("last story", lambda: self.query("SELECT max(first_at) AS at FROM stories")["at"].iloc[0])

    @property
    def lacks(self) -> list[str]:
        """The tables that its publisher, an earlier version of ours, did not know yet; they read as empty."""
        return sorted(TABLES.keys() - self.snapshot.manifest.tables.keys())

    @property
    def model_version(self) -> str:
        """The active version; empty before the first."""
        return self.snapshot.manifest.model_version or ""

    def series(self, scope: str, key: str, grain: str) -> Series:
        """One series over the shown time; its index rests on as much of its past as it reaches back."""
        found: Series = self.once(("series", scope, key, grain), lambda: self._series(scope, key, grain))
        return found

    def _series(self, scope: str, key: str, grain: str) -> Series:
        one = {"scope": scope, "key": key, "grain": grain}
        until = self.until()
        since = until - SHOWN[grain]
        rows = self.query(TRENDS, **one, model=self.model_version, since=since - READ_BACK[grain])
        rows = with_index(rows, grain) if len(rows) else rows
        expected = parts_of(self.snapshot, "expected", since)
        ranges = self.query(_RANGES.format(expected=expected), **one, since=since)
        rows = rows.rename(columns={"expected": "arrivals_expected"})
        rows = rows[rows["bucket_start"] >= since].merge(ranges, on="bucket_start", how="left")
        incidents = incidents_of(self, scope, key)
        labels = self.table("labels")
        named = labels[(labels["scope"] == scope) & (labels["key"] == key)]["label"]
        label = str(named.iloc[0]) if len(named) else label_of(scope, key, {})
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
    found: pd.DataFrame = view.once(
        ("stories", scope, key, start, end, most), lambda: _stories_of(view, scope, key, start, end, most)
    )
    return found


def _stories_of(view: View, scope: str, key: str, start: datetime, end: datetime, most: int) -> pd.DataFrame:
    one = {"scope": scope, "key": key}
    members = parts_of(view.snapshot, "members", start)
    found = view.query(_FOUND.format(members=members), **one, start=start, end=end, most=most)
    return found[["story_id", "found"]].merge(view.stories(found), on="story_id")


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
        self._held = False

    def view(self) -> View:
        """The view of the newest snapshot; while `held` the one shown last.

        Raises:
            SnapshotMissing: nothing was published yet.
        """
        with self._lock:
            if self._view is None or not (self._held or self._is_newest(self._view)):
                self._view = View(Snapshot.open(self.root))
            return self._view

    @contextmanager
    def held(self) -> Iterator[None]:
        """A newer snapshot is shown only when `show` is told to: whoever holds it makes its pages first."""
        self._held = True
        try:
            yield
        finally:
            self._held = False

    def newest(self) -> View:
        """A view of the newest snapshot: the one shown, where there is no newer one.

        Raises:
            SnapshotMissing: nothing was published yet.
        """
        shown = self.view()
        return shown if self._is_newest(shown) else View(Snapshot.open(self.root))

    def show(self, view: View) -> None:
        """Hand out this one from now on."""
        with self._lock:
            self._view = view

    def _is_newest(self, view: View) -> bool:
        return view.snapshot.snapshot_id == current_id(self.root)


def parse_series(value: object) -> tuple[str, str]:
    """(scope, key) of `scope:key`; the market for anything else."""
    scope, mark, key = str(value or "").partition(":")
    return (scope, key) if mark and scope in SCOPES and key else ("market", "all")


def incidents_of(view: View, scope: str | None = None, key: str | None = None) -> pd.DataFrame:
    """Incidents that have fired, open ones first, newest first; of one series, or (market, or None) of all."""
    fired: pd.DataFrame = view.once("incidents", lambda: _fired(view))
    if scope in (None, "market"):
        return fired
    return fired[(fired["scope"] == scope) & (fired["key"] == key)]


def _fired(view: View) -> pd.DataFrame:
    incidents = view.table("incidents")
    # One that was withdrawn before it fired is resolved too, but nobody was ever told of it.
    rows = incidents[incidents["fired_at"].notna()]
    rows = rows.assign(open=rows["resolved_at"].isna(), started_at=rows["fired_at"])
    return rows.sort_values(["open", "started_at", "incident_id"], ascending=[False, False, True])


def evidence_of(view: View, incident_id: str) -> dict[str, list[dict[str, Any]]]:
    """The payloads an incident rests on, by kind (decision, article, feed), in the order they were kept."""
    rows = view.query(_EVIDENCE, incident_id=incident_id)
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
