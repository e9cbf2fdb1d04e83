"""The list of feeds: an OPML file that people edit, read without trust, and the table `feeds` that follows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

import duckdb
import pyarrow as pa

from pipeline.context import Context
from pipeline.errors import InputError
from pipeline.ingest.identity import feed_id
from pipeline.ingest.text import plain_text
from pipeline.publishers import owner_of
from pipeline.settings import file_or_default
from pipeline.warehouse import Transaction

__all__ = ["KINDS", "CatalogueFeed", "Synced", "from_opml", "read_file", "revive", "sync", "to_opml"]

KINDS = ("wire", "newspaper", "regulator", "central bank", "exchange", "statistics", "company news")


@dataclass(frozen=True)
class CatalogueFeed:
    """One feed of the catalogue. `kind` is one of `KINDS` or a word of the user's; `timezone` an IANA name or ''."""

    url: str
    title: str
    publisher: str
    owner: str
    kind: str = "news"
    language: str | None = None
    region: str | None = None
    timezone: str = ""


@dataclass(frozen=True)
class Synced:
    """What `sync` changed in the table `feeds`."""

    added: int = 0
    changed: int = 0
    removed: int = 0


def from_opml(data: bytes, name: str = "the OPML file") -> list[CatalogueFeed]:
    """The feeds of an OPML document, each address once; folders give the kind where an outline has no category.

    Beside OPML's own attributes it understands `publisher`, `owner`, `region` and `timezone`.

    Raises:
        InputError: it is not XML, declares a document type (entities are refused), or is not OPML.
    """
    root = _tree(data, name)
    if root.tag.lower() != "opml":
        raise InputError(f"{name}: this is <{root.tag[:40]}>, not OPML. Export the feeds as OPML and give that file.")
    found: dict[str, CatalogueFeed] = {}
    pending = [(outline, "") for outline in reversed(root.findall("body/outline"))]
    while pending:
        outline, folder = pending.pop()
        values = {key.lower(): value.strip() for key, value in outline.attrib.items()}
        label = values.get("title") or values.get("text") or ""
        if url := values.get("xmlurl"):
            found.setdefault(url, _feed(url, label, values, folder))
        pending.extend((child, label or folder) for child in reversed(outline.findall("outline")))
    return list(found.values())


def to_opml(feeds: Iterable[CatalogueFeed], title: str = "Barograph feeds") -> str:
    """OPML 2.0 that `from_opml` reads back to the same feeds."""
    root = ElementTree.Element("opml", version="2.0")
    ElementTree.SubElement(ElementTree.SubElement(root, "head"), "title").text = title
    body = ElementTree.SubElement(root, "body")
    for feed in feeds:
        values = {
            "type": "rss",
            "text": feed.title,
            "xmlUrl": feed.url,
            "category": feed.kind,
            "publisher": feed.publisher,
            "owner": feed.owner if feed.owner != (owner_of(feed.publisher, feed.url) or feed.publisher) else "",
            "language": feed.language or "",
            "region": feed.region or "",
            "timezone": feed.timezone,
        }
        ElementTree.SubElement(body, "outline", {key: value for key, value in values.items() if value})
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


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
        removed = [{"feed_id": gone, "status": "removed"} for gone in changes.removed]
        tx.upsert("feeds", pa.Table.from_pylist(removed, _STATUS), ["feed_id"])
        tx.upsert("publishers", pa.Table.from_pylist(changes.publishers, _PUBLISHERS), ["publisher"])
        return Synced(len(added), len(changes.changed), len(removed))

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


_STATUS = pa.schema([("feed_id", pa.string()), ("status", pa.string())])
_CHANGED = pa.schema(
    [(name, pa.string()) for name in ("feed_id", "url", "title", "publisher", "kind", "language", "region", "status")]
)
_ADDED = pa.schema([*_CHANGED, ("added_at", pa.timestamp("us", tz="UTC")), ("failures", pa.int32())])
_PUBLISHERS = pa.schema([("publisher", pa.string()), ("owner", pa.string()), ("timezone", pa.string())])


@dataclass(frozen=True)
class _Changes:
    added: list[dict[str, Any]]
    changed: list[dict[str, Any]]
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
    changed = []
    for key, row in wanted.items():
        if key in have:
            # A feed that is gone stays so until somebody adds it again; one that was taken out and is back is active.
            status = "active" if have[key]["status"] == "removed" else have[key]["status"]
            if (row := {**row, "status": status}) != have[key]:
                changed.append(row)
    known = {row[0]: row[1:] for row in con.execute("SELECT publisher, owner, timezone FROM publishers").fetchall()}
    owners: dict[str, tuple[str, str]] = {}
    for feed in feeds:
        owners.setdefault(feed.publisher, (feed.owner, feed.timezone))
    return _Changes(
        added=[row for key, row in wanted.items() if key not in have],
        changed=changed,
        removed=[key for key, row in have.items() if key not in wanted and row["status"] != "removed"],
        publishers=[
            {"publisher": name, "owner": owner, "timezone": zone}
            for name, (owner, zone) in owners.items()
            if known.get(name) != (owner, zone)
        ],
    )


def _row(feed: CatalogueFeed) -> dict[str, Any]:
    values = asdict(feed)
    return {name: values[name] for name in _CHANGED.names if name in values} | {"feed_id": feed_id(feed.url)}


def _feed(url: str, label: str, values: dict[str, str], folder: str) -> CatalogueFeed:
    title = plain_text(label, 200) or url
    publisher = plain_text(values.get("publisher"), 200) or title
    return CatalogueFeed(
        url=url,
        title=title,
        publisher=publisher,
        owner=plain_text(values.get("owner"), 200) or owner_of(publisher, url) or publisher,
        # `category` is a list of slash-delimited paths in OPML; the first word of the first is enough for us.
        kind=plain_text(values.get("category", "").split(",")[0].strip("/") or folder, 60).lower() or "news",
        language=values.get("language", "").lower()[:3] or None,
        region=values.get("region") or None,
        timezone=values.get("timezone", ""),
    )


def _tree(data: bytes, name: str) -> ElementTree.Element:
    """The document as a tree; a document type is refused before any entity of it could be expanded."""
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise InputError(f"{name}: it declares a document type, which is refused. Remove the <!DOCTYPE …> and retry.")

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise InputError(f"{name}: not valid XML ({error}). Mend that place, or export the file again.") from error
    return builder.close()
