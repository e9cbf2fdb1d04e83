"""The stage: read the store, close it, judge, write the parts that changed, and switch the pointer last."""

from __future__ import annotations

import logging
import re
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import pandas as pd
import pyarrow as pa

from pipeline.context import Context, Report, reporting
from pipeline.errors import SnapshotMissing
from pipeline.publish import search
from pipeline.publish.cards import cards
from pipeline.publish.gather import Gathered, gather
from pipeline.publish.judged import expected_ranges, unusual_days
from pipeline.publish.labels import labels_of, topic_key
from pipeline.publish.manifest import Manifest, only_publisher, sweep, switch
from pipeline.publish.members import members
from pipeline.publish.parts import Part, write_parts
from pipeline.publish.snapshot import Snapshot
from pipeline.publish.tables import TABLES
from pipeline.series.expected import judge

__all__ = ["run"]

logger = logging.getLogger(__name__)

# What may hold a key in an address: user and password, and the query.
_SECRETS = re.compile(r"(?P<scheme>https?://)(?:[^\s/@]*@)?(?P<rest>[^\s?#]*)(?P<query>[?#]\S*)?")


def run(context: Context, to: Path | None = None) -> Report:
    """Publish the store as it stands, under `[store] published` or `to`.

    Raises:
        StoreBusy: the store, or the folder, is held by another process.
    """
    root = to or context.settings.store.published
    with reporting("publish") as report, only_publisher(root):
        now = context.clock()
        with context.warehouse.read() as con:
            gathered = gather(con, now)
        frames = _finished(gathered, _last(root), now)
        version = gathered.model[0] if gathered.model else None
        frames |= cards(version, [context.settings.model.name, (version or "").partition("@")[0]])
        parts = {name: write_parts(root, TABLES[name], frames[name], now) for name in TABLES}
        manifest = Manifest.of(
            parts,
            published_at=now,
            data_as_of=gathered.data_as_of,
            demo=context.settings.demo,
            model=gathered.model,
        )
        search.update(root, manifest.tables["stories"])
        switch(root, manifest)
        removed = sweep(root, now)
        _tell(report, parts, removed, gathered, root)
    return report


def _last(root: Path) -> pd.DataFrame | None:
    """What was published before about expected ranges; None where that cannot be read (then all is judged anew)."""
    try:
        return Snapshot.open(root).table("expected")
    except SnapshotMissing:
        return None


def _finished(gathered: Gathered, known: pd.DataFrame | None, now: datetime) -> dict[str, pa.Table]:
    """Every published table, from what was gathered."""
    tables = dict(gathered.tables)
    version = gathered.model[0] if gathered.model else ""
    trends: pd.DataFrame = tables["trends"].to_pandas()
    active = trends[trends["model_version"] == version]
    labels = labels_of(trends, tables["entities"].to_pandas())
    expected = expected_ranges(active, gathered.fits.to_pandas(), judge, now, known)
    unusual = unusual_days(expected, active, labels, now)
    stories: pd.DataFrame = tables["stories"].to_pandas()
    stories["topic_key"] = [topic_key(None if pd.isna(topic) else str(topic)) for topic in stories["topic"]]
    stories["url"] = [_link(url) for url in stories["url"]]
    links = pa.array([_link(url) for url in tables["articles"]["url"].to_pylist()], pa.string())
    tables["articles"] = tables["articles"].set_column(tables["articles"].schema.get_field_index("url"), "url", links)
    made = {
        "labels": labels,
        "expected": expected,
        "unusual": unusual,
        "stories": stories,
        "feeds": _feeds(tables["feeds"].to_pandas(), gathered.late),
    }
    for name, frame in made.items():
        schema = TABLES[name].schema
        tables[name] = pa.Table.from_pandas(frame[schema.names], schema=schema, preserve_index=False)
    tables["members"] = members(tables["stories"], tables["articles"], tables["entities"])
    return tables


def _feeds(feeds: pd.DataFrame, late: pd.DataFrame) -> pd.DataFrame:
    judged = feeds[["feed_id"]].merge(late, on="feed_id", how="left")
    feeds["late"] = feeds["feed_id"].isin(late["feed_id"])
    feeds["late_sentence"] = judged["late_sentence"].to_numpy()
    # The judgement goes by when the feed last said something, a first poll's old news by when we read it.
    feeds["last_new_at"] = judged["last_new_at"].fillna(feeds["last_new_at"])
    for column in ("url", "last_error"):
        feeds[column] = [None if pd.isna(text) else _SECRETS.sub(_masked, str(text)) for text in feeds[column]]
    return feeds


def _masked(found: re.Match[str]) -> str:
    return found["scheme"] + found["rest"] + ("?…" if found["query"] else "")


def _link(url: object) -> str | None:
    """The address if it is http(s), else None: nothing else is ever offered as a link."""
    try:
        return url if isinstance(url, str) and urlsplit(url).scheme in ("http", "https") else None
    except ValueError:
        return None


def _tell(report: Report, parts: dict[str, list[Part]], removed: int, gathered: Gathered, root: Path) -> None:
    for name in ("stories", "trends", "incidents"):
        report.add(name, sum(part.rows for part in parts[name]))
    report.add("parts written", sum(part.written for found in parts.values() for part in found))
    report.add("parts shared", sum(not part.written for found in parts.values() for part in found))
    report.add("files removed", removed)
    if gathered.model is None:
        report.notes.append("no model is active yet: stories are published without scores")
    logger.info("published under %s", root)
