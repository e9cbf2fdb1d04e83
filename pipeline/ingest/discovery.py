"""Finding the feed of a site: what a page names, else the usual places and news sitemaps, each tried before it counts.

Everything is asked through the guarded fetcher, and a public page cannot lead us to a host of our intranet.
"""

from __future__ import annotations

import contextlib
import hashlib
import html
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

from w3lib.encoding import html_to_unicode

from pipeline.context import Context
from pipeline.errors import FetchFailed
from pipeline.ingest.addresses import Allowed, check_url
from pipeline.ingest.client import HttpFetcher
from pipeline.ingest.exchange import Fetched, Fetcher, Wanted
from pipeline.ingest.links import canonical_link, http_link
from pipeline.ingest.outcomes import Outcome
from pipeline.ingest.parse import Body, Parser
from pipeline.ingest.pool import ParserPool
from pipeline.ingest.sitemap import looks_so as is_sitemap
from pipeline.ingest.text import plain_text

__all__ = ["FoundFeed", "How", "feed_links", "find_feeds", "news_sitemaps"]

_TYPES = {
    "application/rss+xml",
    "application/atom+xml",
    "application/rdf+xml",
    "application/feed+json",
    "application/json",
    "application/xml",
    "text/xml",
}
_HERE = ("feed", "rss", "feed.xml", "rss.xml", "atom.xml", "feed.json")
_ROOT = ("feed", "rss", "feed.xml", "rss.xml", "atom.xml", "index.xml", "feeds", "feed.json")
_SITEMAPS = ("news-sitemap.xml", "sitemap-news.xml", "sitemap_news.xml", "news_sitemap.xml")
# A page names a few feeds, not hundreds; what it says first is what it means.
_MOST = 20
_PAGE_LIMIT = 1_000_000


class How(StrEnum):
    """How a feed was found."""

    ADDRESS = "the address itself"
    NAMED = "named by the page"
    USUAL = "at a usual place"
    SITEMAP = "news sitemap"


@dataclass(frozen=True)
class FoundFeed:
    """A feed that was read: its address, what it calls itself, its form (rss, atom, json, …), and how it was found."""

    url: str
    title: str
    form: str
    entries: int
    how: How
    language: str | None = None


def find_feeds(
    context: Context, url: str, *, fetcher: Fetcher | None = None, parser: Parser | None = None
) -> list[FoundFeed]:
    """The feeds of the page at `url`, or `url` itself if it is one; none if there are none.

    Raises:
        FetchFailed: the page could not be fetched.
    """
    ingest = context.settings.ingest
    parser = parser or ParserPool(ingest.parsers, ingest.parse_timeout_s)
    search = _Search(context, fetcher or HttpFetcher(ingest), parser, url)
    page = search.ask([url])[url]
    if page.outcome is not None:
        raise FetchFailed(str(page.outcome), page.error, page.status)
    if itself := search.read([page], How.ADDRESS):
        return list(itself.values())
    at = page.final_url or url
    search = replace(search, page=at)
    if is_sitemap(page.body):
        return search.try_all(_news_first(_locations(page.body)), How.SITEMAP)
    named = feed_links(page.body, page.content_type, at)
    if found := search.try_all([link for link, _ in named], How.NAMED, dict(named)):
        return found
    places = [urljoin(at, f"{urlsplit(at).path.rstrip('/')}/{name}") for name in _HERE]
    if found := search.try_all([*places, *(urljoin(at, f"/{name}") for name in _ROOT)], How.USUAL):
        # Nobody named these: the nearest to the page is meant.
        return found[:1]
    return search.sitemaps(at)


def feed_links(body: bytes, content_type: str, url: str) -> list[tuple[str, str]]:
    """What a page names as feeds (`link rel=alternate` of a feed's type): absolute address and title, in its order."""
    _, text = html_to_unicode(content_type, body[:_PAGE_LIMIT])
    page = _Links()
    # Never closed: the rest of a broken page is not worth what it can cost to look for its end. What was found before a
    # place that cannot be read is kept.
    with contextlib.suppress(AssertionError, ValueError):
        page.feed(text)
    base = http_link(page.base, url) or url
    found: dict[str, str] = {}
    for href, title in page.found:
        if link := http_link(href, base):
            found.setdefault(link, plain_text(title, 200))
    # The comments are news of nobody; a page of them is what somebody asked for only where nothing else is there.
    rest = {link: title for link, title in found.items() if "comment" not in f"{urlsplit(link).path} {title}".lower()}
    return list((rest or found).items())[:_MOST]


