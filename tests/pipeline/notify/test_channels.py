"""Channels against the real thing: a local HTTP server, a local SMTP server, a file; and no secret in what they say."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pipeline.context import Context
from pipeline.errors import DeliveryFailed, RulesError
from pipeline.notify import run
from pipeline.notify.channels import AppriseChannel, FileChannel, channel_for
from tests.conftest import MovableClock
from tests.support.inbox import Inbox, mail_server

from .world import article, decision, detection, fired, outgoing, put, routed, rows

HOSTILE = "<script>alert(1)</script> [pay](https://evil.example) & \u202edrow\x07 @everyone"


class Web:
    """A webhook's end: remembers bodies, answers with the next of `answers` (200 when they are used up)."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.bodies: list[dict[str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = outer.answers.pop(0) if outer.answers else 200
                if status == 200:
                    outer.bodies.append(json.loads(body))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]


@pytest.fixture
def web() -> Iterator[Web]:
    site = Web()
    thread = threading.Thread(target=site.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield site
    site.server.shutdown()
    site.server.server_close()
    thread.join()


@pytest.fixture
def inbox() -> Iterator[tuple[Inbox, int]]:
    with mail_server() as served:
        yield served


def test_a_webhook_that_answers_500_then_200_gets_the_message_once_with_its_id(
    context: Context, clock: MovableClock, web: Web
) -> None:
    routed(context, f'[[route]]\nreceiver = "hook"\n[receivers.hook]\nurls = ["json://127.0.0.1:{web.port}/in"]\n')
    found = detection()
    life = fired(found)
    put(
        context.warehouse,
        [life],
        {life[0].incident_id: [("decision", decision(found)), ("article", article("a", 0.9))]},
    )
    web.answers = [500]
    assert run(context).counts["failed"] == 1
    kept = rows(context, "SELECT notification_id, error FROM notifications WHERE receiver = 'hook'")[0]
    assert "500" in kept["error"]
    clock.now += timedelta(minutes=2)
    assert run(context).counts["sent"] == 1
    assert len(web.bodies) == 1
    assert web.bodies[0]["title"].startswith("[WARNING] Insurers: 14 of 31")
    assert f"Notification: {kept['notification_id']}" in web.bodies[0]["message"]
    assert web.bodies[0]["type"] == "warning"


def test_mail_comes_with_markup_of_strangers_as_text(inbox: tuple[Inbox, int]) -> None:
    handler, port = inbox
    url = f"mailto://127.0.0.1:{port}?from=barograph@desk.example&to=risk@desk.example&mode=insecure"
    AppriseChannel(url).send(
        outgoing(f"Title: {HOSTILE}\n    https://news.example/a?x=1&y=2", title="[ERROR] Acme <b>")
    )
    mail = handler.mails[0]
    assert mail["To"] is not None
    assert "risk@desk.example" in mail["To"]
    assert "[ERROR] Acme" in mail["Subject"]
    page = mail.get_body(("html",))
    assert page is not None
    text = page.get_content()
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert 'href="https://news.example/a?x=1&amp;y=2"' in text
    assert 'href="https://evil.example' not in text


def test_a_mail_of_one_incident_has_words_a_page_and_a_picture(
    context: Context, inbox: tuple[Inbox, int], clock: MovableClock
) -> None:
    handler, port = inbox
    routed(
        context,
        '[[route]]\nreceiver = "mail"\n[receivers.mail]\n'
        f'urls = ["mailto://127.0.0.1:{port}?from=barograph@desk.example&to=risk@desk.example&mode=insecure"]\n',
    )
    found = detection()
    life = fired(found)
    proof = [("decision", decision(found)), ("article", article("a", 0.9, title=HOSTILE))]
    put(context.warehouse, [life], {life[0].incident_id: proof})
    assert run(context).counts["sent"] == 1
    (mail,) = handler.mails
    kept = rows(context, "SELECT notification_id FROM notifications WHERE receiver = 'mail'")[0]["notification_id"]
    plain, page = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert page is not None
    for part in (plain.get_content(), page.get_content()):
        assert "14 of 31 stories about Insurers were negative" in part
        assert kept in part
    assert "<script>" not in page.get_content()
    (picture,) = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert picture["Content-ID"] == "<barograph-chart.png>"
    assert 'src="cid:barograph-chart.png"' in page.get_content()
    assert picture.get_payload(decode=True)[:4] == b"\x89PNG"


def test_nobody_at_the_other_end_is_a_failure_that_shows_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    channel = AppriseChannel(f"json://ann:hunter2secret@127.0.0.1:{port}/hooks/T0PSECRETTOKEN")
    with caplog.at_level(logging.DEBUG), pytest.raises(DeliveryFailed) as failed:
        channel.send(outgoing())
    said = str(failed.value) + channel.describe() + caplog.text
    assert "hunter2secret" not in said
    assert "T0PSECRETTOKEN" not in str(failed.value) + caplog.text


@pytest.mark.parametrize("url", ["nonsense://token-1234567890", "json://", "file:", "file:///x"])
def test_an_address_that_cannot_be_used_is_refused_without_being_shown(url: str, tmp_path: Path) -> None:
    with pytest.raises(RulesError) as refused:
        channel_for(url, tmp_path)
    assert "1234567890" not in str(refused.value)


def test_the_file_takes_one_line_per_message_also_after_a_torn_one(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "alerts.jsonl"
    channel = FileChannel(path)
    channel.send(outgoing("a\nb"))
    path.write_bytes(path.read_bytes() + b'{"torn')
    channel.send(outgoing("c"))
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [json.loads(lines[n])["body"] for n in (0, 2)] == ["a\nb", "c"]


def test_a_file_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DeliveryFailed, match="mend it"):
        FileChannel(tmp_path).send(outgoing())
