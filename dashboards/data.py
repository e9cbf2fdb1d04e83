"""What the pages read: the current snapshot, opened again when a newer one is published, and small views of it."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from dashboards.kept import Kept
from dashboards.lookup import Lookup
from dashboards.query import connect, fetch, parts_of
from pipeline.publish.labels import label_of
from pipeline.publish.search import find
from pipeline.publish.snapshot import Snapshot, current_id
from pipeline.publish.tables import TABLES
from pipeline.series.index import READ_BACK, with_index

__all__ = [
    "MARKET", "SCOPES", "SHOWN", "Address", "Evidence", "Reader", "Series", "View", "evidence_of", "incidents_of",
    "parse_series", "ranked", "stories_of",
]  # fmt: skip

MARKET = "market:all"
SHOWN = {"hour": timedelta(days=7), "day": timedelta(days=90)}
SCOPES = ("market", "topic", "sector", "theme", "entity", "publisher")
# The stories of a list: the most corroborated first.
_FIRST = [("owners", "descending"), ("articles", "descending"), ("strength", "descending"), ("story_id", "ascending")]
# Counted apart: with all of a whole market's stories beside each other it would need more memory than there is.
_FOUND = """
WITH asked AS (SELECT * FROM {members} WHERE scope = $scope AND key = $key AND first_at >= $start AND first_at < $end)
SELECT story_id, first_at, (SELECT count(*) FROM asked) AS found FROM asked
ORDER BY owners DESC, articles DESC, strength DESC, story_id LIMIT $most"""
_RANGE = ["bucket_start", "expected", "low", "high", "p_value", "status"]
# By their times, so that only what lies around each of them is read, of the parts of their days.
_STORIES = """
SELECT * FROM {stories} WHERE first_at IN ({times}) AND list_contains($ids::VARCHAR[], story_id)"""
# Of these a page wants few rows of many parts.
LOOKED_UP = ("trends", "expected", "stories", "members")
# What is kept of one snapshot: answers of some 50 kB, and pages of up to 400 kB.
_ANSWERS, _PAGES = 400, 120


_EVIDENCE = """
SELECT incident_id, kind, payload FROM evidence WHERE incident_id IN (SELECT unnest($incidents::VARCHAR[]))
ORDER BY recorded_at, event_id, seq"""

# The path of a page, and its query in order.
Address = tuple[str, tuple[tuple[str, str], ...]]
Evidence = dict[str, list[dict[str, Any]]]


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
    """One snapshot, asked through SQL or looked up; what was answered is kept until the next one.

    `lookup`: the copies of its parts; without one, and while some are not made yet, SQL answers the same.
    """

    def __init__(self, snapshot: Snapshot, lookup: Lookup | None = None) -> None:
        self.snapshot = snapshot
        self._lookup = lookup or Lookup()
        self._con = connect(snapshot)
        self._answers, self._pages, self._files = Kept(_ANSWERS), Kept(_PAGES), Kept(_ANSWERS)
        self._wanted: OrderedDict[Address, None] = OrderedDict()
        self._lock = threading.Lock()

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What `make` answers, made once for this snapshot. Not to be changed by anybody."""
        return self._answers.once(key, make)

    def page(self, address: Address, period: int, make: Callable[[], bytes], *, ahead: bool = False) -> bytes:
        """A page as JSON, made once for this snapshot and period. `ahead`: nobody has asked for it yet."""
        text: bytes = self._pages.once((address, period), make)
        if not ahead:
            with self._lock:
                self._wanted[address] = None
                self._wanted.move_to_end(address)
                if len(self._wanted) > _PAGES:
                    self._wanted.popitem(last=False)
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
        frame: pd.DataFrame = fetch(self._con, self.snapshot, sql, values).to_pandas()
        return frame

    def looked_up(
        self, table: str, *values: Any, start: datetime | None = None, end: datetime | None = None
    ) -> pa.Table | None:
        """The rows whose first columns of the table's order are `values` and whose next one, a time, is in
        `[start, end)`, in any order; None while there is no copy of some part."""
        since = start and start.astimezone(UTC).date()
        files = self._files.once((table, since), lambda: self.snapshot.files(table, since))
        return self._lookup.find(files, TABLES[table].order, values, start, end)

    def rows(self, table: str, *values: Any, start: datetime) -> pd.DataFrame:
        """The rows whose first columns of the table's order are `values`, from a time on and in its order.

        Raises:
            SnapshotMissing: as in `query`.
        """
        order = TABLES[table].order
        columns, by = order[: len(values)], order[len(values)]
        found = self.looked_up(table, *values, start=start)
        if found is None:
            wanted = " AND ".join([*(f"{column} = ${column}" for column in columns), f"{by} >= $start"])
            sql = f"SELECT * FROM {parts_of(self.snapshot, table, start)} WHERE {wanted}"
            asked = dict(zip(columns, values, strict=True))
            found = fetch(self._con, self.snapshot, sql, asked | {"start": start})
        frame: pd.DataFrame = found.sort_by(by).to_pandas()
        return frame

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
        found = [self._story(*one) for one in zip(listed["first_at"], listed["story_id"], strict=True)]
        if all(rows is not None for rows in found):
            frame: pd.DataFrame = pa.concat_tables(found, promote_options="default").to_pandas()
            return frame
        parts = parts_of(self.snapshot, "stories", at=at)
        sql = _STORIES.format(stories=parts, times=", ".join(f"'{one.isoformat()}'" for one in at))
        return self.query(sql, ids=listed["story_id"].tolist())

    def _story(self, at: datetime, story_id: str) -> pa.Table | None:
        day = at.astimezone(UTC).date()
        files = self._files.once(day, lambda: self.snapshot.files("stories", days=[day]))
        return self._lookup.find(files, TABLES["stories"].order, (at, story_id))

    @property
    def to_copy(self) -> list[Path]:
        """The parts that are looked up in and have no copy yet: of each table the newest first."""
        return self._lookup.missing(self._looked_up())

    def copy(self, most: int | None = None) -> None:
        """Copy so many of them, or all."""
        for file in self.to_copy[:most]:
            self._lookup.copy(file)
        self._lookup.rest()

    def forget_others(self) -> None:
        """Forget the copies of parts that only other snapshots have."""
        self._lookup.keep(self._looked_up())

    def _looked_up(self) -> list[Path]:
        return [file for table in LOOKED_UP for file in sorted(self.snapshot.files(table), reverse=True)]

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
        until = self.until()
        since = until - SHOWN[grain]
        version = self.model_version
        rows = self.rows("trends", grain, scope, key, version, start=since - READ_BACK[grain])
        rows = with_index(rows, grain) if len(rows) else rows
        ranges = self.rows("expected", grain, scope, key, start=since)[_RANGE]
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
    found = view.looked_up("members", scope, key, start=start, end=end)
    if found is None:
        sql = _FOUND.format(members=parts_of(view.snapshot, "members", start))
        listed = view.query(sql, scope=scope, key=key, start=start, end=end, most=most)
    else:
        listed = _most_told(found, most).to_pandas().assign(found=len(found))
    return listed[["story_id", "found"]].merge(view.stories(listed), on="story_id")