def news_sitemaps(robots: bytes, url: str) -> list[str]:
    """The sitemaps that robots.txt names, those of news first."""
    lines = re.findall(rb"(?im)^\s*sitemap\s*:\s*(\S{1,2000})", robots[:_PAGE_LIMIT])
    links = [http_link(line.decode("utf-8", "replace"), url) for line in lines]
    return _news_first(link for link in links if link)


@dataclass(frozen=True)
class _Search:
    """One search from a page; `answers` holds what was asked already."""

    context: Context
    fetcher: Fetcher
    parser: Parser
    page: str
    answers: dict[str, Fetched] = field(default_factory=dict)

    def ask(self, urls: Sequence[str]) -> dict[str, Fetched]:
        """Every address fetched once."""

        def deliver(fetched: Fetched) -> None:
            self.answers[fetched.url] = fetched
            self.context.progress("look for feeds", len(self.answers), None)

        self.fetcher([Wanted(url, url) for url in dict.fromkeys(urls) if url not in self.answers], deliver)
        return self.answers

    def read(self, answers: Sequence[Fetched], how: How, titles: dict[str, str] | None = None) -> dict[str, FoundFeed]:
        """Those of the answers that are feeds, by their address."""
        here = [one for one in answers if one.outcome is None]
        now = self.context.clock()
        bodies = (Body(one.body, one.feed_id, one.content_type, one.final_url or one.url, now) for one in here)
        found = {}
        for one, parsed in zip(here, self.parser(bodies), strict=True):
            if parsed.outcome in (None, Outcome.EMPTY):
                name = parsed.title or (titles or {}).get(one.url, "")
                found[one.url] = FoundFeed(one.url, name, parsed.form, len(parsed.entries), how, parsed.language)
        return found

    def try_all(self, urls: Iterable[str], how: How, titles: dict[str, str] | None = None) -> list[FoundFeed]:
        """Those of the addresses that are feeds, in their order, each once however many addresses it has."""
        wanted = list(self._may_be_asked(urls))[:_MOST]
        answers = self.ask(wanted)
        found: list[FoundFeed] = []
        seen: set[str] = set()
        for url, feed in self.read([answers[url] for url in wanted], how, titles).items():
            marks = {canonical_link(answers[url].final_url or url), hashlib.sha256(answers[url].body).hexdigest()}
            if not marks & seen:
                found.append(feed)
                seen |= marks
        return found

    def sitemaps(self, url: str) -> list[FoundFeed]:
        """The news sitemaps that robots.txt names, also within lists of sitemaps, or those at the usual places."""
        robots = self.ask([urljoin(url, "/robots.txt")])[urljoin(url, "/robots.txt")]
        named = list(self._may_be_asked(news_sitemaps(robots.body, url)))[:_MOST]
        lists = [answers[one].body for answers in [self.ask(named)] for one in named]
        inside = [link for body in lists if is_sitemap(body) for link in _locations(body) if "news" in link.lower()]
        usual = [urljoin(url, f"/{name}") for name in _SITEMAPS]
        return self.try_all([*named[: _MOST // 2], *inside[: _MOST // 2], *usual], How.SITEMAP)

    def _may_be_asked(self, urls: Iterable[str]) -> Iterator[str]:
        allowed = Allowed.of(self.context.settings.ingest.allow_hosts)
        inside = check_url(self.page, allowed).exempt
        for url in dict.fromkeys(urls):
            try:
                target = check_url(url, allowed)
            except FetchFailed:
                continue
            if inside or not target.exempt:
                yield url


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.base: str | None = None
        self.found: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in reversed(attrs)}
        if tag == "base" and self.base is None:
            self.base = values.get("href")
        is_feed = values.get("type", "").partition(";")[0].strip().lower() in _TYPES
        if tag == "link" and is_feed and "href" in values and "alternate" in values.get("rel", "").lower().split():
            self.found.append((values["href"], values.get("title", "")))


def _locations(body: bytes) -> list[str]:
    """The addresses of a sitemap, or of a list of sitemaps."""
    found = re.findall(rb"<(?:\w+:)?loc>\s*([^<\s]{1,2000})", body[:_PAGE_LIMIT])
    return [html.unescape(one.decode("utf-8", "replace")) for one in found]


def _news_first(links: Iterable[str]) -> list[str]:
    return sorted(dict.fromkeys(links), key=lambda link: "news" not in link.lower())
