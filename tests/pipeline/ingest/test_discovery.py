"""Finding feeds on a real server: what a page names, the usual places, news sitemaps; and what no page can do to us."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pipeline.context import Context
from pipeline.errors import FetchFailed
from pipeline.ingest.client import HttpFetcher
from pipeline.ingest.discovery import How, feed_links, find_feeds, news_sitemaps
from tests.pipeline.ingest.conftest import Page, Site, item, rss

ATOM = (
    b'<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>Harbour Atom</title><id>urn:a</id>'
    b"<updated>2026-03-03T11:00:00Z</updated><entry><id>urn:1</id><title>Harbour opens</title>"
    b'<link href="https://harbour.example/1"/><updated>2026-03-03T11:00:00Z</updated></entry></feed>'
)
JSON = json.dumps(
    {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "Harbour JSON",
        "items": [{"id": "1", "url": "https://harbour.example/1", "title": "Harbour opens"}],
    }
).encode()
NEWS_SITEMAP = (
    b'<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
    b' xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"><url><loc>https://harbour.example/1</loc><news:news>'
    b"<news:publication><news:name>Harbour Gazette</news:name><news:language>en</news:language></news:publication>"
    b"<news:publication_date>2026-03-03T11:00:00Z</news:publication_date><news:title>Harbour opens</news:title>"
    b"</news:news></url></urlset>"
)


def page(*links: str, body: str = "") -> Page:
    text = f"<!doctype html><html><head><title>Harbour</title>{''.join(links)}</head><body>{body}</body></html>"
    return Page(text.encode(), headers={"Content-Type": "text/html; charset=utf-8"})


def link(href: str, kind: str = "application/rss+xml", title: str = "") -> str:
    return f'<link rel="alternate" type="{kind}" title="{title}" href="{href}">'


def index(*addresses: str) -> bytes:
    inside = "".join(f"<sitemap><loc>{one}</loc></sitemap>" for one in addresses)
    return f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{inside}</sitemapindex>'.encode()


FEED = Page(rss(item("Harbour opens", "https://harbour.example/1")))


def test_the_address_of_a_feed_is_that_feed(context: Context, site: Site) -> None:
    site.pages |= {"/rss": FEED, "/empty": Page(rss())}
    (found,) = find_feeds(context, site.url("/rss"))
    assert (found.url, found.title, found.form, found.entries) == (site.url("/rss"), "Harbour Gazette", "rss", 1)
    assert (found.how, found.language) == (How.ADDRESS, "en")
    assert [one.entries for one in find_feeds(context, site.url("/empty"))] == [0]
    assert len(site.requests) == 2


def test_a_page_names_its_feeds_in_three_forms(context: Context, site: Site) -> None:
    site.pages |= {
        "/news/": page(
            '<base href="/news/">',
            link("rss.xml?a=1&amp;b=2", title="RSS"),
            link("/atom", "application/atom+xml; charset=utf-8"),
            link("/json", "application/feed+json"),
            link("/broken"),
            link("/same"),
            link("/style", "text/css"),
            '<link rel="stylesheet" href="/x.css">',
            body="<p>News</p>",
        ),
        "/news/rss.xml?a=1&b=2": FEED,
        "/same": FEED,
        "/atom": Page(ATOM),
        "/json": Page(JSON, headers={"Content-Type": "application/feed+json"}),
    }
    found = find_feeds(context, site.url("/news/"))
    assert [(one.url, one.form, one.how) for one in found] == [
        (site.url("/news/rss.xml?a=1&b=2"), "rss", How.NAMED),
        (site.url("/atom"), "atom", How.NAMED),
        (site.url("/json"), "json", How.NAMED),
    ]
    assert "/x.css" not in [path for path, _, _ in site.requests]


def test_the_usual_places_are_tried_only_where_the_page_names_nothing(context: Context, site: Site) -> None:
    site.pages |= {"/desk": page(), "/desk/feed": FEED, "/rss.xml": Page(ATOM)}
    (found,) = find_feeds(context, site.url("/desk"))
    assert (found.url, found.how) == (site.url("/desk/feed"), How.USUAL)
    site.requests.clear()
    site.pages |= {"/named": page(link("/rss.xml"))}
    (found,) = find_feeds(context, site.url("/named"))
    assert (found.url, found.how) == (site.url("/rss.xml"), How.NAMED)
    assert len(site.requests) == 2


@pytest.mark.parametrize("usual", [False, True])
def test_a_news_sitemap_is_found_by_robots_txt_or_at_its_usual_place(context: Context, site: Site, usual: bool) -> None:
    site.pages |= {"/": page(), "/sitemap-news.xml" if usual else "/maps/news.xml": Page(NEWS_SITEMAP)}
    if not usual:
        site.pages["/robots.txt"] = Page(f"User-agent: *\nSitemap: {site.url('/maps.xml')}\n".encode())
        site.pages["/maps.xml"] = Page(index(site.url("/maps/pages.xml"), site.url("/maps/news.xml")))
    (found,) = find_feeds(context, site.url("/"))
    assert found.url == site.url("/sitemap-news.xml" if usual else "/maps/news.xml")
    assert (found.how, found.form, found.title) == (How.SITEMAP, "sitemap", "Harbour Gazette")


def test_a_list_of_sitemaps_leads_to_that_of_the_news(context: Context, site: Site) -> None:
    site.pages |= {
        "/sitemap.xml": Page(index(site.url("/pages.xml"), site.url("/news.xml?a=1&amp;b=2"))),
        "/news.xml?a=1&b=2": Page(NEWS_SITEMAP),
    }
    assert [one.url for one in find_feeds(context, site.url("/sitemap.xml"))] == [site.url("/news.xml?a=1&b=2")]


def test_a_site_without_a_feed_has_none_and_is_asked_a_bounded_number_of_times(context: Context, site: Site) -> None:
    site.pages["/"] = page(*(link(f"/f{n}") for n in range(500)))
    assert find_feeds(context, site.url("/")) == []
    assert len(site.requests) < 60


def test_a_page_that_cannot_be_fetched_is_told_apart_from_one_without_feeds(context: Context, site: Site) -> None:
    with pytest.raises(FetchFailed, match="404") as failure:
        find_feeds(context, site.url("/missing"))
    assert failure.value.outcome == "http_error"


def test_a_public_page_cannot_lead_us_into_the_intranet(context: Context, site: Site) -> None:
    outside = Site()
    try:
        outside.pages["/"] = page(
            link(site.url("/secret")), link("http://169.254.169.254/feed"), link("file:///etc/passwd")
        )
        site.pages["/secret"] = FEED

        ingest = context.settings.ingest.model_copy(update={"allow_hosts": (site.address, outside.address)})
        both = replace(context, settings=context.settings.model_copy(update={"ingest": ingest}))
        assert [one.url for one in find_feeds(both, outside.url("/"))] == [site.url("/secret")], "both are ours"
        site.requests.clear()

        async def nowhere(host: str, port: int) -> list[str]:
            return ["127.0.0.1"]

        class Redirected(HttpFetcher):
            """Fetches as ever; the page says that it was found on a public host."""

            def __call__(self, wanted, deliver):  # type: ignore[no-untyped-def]
                super().__call__(wanted, lambda got: deliver(replace(got, final_url="https://news.example/")))

        assert find_feeds(both, outside.url("/"), fetcher=Redirected(ingest, nowhere)) == []
        assert site.requests == []
    finally:
        outside.close()


def test_links_of_broken_and_odd_pages_are_read_as_far_as_they_can_be() -> None:
    odd = (
        "<!DOCTYPE html><!-- <link rel=alternate type=application/rss+xml href=/commented> -->"
        '<script>var x = \'<link rel="alternate" type="application/rss+xml" href="/script">\'</script>'
        "<LINK REL='feed Alternate' TYPE=application/rss+xml HREF=/up TITLE='A &amp; <b>B</b>'>"
        "<link rel=alternate type=application/rss+xml href='javascript:alert(1)'>"
        "<link rel=alternate type=application/rss+xml>"
        "<link rel=alternate hreflang=de type=text/html href=/de>"
        "<link rel=alternate type=application/rss+xml href=/comments/feed title='Comments'>"
        "<![foo[ <link rel=alternate type=application/rss+xml href=/after>"
    )
    assert feed_links(odd.encode("utf-16"), "text/html; charset=utf-16", "https://harbour.example/a") == [
        ("https://harbour.example/up", "A & B")
    ]
    only = "<link rel=alternate type=application/rss+xml href=/comments/feed>"
    assert feed_links(only.encode(), "", "https://harbour.example/") == [("https://harbour.example/comments/feed", "")]


@pytest.mark.parametrize("piece", ["<div>", "<!--", "<!-- -", "<a b='", "<link ", "<![CDATA[", "&", "<", "<?", "</a "])
def test_a_page_made_to_keep_us_busy_does_not(piece: str) -> None:
    """What nests without end takes a parser that builds a tree half a minute for half of this."""
    assert feed_links(piece.encode() * (1_000_000 // len(piece)), "text/html", "https://harbour.example/") == []


def test_robots_txt_names_sitemaps_of_news_first() -> None:
    robots = (
        b"Sitemap: https://h.example/all.xml\r\nsitemap:/google-news.xml\nDisallow: /\nSitemap: ftp://h.example/x\n"
    )
    assert news_sitemaps(robots, "https://h.example/robots.txt") == [
        "https://h.example/google-news.xml",
        "https://h.example/all.xml",
    ]
