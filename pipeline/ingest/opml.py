"""Lists of feeds as OPML: what other readers write is read without trust, and what we write they read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.parsers import expat

from pipeline.errors import InputError
from pipeline.ingest.text import UNWANTED, plain_text
from pipeline.local_time import is_zone
from pipeline.publishers import owner_of

__all__ = ["KINDS", "CatalogueFeed", "from_opml", "to_opml"]

KINDS = ("wire", "newspaper", "regulator", "central bank", "exchange", "statistics", "company news")

_OURS = ("publisher", "owner", "licence", "language", "region", "timezone")
_KNOWN = frozenset({"type", "text", "title", "xmlurl", "category", *_OURS})
# What another program put in is kept within reason; a folder deeper than this counts for the last one.
_OTHERS, _OTHER_LIMIT, _DEPTH = 20, 500, 10


@dataclass(frozen=True)
class CatalogueFeed:
    """One feed of the catalogue. `kind` is one of `KINDS` or a word of the user's; `timezone` an IANA name or ''.

    `licence` says what may be done with it. `folders`: where it stands in the file, outermost first; `other`: the
    attributes of other programs, kept when the file is written anew.
    """

    url: str
    title: str
    publisher: str
    owner: str
    kind: str = "news"
    language: str | None = None
    region: str | None = None
    timezone: str = ""
    licence: str = ""
    folders: tuple[str, ...] = ()
    other: tuple[tuple[str, str], ...] = ()


def from_opml(data: bytes, name: str = "the OPML file") -> list[CatalogueFeed]:
    """The feeds of an OPML document, each address once; folders give the kind where an outline has no category.

    Beside OPML's own attributes it understands `publisher`, `owner`, `licence`, `region` and `timezone`. `feed:`
    addresses, as some readers write them, are made http(s).

    Raises:
        InputError: it is not XML, declares a document type (entities are refused), is not OPML, or names a time zone
            that does not exist.
    """
    root = _tree(data, name)
    if root.tag.lower() != "opml":
        raise InputError(f"{name}: this is <{root.tag[:40]}>, not OPML. Export the feeds as OPML and give that file.")
    found: dict[str, CatalogueFeed] = {}
    pending: list[tuple[ElementTree.Element, tuple[str, ...]]] = [
        (outline, ()) for outline in reversed(root.findall("body/outline"))
    ]
    while pending:
        outline, folders = pending.pop()
        values = {key.lower(): value.strip() for key, value in outline.attrib.items()}
        label = plain_text(values.get("title") or values.get("text"), 200)
        if url := _address(values.get("xmlurl", "")):
            found.setdefault(url, _feed(url, label, values, folders, outline.attrib, name))
        below = (*folders[: _DEPTH - 1], label) if label else folders
        pending.extend((child, below) for child in reversed(outline.findall("outline")))
    return list(found.values())


def to_opml(feeds: Iterable[CatalogueFeed], title: str = "Barograph feeds") -> str:
    """OPML 2.0 that `from_opml` reads back to the same feeds, those of one folder together."""
    root = ElementTree.Element("opml", version="2.0")
    ElementTree.SubElement(ElementTree.SubElement(root, "head"), "title").text = title
    places: dict[tuple[str, ...], ElementTree.Element] = {(): ElementTree.SubElement(root, "body")}
    for feed in feeds:
        for depth in range(1, len(feed.folders) + 1):
            path = feed.folders[:depth]
            if path not in places:
                places[path] = ElementTree.SubElement(places[path[:-1]], "outline", text=path[-1])
        ElementTree.SubElement(places[feed.folders], "outline", _attributes(feed))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _attributes(feed: CatalogueFeed) -> dict[str, str]:
    other = dict(feed.other)
    category = other.pop("category", "")
    values = {
        "type": "rss",
        "text": feed.title,
        "xmlUrl": feed.url,
        "category": category if _kind(category) == feed.kind else feed.kind,
        "publisher": feed.publisher,
        "owner": feed.owner if feed.owner != (owner_of(feed.publisher, feed.url) or feed.publisher) else "",
        "licence": feed.licence,
        "language": feed.language or "",
        "region": feed.region or "",
        "timezone": feed.timezone,
    }
    # XML cannot hold every character, and what it cannot hold would make the whole file unreadable.
    kept = {key: " ".join(UNWANTED.sub("", value).split()) for key, value in (values | other).items()}
    return {key: value for key, value in kept.items() if value}


def _feed(
    url: str, label: str, values: dict[str, str], folders: tuple[str, ...], raw: dict[str, str], name: str
) -> CatalogueFeed:
    title = label or url
    publisher = plain_text(values.get("publisher"), 200) or title
    category, zone = values.get("category", ""), values.get("timezone", "")
    if zone and not is_zone(zone):
        raise InputError(f"{name}: {title}: there is no time zone {zone[:60]}. Write it as Europe/London, or leave it.")
    kind = _kind(category) or (folders[-1].lower()[:60] if folders else "") or "news"
    other = [(key, value.strip()) for key, value in raw.items() if key.lower() not in _KNOWN and ":" not in key]
    if category and category != kind:
        other.append(("category", category))
    return CatalogueFeed(
        url=url,
        title=title,
        publisher=publisher,
        owner=plain_text(values.get("owner"), 200) or owner_of(publisher, url) or publisher,
        kind=kind,
        language=values.get("language", "").lower().partition("-")[0][:3] or None,
        region=values.get("region") or None,
        timezone=zone,
        licence=plain_text(values.get("licence"), 300),
        folders=folders,
        other=tuple((key, value) for key, value in other[-_OTHERS:] if value and len(value) <= _OTHER_LIMIT),
    )


def _kind(category: str) -> str:
    # `category` is a list of slash-delimited paths in OPML; the first of them is enough for us.
    return plain_text(category.split(",")[0].strip("/"), 60).lower()


def _address(url: str) -> str:
    if url.lower().startswith("feed:"):
        rest = url[5:]
        return f"http:{rest}" if rest.startswith("//") else rest
    return url


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
