"""The list of feeds, an OPML file that people edit or the one that ships, and the table `feeds` that follows it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.context import Context
from pipeline.errors import InputError
from pipeline.ingest.identity import feed_id
from pipeline.ingest.opml import KINDS, CatalogueFeed, from_opml, to_opml
from pipeline.settings import file_or_default
from pipeline.warehouse import Transaction

__all__ = ["KINDS", "CatalogueFeed", "Synced", "from_opml", "read_file", "revive", "sync", "to_opml", "write_file"]


@dataclass(frozen=True)
class Synced:
    """What `sync` changed in the table `feeds`."""

    added: int = 0
    changed: int = 0
    removed: int = 0


def read_file(path: Path) -> list[CatalogueFeed]:
    """The feeds of the file that the settings name, or of the catalogue that ships with us.

    Raises:
        InputError, SettingsError: there is no such file, or it is not OPML.
    """
    file = file_or_default(path)
    try:
        return from_opml(file.read_bytes(), str(file))
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}). Mend its rights and run again.") from error


def write_file(context: Context, feeds: Sequence[CatalogueFeed]) -> Synced:
    """Replace the OPML file that the settings name in one step, keeping the one before beside it; the tables follow."""
    path = context.settings.ingest.feeds
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        shutil.copyfile(path, path.with_suffix(path.suffix + ".bak"))
    partial = path.with_suffix(".tmp")
    partial.write_text(to_opml(feeds), encoding="utf-8")
    partial.replace(path)
    return sync(context)


def sync(context: Context) -> Synced:
    """Make the tables `feeds` and `publishers` follow the OPML file; a feed that left it stays, as `removed`."""
    feeds = read_file(context.settings.ingest.feeds)
    with context.warehouse.read() as con:
        if not _changes(con, feeds).any:
            return Synced()

    def work(tx: Transaction) -> Synced:
        changes = _changes(tx.con, feeds)
        added = [{**row, "status": "active", "added_at": context.clock(), "failures": 0} for row in changes.added]
        tx.upsert("feeds", pa.Table.from_pylist(added, _ADDED), ["feed_id"])
        tx.upsert("feeds", pa.Table.from_pylist(changes.changed, _CHANGED), ["feed_id"])
        back = [{"feed_id": feed, "status": "active", "removed_at": None} for feed in changes.returned]
        left = [{"feed_id": feed, "status": "removed", "removed_at": context.clock()} for feed in changes.removed]
        tx.upsert("feeds", pa.Table.from_pylist([*left, *back], _LEFT), ["feed_id"])
        tx.upsert("publishers", pa.Table.from_pylist(changes.publishers, _PUBLISHERS), ["publisher"])
        return Synced(len(added), len(changes.changed), len(left))

    return context.warehouse.transact("catalogue", work)


def revive(context: Context, url: str) -> bool:
    """Ask a feed again that was gone or is waiting after failures; False if it was neither."""

    def work(tx: Transaction) -> bool:
        done = tx.con.execute(
            "UPDATE feeds SET status = 'active', next_fetch_at = NULL, failures = 0"
            " WHERE feed_id = ? AND (status = 'gone' OR next_fetch_at IS NOT NULL)",
            [feed_id(url)],
        ).fetchone()
        return bool(done and done[0])

    return context.warehouse.transact("catalogue", work)


_TIME = pa.timestamp("us", tz="UTC")
_LEFT = pa.schema([("feed_id", pa.string()), ("status", pa.string()), ("removed_at", _TIME)])
_CHANGED = pa.schema(
    [(name, pa.string()) for name in ("feed_id", "url", "title", "publisher", "kind", "language", "region", "status")]
)
_OF_FILE = [name for name in _CHANGED.names if name in {field.name for field in fields(CatalogueFeed)}]
_ADDED = pa.schema([*_CHANGED, ("added_at", _TIME), ("failures", pa.int32())])
_PUBLISHERS = pa.schema([("publisher", pa.string()), ("owner", pa.string()), ("timezone", pa.string())])


@dataclass(frozen=True)
class _Changes:
    added: list[dict[str, Any]]
    changed: list[dict[str, Any]]
    returned: list[str]
    removed: list[str]
    publishers: list[dict[str, Any]]

    @property
    def any(self) -> bool:
        return bool(self.added or self.changed or self.removed or self.publishers)


def _changes(con: duckdb.DuckDBPyConnection, feeds: Sequence[CatalogueFeed]) -> _Changes:
    columns = _CHANGED.names
    have = {
        row[0]: dict(zip(columns, row, strict=True))
        for row in con.execute(f"SELECT {', '.join(columns)} FROM feeds WHERE kind <> 'archive'").fetchall()
    }
    wanted = {row["feed_id"]: row for row in map(_row, feeds)}
    changed, returned = [], []
    for key, row in wanted.items():
        if key in have:
            # A feed that is gone stays so until somebody adds it again; one that was taken out and is back is active.
            back = have[key]["status"] == "removed"
            returned += [key] * back
            if (row := {**row, "status": "active" if back else have[key]["status"]}) != have[key]:
                changed.append(row)
    known = {row[0]: row[1:] for row in con.execute("SELECT publisher, owner, timezone FROM publishers").fetchall()}
    owners: dict[str, tuple[str, str]] = {}
    for feed in feeds:
        owner, zone = owners.get(feed.publisher, (feed.owner, ""))
        owners[feed.publisher] = (owner, zone or feed.timezone)
    return _Changes(
        added=[row for key, row in wanted.items() if key not in have],
        changed=changed,
        returned=returned,
        removed=[key for key, row in have.items() if key not in wanted and row["status"] != "removed"],
        publishers=[
            {"publisher": name, "owner": owner, "timezone": zone}
            for name, (owner, zone) in owners.items()
            if known.get(name) != (owner, zone)
        ],
    )


def _row(feed: CatalogueFeed) -> dict[str, Any]:
    return {name: getattr(feed, name) for name in _OF_FILE} | {"feed_id": feed_id(feed.url)}