def _most_told(members: pa.Table, most: int) -> pa.Table:
    """The first `most` rows in the order of a list; of each part first, so that of a whole market few are read."""
    parts = [batch.take(pc.select_k_unstable(batch, most, _FIRST)) for batch in members.to_batches()]
    found = pa.Table.from_batches(parts, members.schema)
    return found.take(pc.select_k_unstable(found, most, _FIRST))


def _switches(models: pd.DataFrame, since: datetime) -> pd.DataFrame:
    """Activations since then, but for the very first: a store's first model takes over from nobody."""
    active = models[models["status"] == "active"].sort_values("recorded_at")[1:]
    return active[active["recorded_at"] >= since]


class Reader:
    """Hands out the current view. One per server; safe for its threads."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lookup = Lookup()
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
                self._view = View(Snapshot.open(self.root), self._lookup)
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
        return shown if self._is_newest(shown) else View(Snapshot.open(self.root), self._lookup)

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


def evidence_of(view: View, incidents: Sequence[str]) -> list[Evidence]:
    """The payloads that each of these incidents rests on, by kind (decision, article, feed), as they were kept."""
    rows = view.query(_EVIDENCE, incidents=list(incidents))
    found: dict[str, Evidence] = {one: {"decision": [], "article": [], "feed": []} for one in incidents}
    for one, kind, payload in zip(rows["incident_id"], rows["kind"], rows["payload"], strict=True):
        found[one].setdefault(str(kind), []).append(_told(payload))
    return [found[one] for one in incidents]


def _told(payload: str) -> dict[str, Any]:
    """A payload, read; empty where somebody damaged it, which the chain tells."""
    try:
        told = json.loads(payload)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


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
