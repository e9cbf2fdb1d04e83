"""The pure decision: reasons, ties, chains, and what numbers and words are made of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pipeline.fold.decide import WINDOW, Article, Candidate, How, Reason, decide, story_id
from pipeline.fold.text import gist, numbers

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)


def article(
    name: str, title: str, *companies: str, after: timedelta = timedelta(), kind: str = "news", summary: str = ""
) -> Article:
    return Article(name, kind, gist(title, summary), frozenset(companies), NOON + after, NOON + after)


def candidate(of: Article, *story_companies: str) -> Candidate:
    return Candidate(of, story_id(of.article_id), of.companies | set(story_companies))


def test_alone_it_begins_a_story_named_after_it() -> None:
    decision = decide(article("a", "Holt opens a plant"), [])
    assert (decision.story_id, decision.how, decision.reason) == (story_id("a"), How.FIRST, Reason.NO_CANDIDATE)


def test_an_exact_copy_beats_a_near_one_and_the_earliest_beats_its_equals() -> None:
    near = candidate(article("n", "Holt stock tumbles after profit warning", "t:holt"))
    late = candidate(article("b", "Holt shares plunge after profit warning", "t:holt", after=timedelta(hours=1)))
    early = candidate(article("c", "Holt shares plunge after profit warning", "t:holt"))
    decision = decide(article("x", "Holt shares plunge after profit warning", "t:holt"), [near, late, early])
    assert (decision.story_id, decision.how, decision.reason) == (story_id("c"), How.EXACT, Reason.SAME_TEXT)


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


def test_numbers_are_written_one_way() -> None:
    assert numbers("$1.2bn") == numbers("$1.2 billion") == numbers("£1,200m")
    assert numbers("up 5%") == numbers("up 5 percent") == numbers("up 5 per cent") != numbers("up 5")
    assert numbers("third-quarter") == numbers("Q3") == numbers("3Q") == {"q3"}
    assert numbers("1,000 jobs in March") == {"1000", "march"}


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_text_has_a_gist_and_is_its_own_copy(title: str, summary: str) -> None:
    one = article("a", title, summary=summary)
    assert decide(article("b", title, summary=summary), [candidate(one)]).how is How.EXACT
