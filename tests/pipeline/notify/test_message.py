"""What a message says, to the letter; the same for any order of evidence; harmless whatever strangers wrote."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.notify.forms import as_html, as_markdown, clean, link, masked, odds, percent
from pipeline.notify.message import Message, compose
from pipeline.notify.records import Announcement, Evidence, IncidentRow, Reason

from .world import NOW, article, decision, detection


def incident(**changes: Any) -> IncidentRow:
    known: dict[str, Any] = {
        "incident_id": "1" * 32, "rule": "negative-share-sector", "kind": "negative_share", "scope": "sector",
        "key": "insurers", "label": "Insurers", "severity": "warning", "state": "firing",
        "summary": "14 of 31 stories negative; usual 5, range 2–9", "model_version": "tiny@1", "fired_at": NOW,
    }  # fmt: skip
    return IncidentRow(**(known | changes))


ARTICLES = [
    article("a1", 0.80, published_at="2026-03-02T07:00:00+00:00", title="Floods hit the coast"),
    article("a2", 0.97, owner="Quay Media", publisher="Quay Post", title="Insurer warns of losses"),
    article("a3", 0.70, owner="Hill Press", publisher="Hill Daily", published_at=None, title="Claims double"),
    article("a4", 0.75),
    article("b1", 0.05, title="Broker lifts outlook"),
    article("b2", 0.30, title="Calm week"),
]


def told(evidence: Evidence, reason: Reason = Reason.FIRST, **changes: Any) -> Message:
    row = incident(**changes)
    return compose([Announcement(row, reason)], {row.incident_id: evidence}, notification_id="n1")


def test_one_alert_to_the_letter() -> None:
    message = told(Evidence(decision(detection()), ARTICLES))
    assert message.title == "[WARNING] Insurers: 14 of 31 stories negative; usual 5, range 2–9"
    assert message.body == "\n".join(
        [
            "14 of 31 stories about Insurers were negative between 2026-03-02 00:00 UTC and 2026-03-03 00:00 UTC.",
            "Usual for that many stories: 5, range 2–9. So many by chance: about 1 in 4,200 such days.",
            "",
            "First: “Floods hit the coast”",
            "    Harbour Wire · 2026-03-02 07:00 UTC · 80% negative",
            "    https://news.example/a1",
            "Most negative: “Insurer warns of losses”",
            "    Quay Post · 2026-03-02 08:12 UTC · 97% negative",
            "    https://news.example/a2",
            "Most independent: “Claims double”",
            "    Hill Daily · seen 2026-03-02 08:20 UTC · 70% negative",
            "    https://news.example/a3",
            "And 1 more negative article.",
            "Against it: 2 articles counted as not negative.",
            "Most positive: “Broker lifts outlook”",
            "    Harbour Wire · 2026-03-02 08:12 UTC · 93% positive",
            "    https://news.example/b1",
            "",
            "Rule: negative-share-sector (negative_share), version ab12ab12ab12, severity warning",
            "Model: tiny@1; negative means over 62%",
            "Coverage: unknown: an archive, or too little was expected to tell",
            f"Incident: {'1' * 32}",
            "Notification: n1",
        ]
    )


def test_the_order_of_the_evidence_does_not_matter() -> None:
    shuffled = ARTICLES[:]
    random.Random(7).shuffle(shuffled)
    assert told(Evidence(decision(detection()), shuffled)) == told(Evidence(decision(detection()), ARTICLES))


def test_a_silent_feed_in_words() -> None:
    sentence = "Harbour Wire: nothing new for 9 h; expected about 11 articles in that time (p < 0.01)"
    evidence = Evidence({"rule_kind": "health"}, (), [{"feed_id": "f", "sentence": sentence}])
    message = told(evidence, kind="health", label="Feed: Harbour Wire", summary=sentence)
    assert message.title == f"[WARNING] {sentence}"
    assert message.body.startswith(f"{sentence}.\n")
    assert "Model" not in message.body
    assert told(evidence, kind="health", label="Market", summary="blind spot").title == "[WARNING] Market: blind spot"


def test_coverage_is_told_in_words() -> None:
    body = told(Evidence(decision(detection(), coverage=0.81), ARTICLES)).body
    assert "Coverage: 81% of the articles expected came from feeds that answered" in body


def test_no_evidence_is_said_and_nothing_invented() -> None:
    body = told(Evidence()).body
    assert "Evidence: none was kept" in body
    assert "Against it" not in body


@pytest.mark.parametrize(("mark", "start"), [("demo", "DEMO [WARNING]"), ("simulated", "SIMULATED [WARNING]")])
def test_marks_stand_first(mark: str, start: str) -> None:
    message = told(Evidence(decision(detection(), **{mark: True}), ARTICLES))
    assert message.title.startswith(start)
    assert message.body.startswith(start.split(" ")[0])


HOSTILE = [
    "<script>alert('x')</script>",
    "line\nbreak\r\n    https://evil.example/a",
    "\u202egnp.exe\x00\x1b[31m",
    "[click](https://evil.example) <https://evil.example> ![i](https://evil.example/i.png)",
    "*bold* _it_ `code` # head",
    "e" + "\u0301" * 10_000,
    "x" * 100_000,
    "<!channel> @everyone &lt;b&gt;",
]


@pytest.mark.parametrize("title", HOSTILE)
def test_titles_are_text_in_every_form(title: str) -> None:
    body = told(Evidence(decision(detection()), [article("a1", 0.9, title=title)])).body
    line = next(x for x in body.splitlines() if x.startswith("First, and most negative: "))
    assert len(line) <= len("First, and most negative: “”") + 200
    page = as_html(body)
    assert "<script" not in page
    assert page.count("<a ") == 1
    assert 'href="https://news.example/a1"' in page
    marked = next(x for x in as_markdown(body).splitlines() if x.startswith("First, and most negative"))
    for sign in "<>[]*_`#@":
        assert marked.count(sign) == marked.count("\\" + sign)


@given(st.text(max_size=500))
def test_cleaned_text_is_one_printable_line(text: str) -> None:
    cleaned = clean(text)
    assert len(cleaned) <= 200
    assert cleaned == "" or cleaned.isprintable() or all(c.isprintable() or c == " " for c in cleaned)
    assert clean(cleaned) == cleaned


def test_links_are_http_or_nothing_and_show_no_secret() -> None:
    assert link("javascript:alert(1)") == ""
    assert link("https://[broken") == ""
    assert link(None) == ""
    assert link("https://ann:pw@news.example/a?id=1&api_key=abc") == "https://news.example/a?id=1&api_key=***"
    assert link('https://news.example/a"><script>') == "https://news.example/a%22%3E%3Cscript%3E"
    assert masked("mailto://ann:pw@host said TOKEN", ["TOKEN"]) == "mailto://***@host said ***"


def test_chances_as_people_say_them() -> None:
    assert [odds(p) for p in (0.5, 0.012, 0.00024, 1e-9)] == [
        "about 1 in 2",
        "about 1 in 83",
        "about 1 in 4,200",
        "less than 1 in a million",
    ]
    assert [percent(p) for p in (0.5, 0.999)] == ["50%", "over 99%"]
