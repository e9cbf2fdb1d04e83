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
from pipeline.publish.lasting import Lasting
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
        last = _last(root)
        with context.warehouse.read() as con:
            gathered = gather(con, now, root, last.manifest if last else None)
        frames = _finished(gathered, _known(last), now)
        version = gathered.model[0] if gathered.model else None
        frames |= cards(version, [context.settings.model.name, (version or "").partition("@")[0]])
        parts = {name: _parts(root, name, frames[name], gathered.lasting.get(name, Lasting()), now) for name in TABLES}
        manifest = Manifest.of(
            parts,
            published_at=now,
            data_as_of=gathered.data_as_of,
            demo=context.settings.demo,
            model=gathered.model,
            marks={name: lasting.marks for name, lasting in gathered.lasting.items()},
        )
        search.update(root, manifest.tables["stories"])
        switch(root, manifest)
        removed = sweep(root, now)
        _tell(report, parts, removed, gathered, root)
    return report


def _last(root: Path) -> Snapshot | None:
    """What was published before; None where there is nothing, or it cannot be read: then all is made anew."""
    try:
        return Snapshot.open(root)
    except SnapshotMissing:
        return None


def _known(last: Snapshot | None) -> pd.DataFrame | None:
    try:
        return last.table("expected") if last else None
    except SnapshotMissing:
        return None


def _parts(root: Path, name: str, rows: pa.Table, lasting: Lasting, now: datetime) -> list[Part]:
    """Months kept as they are, then what was read; no empty part beside those kept."""
    kept = lasting.keep(root, now)
    if kept and not rows.num_rows:
        return kept
    return kept + write_parts(root, TABLES[name], rows, now)


def _finished(gathered: Gathered, known: pd.DataFrame | None, now: datetime) -> dict[str, pa.Table]:
    """Every published table, from what was gathered."""
    tables = dict(gathered.tables)
    labels = labels_of(gathered.series, tables["entities"].to_pandas())
    expected = expected_ranges(gathered.recent, gathered.fits.to_pandas(), judge, now, known)
    unusual = unusual_days(expected, gathered.recent, labels, now)
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
