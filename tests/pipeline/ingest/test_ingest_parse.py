"""From bytes to entries: versions, dates, text, identity, and bytes that nobody should have to read."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.dates import Flag, Precision, parse_date, with_flag
from pipeline.ingest.identity import Candidate, Known, Reason, article_id, content_sha256, decide
from pipeline.ingest.links import canonical_link, http_link
from pipeline.ingest.outcomes import masked
from pipeline.ingest.parse import ParsedFeed, parse
from pipeline.ingest.schedule import retry_after
from pipeline.ingest.text import plain_text
from tests.conftest import ROOT
from tests.pipeline.ingest.conftest import item, rss

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
SAMPLES = ROOT / "tests" / "samples" / "feeds"
NEW_YORK = ZoneInfo("America/New_York")


def read(body: bytes, content_type: str = "") -> ParsedFeed:
    return parse(body, feed_id="f", content_type=content_type, url="https://gazette.example/rss", now=NOW)


def test_rss_1_with_a_day_for_a_date() -> None:
    (entry,) = read((SAMPLES / "rss_1.rdf").read_bytes()).entries
    assert (entry.title, entry.url) == (
        "Bank of Esteria leaves its policy rate at 2.25%",
        "https://bank.example/news/7",
    )
    assert (entry.dated.published_at, entry.dated.precision) == (datetime(2026, 3, 2, tzinfo=UTC), Precision.DAY)


def test_filings_are_filings_and_each_party_is_an_entry() -> None:
    first, second = read((SAMPLES / "filings.atom").read_bytes()).entries
    assert (first.kind, second.kind) == ("filing", "filing")
    assert first.article_id != second.article_id
    assert first.dated.published_at == datetime(2026, 3, 3, 10, 58, tzinfo=UTC)
    assert first.summary == "Filed: 2026-03-03"


def test_an_ordinary_title_with_a_dash_is_news() -> None:
    (entry,) = read(rss(item("4 - that is how many banks failed (2026)", "https://g.example/1"))).entries
    assert entry.kind == "news"


def test_identity_prefers_the_guid_and_survives_a_moved_link() -> None:
    (a,) = read(rss(item("One", "https://g.example/old", guid="7"))).entries
    (b,) = read(rss(item("One, longer", "https://g.example/new", guid="7"))).entries
    assert a.article_id == b.article_id
    assert a.content_sha256 != b.content_sha256


def test_identity_by_link_ignores_tracking() -> None:
    (a,) = read(rss(item("One", "http://G.example/1?utm_source=rss&id=3"))).entries
    (b,) = read(rss(item("One", "https://g.example/1/?id=3#top"))).entries
    (c,) = read(rss(item("One", "https://g.example/1?id=4"))).entries
    assert a.article_id == b.article_id != c.article_id


def test_one_guid_for_different_stories_loses_none() -> None:
    feed = read(rss(*(item(f"Story {i}", f"https://g.example/{i}", guid="always the same") for i in range(3))))
    assert len({entry.article_id for entry in feed.entries}) == 3
    assert "link identifies" in " ".join(feed.warnings)


def test_an_encoding_that_differs_from_the_header_is_no_damage() -> None:
    body = '<?xml version="1.0" encoding="iso-8859-1"?><rss version="2.0"><channel><item><title>Société Marée</title>'
    feed = read(f"{body}</item></channel></rss>".encode("iso-8859-1"), "text/xml; charset=utf-8")
    assert [entry.title for entry in feed.entries] == ["Société Marée"]
    assert feed.complete


def test_entities_are_not_expanded_and_nothing_is_read() -> None:
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    head = f'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY l0 "ha">{laughs}<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    body = f"{head}<rss version='2.0'><channel><item><title>a &l9; &x; b</title></item></channel></rss>"
    text = " ".join(entry.title for entry in read(body.encode()).entries)
    assert "haha" not in text
    assert "root:" not in text


def test_bytes_that_name_a_file_or_an_address_are_not_opened() -> None:
    assert read(b"/etc/hostname").outcome == "not_a_feed"
    assert read(b"http://127.0.0.1:9/").outcome == "not_a_feed"


@given(st.binary(max_size=400))
def test_no_bytes_raise(body: bytes) -> None:
    feed = read(body)
    assert feed.outcome is not None or feed.entries


@given(st.text(max_size=200))
def test_no_title_raises_or_keeps_markup(text: str) -> None:
    clean = plain_text(text, 50)
    assert len(clean) <= 50
    assert clean == plain_text(clean, 50)
    assert clean == unicodedata.normalize("NFC", clean)
    clean.encode("utf-8")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("AT&amp;T &lt;b&gt;up&lt;/b&gt; 3%", "AT&T up 3%"),
        ("&amp;lt;script&amp;gt;x()&amp;lt;/script&amp;gt;Profit", "Profit"),
        ("<p>One</p><p>two</p>", "One two"),
        ("<svg onload=alert(1)>Loss", "Loss"),
        ("<\u200bscript>x()</\u200bscript>Profit", "Profit"),
        ("&lt;&#8203;img src=x onerror=x()&gt;Profit", "Profit"),
        ("&lt;\u200dscript>x()&lt;/\u200dscript>Profit", "Profit"),
        (
            "Ap\u200dple, \U0001f468\u200d\U0001f469, \u0645\u06cc\u200c\u062e",
            "Apple, \U0001f468\u200d\U0001f469, \u0645\u06cc\u200c\u062e",
        ),
        ("5 < 6 and R&D", "5 < 6 and R&D"),
        ("a\x00b\u202ec\ud800d\u200be", "abcde"),
        ("line\n one\ttwo\u00a0three", "line one two three"),
        ("Cafe\u0301", "Café"),
        (None, ""),
    ],
)
def test_plain_text(raw: str | None, text: str) -> None:
    assert plain_text(raw, 100) == text


def test_long_text_is_cut_and_shows_it() -> None:
    assert plain_text("x" * 5_000_000, 1_000) == "x" * 999 + "…"


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("https://g.example/1", "https://g.example/1"),
        ("/story/2", "https://gazette.example/story/2"),
        ("javascript:alert(1)", None),
        ("JaVaScRiPt:alert(1)", None),
        ("java\u200bscript:alert(1)", None),
        ("data:text/html,x", None),
        ("vbscript:x", None),
        ("https://[broken", None),
        ("", None),
    ],
)
def test_links_are_http_or_nothing(link: str, url: str | None) -> None:
    assert http_link(link, "https://gazette.example/rss") == url


def test_canonical_links_need_not_be_fetchable() -> None:
    assert canonical_link("http://G.example/a/?utm_medium=x&b=1#c") == "https://g.example/a?b=1"


@pytest.mark.parametrize(
    ("raw", "at", "precision"),
    [
        ("2019-12-31T18:00:00Z", datetime(2019, 12, 31, 18), "second"),
        ("2019-12-31 18:00:00+02:00", datetime(2019, 12, 31, 16), "second"),
        ("2019-06-30 18:00", datetime(2019, 6, 30, 22), "second"),
        ("2019-12-31", datetime(2019, 12, 31), "day"),
        ("31-Dec-19", datetime(2019, 12, 31), "day"),
        ("31 December 1985", datetime(1985, 12, 31), "day"),
        ("Dec. 31, 2019", datetime(2019, 12, 31), "day"),
        (" 6:51  PM ET Tue, 31 Dec 2019", datetime(2019, 12, 31, 23, 51), "second"),
        ("6:51 PM ET Mon, 1 July 2019", datetime(2019, 7, 1, 22, 51), "second"),
        ("Tue, 31 Dec 2019 18:51:00 EDT", datetime(2019, 12, 31, 22, 51), "second"),
        ("Tue, 31 Dec 2019 18:51:00 +0530", datetime(2019, 12, 31, 13, 21), "second"),
        ("Jul-18", datetime(2018, 7, 1), "month"),
        ("Dec 2019 10:00", datetime(2019, 12, 1), "month"),
        ("10:00 AM ET Dec 2019", datetime(2019, 12, 1), "month"),
        ("Dec 2019 24:00", datetime(2019, 12, 1), "month"),
        ("Feb 29 2020 10:00 UTC", datetime(2020, 2, 29, 10), "second"),
        ("2019-12", datetime(2019, 12, 1), "month"),
        ("July 2018", datetime(2018, 7, 1), "month"),
    ],
)
def test_dates(raw: str, at: datetime, precision: str) -> None:
    dated = parse_date(raw, NEW_YORK)
    assert (dated.published_at, dated.precision, dated.flag) == (at.replace(tzinfo=UTC), precision, Flag.OK)


@pytest.mark.parametrize(
    ("raw", "flag"),
    [
        ("", "missing"),
        ("   ", "missing"),
        ("32 Foo 99999", "unparsable"),
        ("12/11/2019", "unparsable"),
        ("12/11/2019 10:00", "unparsable"),
        ("10:00", "unparsable"),
        ("0000-00-00", "unparsable"),
        ("Tue, 31 Dec 2019 18:51:00 QQT", "unparsable"),
        ("31-Feb-19", "unparsable"),
        ("9" * 40, "unparsable"),
    ],
)
def test_dates_that_say_nothing(raw: str, flag: str) -> None:
    dated = parse_date(raw)
    assert (dated.published_at, dated.precision, dated.flag) == (None, "none", flag)
    assert dated.raw == raw.strip()


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1)).map(lambda at: at.replace(microsecond=0)),
    st.integers(-14 * 60, 14 * 60),
)
def test_dates_as_mail_writes_them_agree_with_the_standard_library(at: datetime, minutes: int) -> None:
    moment = at.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert parse_date(format_datetime(moment)).published_at == moment
    assert parse_date(format_datetime(at.replace(tzinfo=UTC), usegmt=True)).published_at == at.replace(tzinfo=UTC)


@given(st.text(max_size=60))
def test_no_date_raises(text: str) -> None:
    assert parse_date(text).precision in Precision


@pytest.mark.parametrize(
    ("raw", "flag"),
    [
        ("2026-03-03T12:09:00Z", ""),
        ("2026-03-03T12:11:00Z", "future"),
        ("2026-03-04", ""),
        ("2026-03-05", "future"),
        ("9999-12-31T23:59:59Z", "future"),
        ("1970-01-01T00:00:00Z", "ancient"),
    ],
)
def test_dates_that_a_feed_cannot_mean_are_flagged_and_not_moved(raw: str, flag: str) -> None:
    plain = parse_date(raw)
    dated = with_flag(plain, NOW)
    assert (dated.flag, dated.published_at) == (flag, plain.published_at)


def test_a_feeds_us_eastern_time_knows_summer() -> None:
    (entry,) = read(rss(item("x", date="Wed, 01 Jul 2020 09:00:00 ET"))).entries
    assert entry.dated.published_at == datetime(2020, 7, 1, 13, tzinfo=UTC)


def test_decisions() -> None:
    known = {
        "same": Known(1, "s1", NOW, NOW),
        "edited": Known(3, "e3", NOW, NOW),
        "restless": Known(24, "r24", NOW, NOW),
    }
    entries = [("same", "s1"), ("edited", "e4"), ("restless", "r25"), ("fresh", "f1"), ("fresh", "f2")]
    decisions = decide(known, [Candidate(*entry) for entry in entries], NOW)
    assert [(d.reason, d.revision) for d in decisions] == [
        (Reason.KNOWN, 1),
        (Reason.REVISED, 4),
        (Reason.TOO_MANY_REVISIONS, 24),
        (Reason.FIRST, 1),
        (Reason.REPEATED_IN_FEED, 0),
    ]


def test_ids_do_not_run_together_and_content_ignores_spacing_and_case() -> None:
    assert article_id("a", "bc") != article_id("ab", "c")
    assert content_sha256("Big  LOSS", "") == content_sha256("big loss", " ")
    assert content_sha256("big loss", "") != content_sha256("big loss!", "")


@pytest.mark.parametrize(
    ("header", "minutes"),
    [
        ("120", 2),
        ("1", 1),
        ("0", 1),
        ("999999999999999999", 24 * 60),
        ("Tue, 03 Mar 2026 12:30:00 GMT", 30),
        ("Tue, 03 Mar 2020 12:30:00 GMT", 1),
        ("-5", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_kept_within_a_minute_and_a_day(header: str, minutes: int | None) -> None:
    due = retry_after(header, NOW)
    assert (None if due is None else (due - NOW).total_seconds() / 60) == minutes


def test_masking() -> None:
    url = "https://me:pw@news.example:8443/rss?token=abc&empty=&page=2#frag"
    assert masked(url) == "https://news.example:8443/rss?token=***&empty=***&page=***"
