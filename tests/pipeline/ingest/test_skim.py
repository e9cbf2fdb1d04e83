"""The driver that drops pictures and credits before feedparser sees them: what counts is read as without it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import feedparser
import feedparser.api
import pytest

from pipeline.ingest.skim import skimming

SAMPLES = sorted(path for path in (Path(__file__).parents[2] / "samples" / "feeds").rglob("*"))
SPACES = (
    'xmlns:media="http://search.yahoo.com/mrss/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    ' xmlns:atom="http://www.w3.org/2005/Atom"'
)
COUNTS = ("title", "summary", "link", "links", "id", "guidislink", "published", "updated", "created", "content")


def read(body: bytes) -> Any:
    return feedparser.parse(io.BytesIO(body), sanitize_html=False, resolve_relative_uris=False)


def both(body: bytes) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    plain = read(body)
    with skimming():
        skimmed = read(body)
    assert skimmed.version == plain.version
    assert bool(skimmed.bozo) is bool(plain.bozo)
    found = [[{name: dict.get(entry, name) for name in COUNTS} for entry in one.entries] for one in (plain, skimmed)]
    return found[0], found[1]


def rss(*items: str) -> bytes:
    return f"<rss version='2.0' {SPACES}><channel><title>Gazette</title>{''.join(items)}</channel></rss>".encode()


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_what_counts_of_a_sample_is_the_same(sample: Path) -> None:
    plain, skimmed = both(sample.read_bytes())
    assert skimmed == plain


@pytest.mark.parametrize(
    "inside",
    [
        "<dc:creator>Ann <b>Other</b></dc:creator><title>Velmont falls</title>",
        "<title>Velmont falls</title><category domain='x'>Banks</category><description>&lt;b&gt;fell</description>",
        "<media:group><media:content url='u'><media:title>Of the picture</media:title></media:content></media:group>",
        "<title>A</title><media:content><media:credit>B</media:credit>x</media:content><link>https://g.example</link>",
        "<media:thumbnail url='u'/><media:keywords>a, b</media:keywords><guid>7</guid><pubDate>3 Mar 2026</pubDate>",
        "<author>a@g.example<author>twice</author></author><title>Nested</title>",
        "<atom:author><atom:name>Ann</atom:name><atom:uri>https://a.example</atom:uri></atom:author><title>T</title>",
        "<enclosure url='https://g.example/a.mp3' type='audio/mpeg'/><title>Heard</title>",
    ],
)
def test_what_is_dropped_takes_nothing_with_it(inside: str) -> None:
    plain, skimmed = both(rss(f"<item>{inside}</item>", "<item><title>The next</title><guid>8</guid></item>"))
    assert skimmed == plain
    assert len(skimmed) == 2


def test_text_in_pieces_is_one_text() -> None:
    (_, (entry,)) = both(rss(f"<item><title>{'a &amp; b ' * 9_000}</title></item>"))
    assert entry["title"] == ("a & b " * 9_000).strip()


def test_filings_keep_the_label_that_tells_them() -> None:
    body = (
        b"<feed xmlns='http://www.w3.org/2005/Atom'><title>f</title><entry><title>t</title><id>1</id>"
        b"<category label='form type' term='8-K'/></entry></feed>"
    )
    with skimming():
        (entry,) = read(body).entries
    assert entry.tags[0].label == "form type"


def test_pictures_and_credits_are_not_read() -> None:
    with skimming():
        (entry,) = read(rss("<item><title>t</title><dc:creator>Ann</dc:creator><category>x</category></item>")).entries
    assert "author" not in entry
    assert "tags" not in entry


def test_feedparser_is_left_as_it_was() -> None:
    before = feedparser.api.PREFERRED_XML_PARSERS
    with pytest.raises(ZeroDivisionError), skimming():
        raise ZeroDivisionError
    assert feedparser.api.PREFERRED_XML_PARSERS is before
