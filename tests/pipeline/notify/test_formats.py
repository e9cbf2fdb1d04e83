"""Each format from one document: what it says, what it must not let through, and the limits of the channel."""

from __future__ import annotations

import io
import json
import re
import time
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline import settings
from pipeline.actions import Kind, grant_of
from pipeline.errors import SettingsError
from pipeline.notify import alertmanager, slack, teams, webhook
from pipeline.notify.apprise_channel import AppriseChannel
from pipeline.notify.chart import drawn, spoken
from pipeline.notify.document import Document
from pipeline.notify.dress import document_of, with_links
from pipeline.notify.links import links_for
from pipeline.notify.mail import CHART, page
from pipeline.notify.message import compose
from pipeline.notify.records import Announcement, Evidence, Outgoing, Reason
from pipeline.settings import Notify
from tests.support.hooks import hook

from .test_message import HOSTILE, incident
from .world import NOW, article, decision, detection

KEY = "k" * 32
LINKS = Notify(link_base="https://barograph.example/", link_key=KEY)
HUGE = 2_000_000


def composed(n: int = 1, title: str = "Insurer warns", **changes: Any) -> Document:
    told, evidence = [], {}
    for k in range(n):
        row = incident(incident_id=f"{k:032x}", key=f"k{k}", **changes)
        told.append(Announcement(row, Reason.FIRST))
        articles = [article("a1", 0.9, title=title), article("b1", 0.1, title=title)]
        evidence[row.incident_id] = Evidence(decision(detection()), articles)
    return compose(told, evidence, notification_id="n" * 32).document


def sent(document: Document, **changes: Any) -> Outgoing:
    known: dict[str, Any] = {
        "notification_id": document.notification_id, "receiver": "desk", "reason": Reason.FIRST,
        "severity": document.severity, "title": document.title, "body": document.text,
        "incident_ids": document.incident_ids, "document": document.model_dump_json(), "created_at": NOW,
    }  # fmt: skip
    return Outgoing(**(known | changes))


