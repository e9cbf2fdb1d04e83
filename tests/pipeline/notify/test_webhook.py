"""The signed webhook against real HTTP that misbehaves; the published schema; and the heartbeat."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import ssl
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

import jsonschema
import pytest
import trustme

from pipeline.context import Context
from pipeline.errors import DeliveryFailed
from pipeline.notify import run, web
from pipeline.notify.channels import WebhookChannel
from pipeline.notify.claims import MAX_UNSURE
from pipeline.notify.document import Document
from tests.conftest import ROOT, MovableClock
from tests.support.hooks import Hook, hook

from .world import NOW, article, decision, detection, fired, outgoing, put, routed, rows

SECRET = "hush-hush-hush"
SCHEMA = ROOT / "docs" / "webhook.schema.json"


@pytest.fixture
def end() -> Iterator[Hook]:
    with hook() as site:
        yield site


def hooked(context: Context, end: Hook, n: int = 1) -> None:
    routed(
        context,
        f'[[route]]\nreceiver = "hook"\n[receivers.hook]\nurls = ["webhook+{end.url}/in?token=T0PSECRET"]\n'
        f'secret = "{SECRET}"\n',
    )
    for k in range(n):
        found = detection(f"k{k}", rule=f"rule-{k}")
        life = fired(found)
        proof = [("decision", decision(found)), ("article", article("a", 0.9)), ("article", article("b", 0.1))]
        put(context.warehouse, [life], {life[0].incident_id: proof})


def test_what_arrives_is_signed_and_keeps_to_the_published_schema(context: Context, end: Hook) -> None:
    hooked(context, end)
    assert run(context).counts["sent"] == 1
    (taken,) = end.taken
    ours = "sha256=" + hmac.new(SECRET.encode(), taken.body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(taken.headers["x-barograph-signature"], ours)
    told = json.loads(taken.body)
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(told)
    saved = rows(context, "SELECT notification_id, title, body FROM notifications WHERE receiver = 'hook'")[0]
    assert taken.headers["idempotency-key"] == told["notification_id"] == saved["notification_id"]
    assert (told["title"], told["text"]) == (saved["title"], saved["body"])
    (incident,) = told["incidents"]
    assert [a["role"] for a in incident["articles"]] == ["first and most negative", "most positive"]
    assert incident["numbers"]["negative_stories"] == 14
    assert sum(incident["chart"]["negative"]) == sum(incident["chart"]["other"]) == 1


def test_the_published_schema_is_that_of_the_document() -> None:
    written = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert written == Document.model_json_schema(), "python -m tests.support.schema writes it anew"


def test_the_address_is_in_no_log(context: Context, end: Hook, caplog: pytest.LogCaptureFixture) -> None:
    hooked(context, end)
    with caplog.at_level(logging.DEBUG):
        assert run(context).counts["sent"] == 1
    assert end.taken[0].path == "/in?token=T0PSECRET"
    assert "T0PSECRET" not in caplog.text
    assert SECRET not in caplog.text


def test_500_then_200_arrives_with_the_same_id(context: Context, clock: MovableClock, end: Hook) -> None:
    hooked(context, end)
    end.behaves = [500]
    assert run(context).counts["failed"] == 1
    error = rows(context, "SELECT error FROM notifications WHERE status = 'failed'")[0]["error"]
    assert error == "HTTP 500: refused for the test; it is tried again"
    clock.now += timedelta(minutes=2)
    assert run(context).counts["sent"] == 1
    first, second = (json.loads(t.body) for t in end.taken)
    assert first["notification_id"] == second["notification_id"]
    assert (first["attempt"], second["attempt"]) == (1, 2)


def test_a_channel_that_takes_and_stays_silent_gets_no_storm(
    context: Context, clock: MovableClock, end: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "TIMEOUT_S", 0.3)
    hooked(context, end, n=5)
    end.behaves = ["silent"] * 1000
    for _ in range(60):
        run(context)
        clock.now += timedelta(minutes=5)
    seen = Counter(json.loads(t.body)["notification_id"] for t in end.taken)
    assert len(seen) == 5
    assert max(seen.values()) == MAX_UNSURE
    assert {r["status"] for r in rows(context, "SELECT status FROM notifications WHERE receiver = 'hook'")} == {"dead"}
    letters = (context.settings.store.published.parent / "dead-letters.jsonl").read_text(encoding="utf-8")
    assert "it may have arrived" in letters


@pytest.mark.parametrize(
    ("asked", "minutes"),
    [("1200", 20), ("Tue, 03 Mar 2026 12:30:00 GMT", 30), ("1000000000", 60)],
    ids=["seconds", "date", "too long"],
)
def test_a_receiver_that_asks_for_time_gets_it_for_all_that_waits(
    context: Context, clock: MovableClock, end: Hook, asked: str, minutes: int
) -> None:
    lanes = WebhookChannel.lanes
    hooked(context, end, n=lanes + 2)
    end.behaves, end.refusing = [429] * lanes, {"Retry-After": asked}
    end.clock = lambda: clock.now.timestamp()
    assert run(context).counts["sent"] == 0
    tried = len(end.taken)
    assert tried <= lanes
    for before in (5, minutes - 1):
        clock.now = NOW + timedelta(minutes=before)
        run(context)
    assert len(end.taken) == tried, "neither what was refused nor what waits behind it"
    # What was refused itself waits out its own back-off, which may be longer by a quarter.
    end.behaves, clock.now = [], NOW + timedelta(minutes=minutes * 1.25)
    run(context)
    assert {r["status"] for r in rows(context, "SELECT status FROM notifications WHERE receiver = 'hook'")} == {"sent"}


def test_a_short_wait_shortens_no_back_off(context: Context, clock: MovableClock, end: Hook) -> None:
    hooked(context, end)
    end.behaves, end.refusing = [503], {"Retry-After": "0"}
    run(context)
    clock.now += timedelta(seconds=10)
    run(context)
    assert len(end.taken) == 1


@pytest.mark.parametrize(("behaviour", "unsure"), [("reset", True), (404, False), (429, False)])
def test_how_a_refusal_is_told(end: Hook, behaviour: str | int, unsure: bool) -> None:
    end.behaves = [behaviour]
    with pytest.raises(DeliveryFailed) as failed:
        web.post(f"{end.url}/T0PSECRET", b"{}", {})
    assert failed.value.unsure is unsure
    assert "T0PSECRET" not in str(failed.value)


def test_slow_is_not_dead(end: Hook) -> None:
    end.behaves = [0.5]
    web.post(end.url, b"{}", {}, timeout_s=5)
    assert len(end.taken) == 1


def test_a_redirect_is_not_followed(end: Hook) -> None:
    end.behaves = [307]
    with pytest.raises(DeliveryFailed, match="HTTP 307"):
        web.post(end.url, b"{}", {})


def test_a_bad_certificate_sends_nothing() -> None:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    with hook(tls) as site:
        with pytest.raises(DeliveryFailed, match="certificate cannot be trusted") as failed:
            web.post(f"{site.url}/in", b"{}", {})
        assert failed.value.unsure is False
        assert site.taken == []


def test_nobody_there_is_sure() -> None:
    with hook() as site:
        url = site.url
    with pytest.raises(DeliveryFailed, match="cannot be reached") as failed:
        WebhookChannel(f"{url}/T0PSECRET").send(outgoing())
    assert failed.value.unsure is False
    assert "T0PSECRET" not in str(failed.value) + WebhookChannel(f"{url}/T0PSECRET").describe()


def beaten(context: Context, end: Hook) -> None:
    text = '[[route]]\nreceiver = "log"\n[receivers.log]\nurls = ["file:a.jsonl"]\n[heartbeat]\nurl = "{}/beat"\n'
    routed(context, text.format(end.url))


def test_each_run_beats_and_tells_how_old_the_newest_cycle_is(context: Context, clock: MovableClock, end: Hook) -> None:
    beaten(context, end)
    run(context)
    published = context.settings.store.published
    published.mkdir(parents=True)
    done = clock.now
    (published / "CURRENT").write_text(f"{done:%Y%m%dT%H%M%S%fZ}-0a1b2c3d\n", encoding="ascii")
    clock.now += timedelta(minutes=12)
    run(context)
    never, then = (json.loads(t.body) for t in end.taken)
    assert (never["cycle_at"], never["cycle_age_s"]) == (None, None)
    assert then["cycle_age_s"] == 720
    assert datetime.fromisoformat(then["cycle_at"]) == done
    assert end.taken[0].path == "/beat"


def test_a_heartbeat_that_is_not_taken_stops_nothing(context: Context, end: Hook) -> None:
    beaten(context, end)
    end.behaves = [500]
    found = detection()
    put(context.warehouse, [fired(found)])
    report = run(context)
    assert report.counts["sent"] == 1
    assert any("heartbeat was not taken: HTTP 500" in note for note in report.notes)
