"""By what entries are known: guid, link or text; what is learned of a feed; revisions and their limit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from cli.main import app
from pipeline import ingest
from pipeline.context import Context
from pipeline.ingest.identity import MAX_REVISIONS, Candidate, Known, Reason, decide
from pipeline.ingest.links import canonical_link
from pipeline.ingest.parse import parse
from pipeline.ingest.policy import Cause, Identity, Memory, Policy, learned, resolve
from tests.conftest import MovableClock
from tests.pipeline.ingest.conftest import Page, Site, item, rows, rss

Subscribe = Callable[[Sequence[str]], None]
NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
HEADLINES = [
    "Brightwater raises its dividend",
    "Storm closes the harbour for a week",
    "Ferry line cuts two hundred jobs",
    "Esteria leaves its policy rate alone",
    "Miller sells his stake in Northgate",
    "Court hears the case of the pension fund",
]


@pytest.fixture
def poll(site: Site, context: Context, subscribe: Subscribe, clock: MovableClock) -> Callable[[Sequence[str]], None]:
    """Serve these items and ingest; five minutes pass."""
    subscribe([site.url("/feed")])

    def once(items: Sequence[str]) -> None:
        site.pages["/feed"] = Page(rss(*items))
        ingest.run(context)
        clock.now += timedelta(minutes=5)

    return once


def identity_of(context: Context) -> tuple[object, ...]:
    ((policy, reason, hint),) = rows(context, "SELECT identity, identity_reason, identity_hint FROM feeds")
    return policy, reason, hint


def counted(context: Context) -> tuple[object, ...]:
    ((articles, revisions),) = rows(context, "SELECT count(DISTINCT article_id), count(*) FROM articles")
    return articles, revisions


def test_guids_that_change_at_every_poll_make_no_copies_and_are_learned(
    poll: Callable[[Sequence[str]], None], context: Context
) -> None:
    for n in range(4):
        poll([item(title, f"https://g.example/{i}", guid=f"{n}-{i}") for i, title in enumerate(HEADLINES)])
        assert counted(context) == (6, 6)
        assert identity_of(context)[0] == ("guid" if n < 2 else "link")
    assert identity_of(context)[1] == "restless_guids"
    # An edit is now seen as one, whatever its guid.
    edited = ["Brightwater raises its dividend again", *HEADLINES[1:], "A seventh story comes"]
    poll([item(title, f"https://g.example/{i}", guid=f"9-{i}") for i, title in enumerate(edited)])
    assert counted(context) == (7, 8)
    assert rows(context, "SELECT title FROM articles WHERE revision = 2") == [(edited[0],)]


def test_guids_and_links_that_change_at_every_poll_leave_the_text(
    poll: Callable[[Sequence[str]], None], context: Context
) -> None:
    for n in range(4):
        poll([item(title, f"https://g.example/{n}/{i}", guid=f"{n}-{i}") for i, title in enumerate(HEADLINES)])
        assert counted(context) == (6, 6)
    assert identity_of(context)[:2] == ("hash", "restless_links")
    poll([item("A seventh story comes", "https://g.example/9/9", guid="9-9")])
    assert counted(context) == (7, 7)


def test_guids_that_are_places_in_the_list_lose_no_story(
    poll: Callable[[Sequence[str]], None], context: Context
) -> None:
    stories = [*HEADLINES, *(f"{word} falls on the stock exchange" for word in ("Acme", "Bolt", "Corin", "Dover"))]
    for n in range(5):
        shown = list(enumerate(stories))[n : n + 6]
        poll([item(title, f"https://g.example/{i}", guid=str(place)) for place, (i, title) in enumerate(shown)])
        assert counted(context) == (6 + n, 6 + n)
    assert identity_of(context)[:2] == ("link", "reused_guids")


def test_a_steady_feed_stays_with_its_guids_through_edits_and_moves(
    poll: Callable[[Sequence[str]], None], context: Context
) -> None:
    for n in range(4):
        poll(
            [
                item(title if i else f"{title}, part {n}", f"https://g.example/{n}/{i}", guid=str(i))
                for i, title in enumerate(HEADLINES)
            ]
        )
    assert identity_of(context) == ("guid", None, None)
    assert counted(context) == (6, 9)


def test_where_a_feed_is_fetched_from_changes_no_guid() -> None:
    body = rss(item("Story", "/a", guid="4711"), item("Other", guid="4712"))
    at = [
        parse(body, feed_id="f", content_type="", url=url, now=NOW).entries
        for url in ("https://a.example/rss", "https://b.example/x/feed")
    ]
    assert [entry.article_id for entry in at[0]] == [entry.article_id for entry in at[1]]
    assert [entry.url for entry in at[0]] == ["https://a.example/a", None]


def test_one_restless_poll_is_no_habit(poll: Callable[[Sequence[str]], None], context: Context) -> None:
    for n in (0, 1, 1, 2, 2):
        poll([item(title, f"https://g.example/{i}", guid=f"{n}-{i}") for i, title in enumerate(HEADLINES)])
        poll([item(title, f"https://g.example/{i}", guid=f"0-{i}") for i, title in enumerate(HEADLINES)])
    assert identity_of(context)[0] == "guid"
    assert counted(context) == (6, 6)


def test_what_was_learned_is_told_where_feeds_are_listed(
    poll: Callable[[Sequence[str]], None], context: Context
) -> None:
    for n in range(3):
        poll([item(title, f"https://g.example/{i}", guid=f"{n}-{i}") for i, title in enumerate(HEADLINES)])
    config = context.settings.ingest.feeds.with_name("barograph.toml")
    config.write_text('[store]\nwarehouse = "duckdb:barograph.duckdb"\n', encoding="utf-8")
    told = CliRunner().invoke(app, ["feeds", "list", "--config", str(config)])
    assert "guids change at every poll" in " ".join(told.output.split())


def test_after_the_limit_an_article_has_one_revision_a_day() -> None:
    known = Known(MAX_REVISIONS, "old", NOW, NOW)
    entry = [Candidate("a", "new")]
    assert decide({"a": known}, entry, NOW + timedelta(hours=23))[0].reason is Reason.TOO_MANY_REVISIONS
    decision = decide({"a": known}, entry, NOW + timedelta(hours=24))[0]
    assert (decision.reason, decision.revision) == (Reason.REVISED, MAX_REVISIONS + 1)


def test_a_feed_whose_text_holds_the_clock_says_so_and_its_correction_is_kept(
    poll: Callable[[Sequence[str]], None], context: Context, clock: MovableClock
) -> None:
    for minute in range(30):
        poll([item(f"Markets at 12:{minute:02}", "https://g.example/live", guid="live")])
    assert counted(context) == (1, MAX_REVISIONS)
    ((warning,),) = rows(context, "SELECT warning FROM fetches ORDER BY fetched_at DESC LIMIT 1")
    assert "change their text all the time" in str(warning)
    clock.now += timedelta(days=1)
    poll([item("Markets closed: the figures of noon were wrong", "https://g.example/live", guid="live")])
    assert counted(context) == (1, MAX_REVISIONS + 1)


# What a feed may show: some of ten stories, each with its own link and text.
stories = st.lists(st.integers(0, 9), max_size=8, unique=True)


def candidates(shown: Sequence[int], guid: Callable[[int], str]) -> list[Candidate]:
    return [Candidate(f"guid:{guid(n)}", f"text:{n}", f"link:{n}", f"{chr(97 + n)} " * 3, guided=True) for n in shown]


def store(polls: Sequence[list[Candidate]], policy: Policy = Policy.GUID) -> tuple[Memory, Identity]:
    """A store without a database: what each poll leaves in the memory of the next."""
    memory, identity = Memory(), Identity(policy)
    for n, entries in enumerate(polls):
        at = NOW + timedelta(minutes=n)
        resolved = resolve(identity, "f", entries, memory, at.date())
        identity = learned(identity, "f", entries, resolved, memory, at)
        named = [replace(entry, article_id=found.article_id) for entry, found in zip(entries, resolved, strict=True)]
        for entry, decision in zip(named, decide(memory.ids, named, at), strict=True):
            if decision.reason.stores:
                known = Known(decision.revision, entry.content_sha256, at, at, entry.title, entry.link_key)
                memory.learn("f", known, entry.article_id)
    return memory, identity


@given(st.lists(stories, max_size=6), st.sampled_from(list(Policy)))
def test_whatever_is_shown_in_whatever_order_each_story_is_one_article(polls: list[list[int]], policy: Policy) -> None:
    memory, _ = store([candidates(shown, str) for shown in polls], policy)
    assert len(memory.ids) == len({n for shown in polls for n in shown})
    assert all(known.revision == 1 for known in memory.ids.values())


@given(st.lists(stories, max_size=6))
def test_restless_guids_never_make_a_second_article_of_a_story(polls: list[list[int]]) -> None:
    memory, identity = store(
        [candidates(shown, lambda n, poll=poll: f"{poll}-{n}") for poll, shown in enumerate(polls)]  # type: ignore[misc]
    )
    assert len(memory.ids) == len({n for shown in polls for n in shown})
    assert identity.policy in (Policy.GUID, Policy.LINK)


@given(st.lists(stories, max_size=6))
def test_steady_guids_are_never_taken_for_restless_ones(polls: list[list[int]]) -> None:
    assert store([candidates(shown, str) for shown in polls])[1].policy is Policy.GUID


def test_every_cause_has_words_and_another_policy() -> None:
    assert all(cause.words and cause.policy is not Policy.GUID for cause in Cause)


@pytest.mark.parametrize(
    ("link", "page"),
    [
        ("https://www.google.com/url?sa=t&url=https%3A%2F%2Fg.example%2Fa&usg=x", "https://g.example/a"),
        ("https://www.google.com/url?q=https://g.example/a?id=3&sa=U", "https://g.example/a?id=3"),
        ("https://g-example.cdn.ampproject.org/c/s/g.example/a", "https://g.example/a"),
        ("https://www.google.com/amp/s/g.example/a.amp.html", "https://g.example/a.html"),
        ("https://g.example/amp/a", "https://g.example/a"),
        ("https://amp.g.example/a?amp=1", "https://g.example/a"),
        ("http://m.g.example:80/a/", "https://g.example/a"),
        ("https://l.facebook.com/l.php?u=https%3A%2F%2Fg.example%2Fa&h=x", "https://g.example/a"),
        ("https://g.example/a?utm_source=x&gclid=y&b=2&a=1#top", "https://g.example/a?a=1&b=2"),
        ("https://g.example/a?mod=rss_markets", "https://g.example/a"),
        (
            "https://g.example/redirect?url=javascript:alert(1)",
            "https://g.example/redirect?url=javascript%3Aalert%281%29",
        ),
        ("https://g.example/a?id=1&source=wire", "https://g.example/a?id=1&source=wire"),
    ],
)
def test_links_to_one_page_have_one_form(link: str, page: str) -> None:
    assert canonical_link(link) == page


paths = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=12)
pairs = st.lists(st.tuples(st.sampled_from(["id", "page", "story"]), paths), max_size=3, unique_by=lambda p: p[0])
tracking = st.lists(st.sampled_from(["utm_source=a", "fbclid=1", "gclid=2", "utm_medium=rss", "cmpid=z"]), max_size=3)


@given(
    paths,
    pairs,
    tracking,
    st.sampled_from(["", "www.", "m.", "amp."]),
    st.sampled_from(["http", "https"]),
    st.randoms(),
)
def test_where_a_reader_came_from_changes_no_page(
    path: str, pairs: list[tuple[str, str]], tracked: list[str], prefix: str, scheme: str, random: object
) -> None:
    plain = canonical_link(f"https://g.example/n/{path}?" + "&".join(f"{k}={v}" for k, v in pairs))
    parts = [*(f"{k}={v}" for k, v in pairs), *tracked]
    random.shuffle(parts)  # type: ignore[attr-defined]
    assert canonical_link(f"{scheme}://{prefix}G.EXAMPLE/n/{path}/?{'&'.join(parts)}#frag") == plain
    assert canonical_link(plain) == plain


HOME = "https://g.example/"


@pytest.mark.parametrize("order", [("ab", "a", "abc", "bc", "c"), ("a", "ab", "b", "ab", "cb"), ("ab", "b", "c", "ca")])
def test_entries_that_share_a_page_stay_who_they_are_while_neighbours_come_and_go(
    order: tuple[str, ...], poll: Callable[[Sequence[str]], None], context: Context
) -> None:
    titles = dict(zip("abc", HEADLINES, strict=False))
    for shown in order:
        poll([item(titles[one], HOME) for one in shown])
    seen = {titles[one] for one in "".join(order)}
    assert counted(context) == (len(seen), len(seen))


def test_a_page_that_nobody_shares_is_a_name_and_an_edit_a_revision(
    poll: Callable[[Sequence[str]], None], context: Context
) -> None:
    for title in (HEADLINES[0], "Brightwater raises its dividend again"):
        poll([item(title, "https://g.example/1"), item(HEADLINES[1], "https://g.example/2")])
    assert counted(context) == (2, 3)


def test_places_of_one_page_are_told_apart_by_their_words(
    poll: Callable[[Sequence[str]], None], context: Context
) -> None:
    for n in range(4):
        poll([item(HEADLINES[n], f"https://g.example/live#entry-{n}")])
    assert counted(context) == (4, 4)
    poll([item(HEADLINES[0], "https://g.example/live#entry-0")])
    assert counted(context) == (4, 4)


def test_a_mark_behind_the_link_makes_no_other_article(poll: Callable[[Sequence[str]], None], context: Context) -> None:
    for n in range(3):
        poll([item(HEADLINES[0], f"https://g.example/1#xtor=RSS-{n}")])
    assert counted(context) == (1, 1)


def test_an_entry_that_stands_twice_under_two_guids_is_one_article(
    poll: Callable[[Sequence[str]], None], context: Context
) -> None:
    for guids in ("ab", "ba", "b", "c"):
        poll([item(HEADLINES[0], "https://g.example/1", guid=guid) for guid in guids])
    assert counted(context) == (1, 1)


def test_articles_without_a_link_key_get_one_when_their_feed_is_loaded(
    poll: Callable[[Sequence[str]], None], context: Context
) -> None:
    poll([item(title, f"https://g.example/{i}", guid=f"0-{i}") for i, title in enumerate(HEADLINES)])
    poll([item(f"{title}, it says", HOME, guid=f"h-{i}") for i, title in enumerate(HEADLINES[:2])])
    with context.warehouse.write("articles") as tx:
        tx.con.execute("UPDATE articles SET link_key = NULL")  # as they were stored before there were keys
    for n in range(1, 4):
        poll([item(title, f"https://g.example/{i}", guid=f"{n}-{i}") for i, title in enumerate(HEADLINES)])
    assert identity_of(context)[:2] == ("link", "restless_guids")
    assert counted(context) == (8, 8)
    assert rows(context, "SELECT count(*) FROM articles WHERE link_key IS NULL") == [(0,)]
    shared = rows(context, "SELECT DISTINCT url FROM articles WHERE starts_with(link_key, '~')")
    assert shared == [(HOME,)]