class Tags(HTMLParser):
    """Which tags and addresses a page has, as a browser would read it."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src")]
        assert not any(name.startswith("on") for name, _ in attrs)


@pytest.mark.parametrize("title", HOSTILE)
def test_strangers_write_no_markup_into_a_mail(title: str) -> None:
    tags = Tags()
    tags.feed(page(composed(title=title), chart=True))
    assert set(tags.tags) <= {"div", "h2", "p", "b", "img", "ul", "li", "a", "span", "br"}
    assert set(tags.addresses) == {f"cid:{CHART}", "https://news.example/a1", "https://news.example/b1"}


@pytest.mark.parametrize("title", HOSTILE)
def test_strangers_write_no_markup_into_a_card_of_slack(title: str) -> None:
    blocks = slack.card(composed(title=title))["blocks"]
    marked = [b["text"]["text"] for b in blocks if b.get("text", {}).get("type") == "mrkdwn"]
    assert len(marked) == 2
    for text in marked:
        assert re.findall(r"<[^>]*>", text) == [re.findall(r"<[^>]*>", text)[0]]
        assert re.findall(r"<([^|>]*)\|", text)[0].startswith("https://news.example/")
        assert "<!" not in text
        assert "<@" not in text


@pytest.mark.parametrize("title", HOSTILE)
def test_strangers_write_no_markup_into_a_card_of_teams(title: str) -> None:
    body = teams.card(composed(title=title))["attachments"][0]["content"]["body"]
    for text in (block["text"] for block in body):
        links = re.findall(r"(?<!\\)\]\((.*?)\)", text)
        assert all(link.startswith("https://news.example/") for link in links)
        assert not re.search(r"(?<!\\)<", text)


@given(st.text(max_size=300))
def test_any_title_makes_every_format(title: str) -> None:
    document = composed(title=title)
    made = document.model_copy(update={"created_at": NOW})
    Tags().feed(page(made, chart=False))
    for content in (slack.card(made), teams.card(made)):
        json.dumps(content, allow_nan=False).encode()
    assert Document.model_validate_json(webhook.body(made)) == made
    json.loads(alertmanager.alerts(made))


@pytest.mark.parametrize("n", [1, 500])
def test_two_megabytes_of_title_stay_within_every_limit(n: int) -> None:
    started = time.perf_counter()
    document = composed(n, title="é" * HUGE, summary="x" * HUGE).model_copy(update={"created_at": NOW})
    assert len(document.text) < 30_000
    assert len(page(document, chart=True)) < 60_000
    card = slack.card(document)
    assert len(card["blocks"]) <= 50
    assert all(len(b["text"]["text"]) <= 3000 for b in card["blocks"] if "text" in b)
    assert len(json.dumps(card)) < 35_000
    assert len(json.dumps(teams.card(document))) < 28_000
    assert len(webhook.body(document)) < 1_000_000
    assert time.perf_counter() - started < 60


def test_five_hundred_are_ten_with_articles_and_the_rest_by_name() -> None:
    document = composed(500)
    assert (len(document.incidents), len(document.others)) == (10, 490)
    assert all(i.articles for i in document.incidents)
    assert not any(i.articles or i.chart for i in document.others)


def test_the_same_evidence_makes_the_same_document_and_picture() -> None:
    first, second = composed(), composed()
    assert first.model_dump_json() == second.model_dump_json()
    assert drawn(first.incidents[0]) == drawn(second.incidents[0])


def test_the_picture_shows_the_articles_in_their_hours() -> None:
    (one,) = composed().incidents
    assert one.chart is not None
    assert [n for n, count in enumerate(one.chart.negative) if count] == [8]
    assert spoken(one) == "1 negative and 1 other articles, 2026-03-02 00:00 to 2026-03-03 00:00 UTC"
    png = drawn(one)
    assert png is not None
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    assert picture.size == (600, 180)
    reds = [(x, y) for x in range(600) for y in range(180) if picture.getpixel((x, y)) == (179, 38, 30)]
    # Bar 8 of 24 stands in the middle third of the plot; the square in the legend is red as well.
    assert any(180 < x < 260 and y > 80 for x, y in reds)
    assert len(png) < 30_000


def test_without_articles_there_is_no_picture() -> None:
    row = incident()
    document = compose([Announcement(row, Reason.FIRST)], {}, notification_id="n").document
    assert drawn(document.incidents[0]) is None
    assert "<img" not in page(document, chart=False)


def test_links_are_signed_for_the_receiver_and_stay_the_same_in_a_repeat() -> None:
    message = sent(composed())
    links = links_for(message, LINKS)
    assert links == links_for(message, LINKS)
    assert [link.action for link in links] == ["acknowledge", "silence", "verdict"]
    address, _, signed = links[0].url.partition("?token=")
    assert address == "https://barograph.example/act"
    grant = grant_of(signed, KEY, NOW)
    assert (grant.action, grant.incident_id, grant.receiver) == (Kind.ACKNOWLEDGE, "0" * 32, "desk")
    assert grant.expires_at == NOW + timedelta(days=7)
    assert [link.action for link in links_for(sent(composed(), reason=Reason.RESOLVED), LINKS)] == ["verdict"]


@pytest.mark.parametrize(
    ("message", "notify"),
    [
        (sent(composed()), Notify()),
        (sent(composed()), Notify(link_base="https://barograph.example")),
        (sent(composed(2)), LINKS),
    ],
)
def test_no_links_where_they_are_not_set_up_or_there_are_many(message: Outgoing, notify: Notify) -> None:
    assert links_for(message, notify) == ()


def test_links_are_in_every_format_and_in_nothing_that_is_stored() -> None:
    message = sent(composed())
    dressed = sent(composed(), links=links_for(message, LINKS))
    document = document_of(dressed)
    for made in (
        page(document, chart=False),
        json.dumps(slack.card(document)),
        json.dumps(teams.card(document)),
        webhook.body(document).decode(),
        with_links(dressed),
    ):
        assert made.count("https://barograph.example/act?token=") == 3
    assert "token=" not in dressed.document + dressed.body


def test_a_key_that_is_too_short_is_refused_without_being_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BAROGRAPH_NOTIFY__LINK_KEY", "hunter2")
    with pytest.raises(SettingsError, match="too short") as refused:
        settings.load()
    assert "hunter2" not in str(refused.value)


def test_cards_leave_through_apprise_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slack's address is fixed in Apprise: here it is ours."""
    from apprise.plugins.slack import NotifySlack

    title = "{{ app_title }} {{app_body}} warns"
    with hook() as end:
        monkeypatch.setattr(NotifySlack, "webhook_url", f"{end.url}/services")
        channel = AppriseChannel("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#risk")
        channel.send(sent(composed(title=title)))
        (taken,) = end.taken
    posted = json.loads(taken.body)
    shown = json.dumps(posted, ensure_ascii=False)
    assert "{{ app\u200b_\u200btitle }}" in shown
    assert [b["type"] for b in posted["attachments"][0]["blocks"]][:2] == ["header", "section"]


@pytest.mark.parametrize(
    ("reason", "action"), [(Reason.FIRST, "trigger"), (Reason.ESCALATED, "trigger"), (Reason.RESOLVED, "resolve")]
)
def test_pagerduty_knows_an_incident_by_its_id(monkeypatch: pytest.MonkeyPatch, reason: Reason, action: str) -> None:
    from apprise.plugins import pagerduty

    with hook() as end:
        monkeypatch.setitem(pagerduty.PAGERDUTY_API_LOOKUP, "us", end.url)
        channel = AppriseChannel("pagerduty://integrationkey1234567890@apikey123456789012")
        channel.send(sent(composed(), reason=reason, severity="error"))
        (taken,) = end.taken
    told = json.loads(taken.body)
    assert (told["event_action"], told["dedup_key"]) == (action, "0" * 32)
    assert action == "resolve" or told["payload"]["severity"] == "error"


def test_a_card_of_teams_leaves_through_apprise(monkeypatch: pytest.MonkeyPatch) -> None:
    import requests

    caught: list[dict[str, Any]] = []

    def post(url: str, data: str, **_: Any) -> requests.Response:
        caught.append(json.loads(data))
        answer = requests.Response()
        answer.status_code = 202
        return answer

    monkeypatch.setattr(requests, "post", post)
    url = "workflows://prod.logic.azure.example:443/" + "a" * 32 + "/" + "b" * 43
    AppriseChannel(url).send(sent(composed(title="Insurer {{app_title}} warns")))
    card = caught[0]["attachments"][0]["content"]
    assert card["type"] == "AdaptiveCard"
    assert any("app\\_title" in block["text"] for block in card["body"])
