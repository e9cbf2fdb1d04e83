"""The pure decision: reasons, ties, chains, merges, and what follows what."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pipeline.fold.compare import WINDOW
from pipeline.fold.decide import How, decide, story_id
from pipeline.fold.meaning import Likeness, Meaning
from pipeline.fold.records import Article, Candidate, Reason
from pipeline.fold.text import gist

_SAME = Likeness(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)


def article(
    name: str, title: str, *companies: str, after: timedelta = timedelta(), kind: str = "news", summary: str = ""
) -> Article:
    when, named = NOON + after, frozenset(companies)
    return Article(name, kind, gist(title, summary), named, when, when, named)


def candidate(of: Article, *story_companies: str, first: Article | None = None, read: bool = False) -> Candidate:
    """A member of the story of `first` (of itself); `read`: an encoder says that both mean the same."""
    begun = first or of
    meaning = Meaning(_SAME, _SAME, 0.5, 0.5) if read else None
    companies = of.companies | set(story_companies)
    return Candidate(of, story_id(begun.article_id), companies, begun, (begun.known_at, begun.article_id), meaning)


def test_alone_it_begins_a_story_named_after_it() -> None:
    decision = decide(article("a", "Holt opens a plant"), [])
    assert (decision.story_id, decision.how, decision.reason) == (story_id("a"), How.FIRST, Reason.NO_CANDIDATE)


def test_an_exact_copy_beats_a_near_one_and_the_earliest_beats_its_equals() -> None:
    near = candidate(article("n", "Holt stock tumbles after profit warning", "t:holt"))
    late = candidate(article("b", "Holt shares plunge after profit warning", "t:holt", after=timedelta(hours=1)))
    early = candidate(article("c", "Holt shares plunge after profit warning", "t:holt"))
    decision = decide(article("x", "Holt shares plunge after profit warning", "t:holt"), [near, late, early])
    assert (decision.story_id, decision.how, decision.reason) == (story_id("c"), How.EXACT, Reason.SAME_TEXT)


def test_a_series_of_one_paper_is_never_a_rewrite() -> None:
    def said(a: str, b: str, *publishers: str) -> How:
        told, again = (
            replace(article(name, title, "t:holt"), publisher=publisher)
            for name, title, publisher in zip("ab", (a, b), publishers, strict=True)
        )
        return decide(again, [candidate(told, read=True)]).how

    series = "Vans and valleys Holt strike ends", "Vans and valleys Holt staff go back to work"
    assert said(*series, "Ledger", "Courier") is How.REWRITE
    assert said(*series, "Ledger", "Ledger") is How.FIRST


def test_comment_on_an_event_is_never_a_rewrite_of_its_news() -> None:
    told = candidate(article("a", "Holt recalls vans over brake fault", "t:holt"), read=True)
    title = "What does the recall by Holt mean for drivers?"
    asked = decide(article("b", title, "t:holt"), [told])
    assert (asked.how, asked.reason) == (How.FIRST, Reason.COMMENT)
    assert decide(article("c", title, "t:holt"), [told, candidate(article("b", title, "t:holt"))]).how is How.EXACT


def test_no_chain_leads_to_another_company() -> None:
    # The story of "Holt" has grown to Holt and Maar; what names Holt and Velmont is another one.
    member = candidate(article("a", "Holt sued over patent", "t:holt"), "t:maar")
    decision = decide(article("b", "Holt sued over a patent claim", "t:holt", "t:velmont"), [member])
    assert (decision.how, decision.reason) == (How.FIRST, Reason.OTHER_COMPANY)


def test_the_window_ends() -> None:
    member = candidate(article("a", "Holt opens a plant in Leeds"))
    inside = article("b", "Holt opens a plant in Leeds", after=WINDOW)
    outside = article("b", "Holt opens a plant in Leeds", after=WINDOW + timedelta(seconds=1))
    assert decide(inside, [member]).how is How.EXACT
    assert decide(outside, [member]).reason is Reason.TOO_FAR_APART


def test_filings_fold_only_when_the_whole_text_is_the_same() -> None:
    member = candidate(article("a", "8-K - Orrin Foods (Filer)", kind="filing", summary="Accession 1"))
    other = article("b", "8-K - Orrin Foods (Filer)", kind="filing", summary="Accession 2")
    same = article("c", "8-K - Orrin Foods (Filer)", kind="filing", summary="Accession 1")
    assert decide(other, [member]).reason is Reason.FILING
    assert decide(same, [member]).reason is Reason.SAME_TEXT


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_text_has_a_gist_and_is_its_own_copy(title: str, summary: str) -> None:
    one = article("a", title, summary=summary)
    assert decide(article("b", title, summary=summary), [candidate(one)]).how is How.EXACT


def test_an_article_that_copies_two_stories_makes_them_one_under_the_older_id() -> None:
    older = article("a", "Holt shares plunge after a profit warning in Leeds", "t:holt")
    younger = article("b", "Holt shares plunge after profit warning", "t:holt", after=timedelta(hours=1))
    copy = article("c", younger.gist.text, "t:holt", after=timedelta(hours=2))
    decision = decide(copy, [candidate(older), candidate(younger)])
    assert (decision.story_id, decision.how, decision.merges) == (story_id("a"), How.EXACT, (story_id("b"),))


def test_stories_of_different_companies_or_figures_never_merge() -> None:
    copy = article("c", "Holt to cut jobs in Leeds", after=timedelta(hours=2))
    same = candidate(article("a", "Holt to cut jobs in Leeds", "t:holt"))
    other = candidate(article("b", "Holt to cut jobs in Leeds", "t:holt-bank"))
    assert decide(copy, [same, other]).merges == ()


def test_a_rewrite_joins_what_its_story_began_with_and_merges_nothing() -> None:
    first = article("a", "Tolva to purchase Orrin unit", "t:tolva")
    rewrite = article("r", "Orrin division goes to Tolva", "t:tolva", after=timedelta(hours=1))
    assert decide(rewrite, [candidate(first, read=True)]).how is How.REWRITE
    grown = article("b", "Orrin arm bought by Tolva", "t:tolva")
    # Only a later member means the same: a chain of such steps would lead anywhere.
    alone = decide(rewrite, [candidate(grown, first=first, read=True)])
    assert alone.how is How.FIRST
    both = decide(rewrite, [candidate(first, read=True), candidate(grown, read=True)])
    assert (both.how, both.merges) == (How.REWRITE, ())


def test_no_rewrite_joins_a_day_later() -> None:
    first = article("a", "Tolva to purchase Orrin unit", "t:tolva")
    late = article("r", "Orrin division goes to Tolva", "t:tolva", after=timedelta(hours=25))
    assert decide(late, [candidate(first, read=True)]).how is How.FIRST


def test_a_new_number_is_a_new_story_that_follows_the_old() -> None:
    first = article("a", "Holt to cut 400 jobs in Leeds", "t:holt")
    update = article("b", "Holt to cut 900 jobs in Leeds", "t:holt", after=timedelta(hours=5))
    decision = decide(update, [candidate(first)])
    assert (decision.how, decision.reason, decision.follows) == (How.FIRST, Reason.OTHER_FIGURES, story_id("a"))


def test_a_denial_and_a_reversal_follow_too() -> None:
    report = article("a", "Holt in talks to buy Maar", "t:holt")
    denial = article("b", "Holt denies talks to buy Maar", "t:holt", after=timedelta(hours=1))
    assert decide(denial, [candidate(report)]).follows == story_id("a")
    rise = article("a", "Holt shares rise after profit warning", "t:holt")
    fall = article("b", "Holt shares fall after profit warning", "t:holt", after=timedelta(hours=1))
    decision = decide(fall, [candidate(rise)])
    assert (decision.reason, decision.follows) == (Reason.REVERSED, story_id("a"))


def test_another_quarter_follows_nothing() -> None:
    second = article("a", "Holt second-quarter profit up 4%", "t:holt")
    third = article("b", "Holt third-quarter profit up 4%", "t:holt", after=timedelta(hours=1))
    decision = decide(third, [candidate(second)])
    assert (decision.reason, decision.follows) == (Reason.OTHER_PERIOD, None)
