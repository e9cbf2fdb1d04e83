"""Every way a feed can fail, over real HTTP: one clear line each, and the other feeds go on."""

from __future__ import annotations

import asyncio
import gzip
import shutil
import socket
import ssl
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from pipeline import ingest
from pipeline.context import Context
from pipeline.ingest.addresses import Allowed, check_url, vetted
from tests.conftest import MovableClock
from tests.pipeline.ingest.conftest import DATE, Page, Site, bomb, item, rows, rss, with_timeout

Subscribe = Callable[[Sequence[str]], None]
GOOD = rss(item("Brightwater raises its dividend", "https://gazette.example/1"))


def outcome_of(context: Context) -> tuple[str, str]:
    ((outcome, error),) = rows(context, "SELECT outcome, coalesce(error, '') FROM fetches")
    return str(outcome), str(error)


FAULTS = {
    "404": (Page(status=404), "http_error", "no such page"),
    "500": (Page(status=500), "http_error", "answered 500"),
    "401": (Page(status=401), "http_error", "refuses us"),
    "410": (Page(status=410), "gone", "removed this feed"),
    "a web page": (
        Page(b"<!doctype html><html><body><a href='/login'>Log in</a></body></html>"),
        "not_a_feed",
        "web page",
    ),
    "no body": (Page(b""), "not_a_feed", "The body is empty"),
    "blank body": (Page(b" \n "), "not_a_feed", "The body is empty"),
    "no entries": (Page(rss()), "empty", ""),
    "no entry whole": (Page(rss(item("Half an it"))[:-40]), "malformed", "no entry could be read"),
    "too large, and says so": (Page(b"x" * 300_000), "too_large", "300,000 bytes announced"),
    "too large, and does not": (Page(b"x" * 300_000, length=False), "too_large", "max_body_mb"),
    "a gzip bomb": (Page(bomb(50_000_000), headers={"Content-Encoding": "gzip"}), "too_large", "max_body_mb"),
    "a broken gzip": (Page(b"\x1f\x8bnonsense", headers={"Content-Encoding": "gzip"}), "malformed", "broken"),
    "a strange encoding": (Page(GOOD, headers={"Content-Encoding": "snappy"}), "http_error", "snappy"),
    "304 unasked": (Page(status=304), "http_error", "answered 304"),
    "a slow body": (Page(GOOD, drip_s=0.05), "timeout", "Not done after 1.5 seconds"),
    "slow headers": (Page(GOOD, slow_headers_s=0.1), "timeout", "timeout_s"),
    "round in circles": (Page(status=302, headers={"Location": "/feed"}), "http_error", "5 redirects"),
    "to a private address": (Page(status=302, headers={"Location": "http://10.0.0.1/feed"}), "blocked", "10.0.0.1"),
    "to another port here": (Page(status=301, headers={"Location": "http://127.0.0.1:9/feed"}), "blocked", "Port 9"),
    "to a file": (Page(status=302, headers={"Location": "file:///etc/passwd"}), "bad_url", "neither http nor https"),
    "cut in mid-body": (Page(GOOD, headers={"Content-Length": "9000"}, length=False), "network", "tried again"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_has_an_outcome_and_a_line_and_the_next_feed_goes_on(
    fault: str, site: Site, context: Context, subscribe: Subscribe
) -> None:
    page, outcome, words = FAULTS[fault]
    site.pages = {"/feed": page, "/good": Page(GOOD)}
    subscribe([site.url("/feed"), site.url("/good")])
    started = time.perf_counter()

    # What is not slow has all the time that a busy machine may need.
    report = ingest.run(with_timeout(context, 1.5 if outcome == "timeout" else 30))

    assert time.perf_counter() - started < 15
    found = dict(rows(context, "SELECT split_part(url, '/', 4), outcome FROM fetches"))
    assert found == {"feed": outcome, "good": "new"}
    ((error,),) = rows(context, "SELECT last_error FROM feeds WHERE url LIKE '%/feed'")
    assert words in str(error or "")
    assert "\n" not in str(error)
    assert rows(context, "SELECT title FROM articles") == [("Brightwater raises its dividend",)]
    assert report.counts["failed"] == (outcome != "empty")


def test_a_dead_host_is_a_network_fault(site: Site, context: Context, subscribe: Subscribe) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, but nobody listens
        port = held.getsockname()[1]
        allowed = context.settings.ingest.model_copy(update={"allow_hosts": (f"127.0.0.1:{port}",)})
        object.__setattr__(context, "settings", context.settings.model_copy(update={"ingest": allowed}))
        subscribe([f"http://127.0.0.1:{port}/feed"])
        ingest.run(context)
    outcome, error = outcome_of(context)
    assert outcome == "network"
    assert "check the network" in error


def test_a_notebook_with_its_running_event_loop_can_ingest(context: Context, subscribe: Subscribe) -> None:
    async def cell() -> None:
        subscribe(["https://no-such-host.invalid/feed"])
        ingest.run(context)

    asyncio.run(cell())
    assert outcome_of(context)[0] == "network"


def test_a_host_without_address_is_a_network_fault(context: Context, subscribe: Subscribe) -> None:
    subscribe(["https://no-such-host.invalid/feed"])
    ingest.run(context)
    assert outcome_of(context)[0] == "network"


@pytest.mark.parametrize(
    ("url", "outcome"),
    [
        ("http://127.0.0.1/feed", "blocked"),
        ("http://[::1]/feed", "blocked"),
        ("http://0.0.0.0/feed", "blocked"),
        ("http://2130706433/feed", "blocked"),
        ("http://127.1/feed", "blocked"),
        ("http://169.254.169.254/latest/meta-data", "blocked"),
        ("http://100.64.0.1/feed", "blocked"),
        ("http://[::ffff:127.0.0.1]/feed", "blocked"),
        ("http://[64:ff9b::7f00:1]/feed", "blocked"),
        ("http://[2002:7f00:1::]/feed", "blocked"),
        ("http://224.0.0.1/feed", "blocked"),
        ("http://203.0.113.9:22/feed", "blocked"),
        ("ftp://news.example/feed", "bad_url"),
        ("file:///etc/passwd", "bad_url"),
        ("https://reader:secret@news.example/feed", "bad_url"),
        ("https:///feed", "bad_url"),
    ],
)
def test_an_address_that_must_not_be_fetched_is_refused(
    url: str, outcome: str, context: Context, subscribe: Subscribe
) -> None:
    subscribe([url])
    ingest.run(context)
    found, error = outcome_of(context)
    assert found == outcome
    assert "secret" not in error
    assert rows(context, "SELECT count(*) FROM fetches WHERE url LIKE '%secret%'") == [(0,)]


def test_truncated_xml_keeps_whole_entries_and_asks_for_all_again(
    site: Site, context: Context, subscribe: Subscribe
) -> None:
    whole = rss(*(item(f"Headline number {i}", f"https://gazette.example/{i}") for i in range(5)))
    site.pages = {"/feed": Page(whole[: whole.index(b"number 3") + 4], etag='"1"')}
    subscribe([site.url("/feed")])
    ingest.run(context)
    assert rows(context, "SELECT count(*) FROM articles") == [(3,)]
    ((warning,),) = rows(context, "SELECT warning FROM fetches")
    assert "3 whole entries" in str(warning)

    site.pages["/feed"] = Page(whole, etag='"1"')
    ingest.run(context)

    assert site.statuses() == [200, 200]  # had we kept the ETag, the rest would have been lost behind a 304
    assert rows(context, "SELECT count(*), max(revision) FROM articles") == [(5, 1)]


def test_a_feed_that_is_gone_is_not_asked_again(site: Site, context: Context, subscribe: Subscribe) -> None:
    site.pages = {"/feed": Page(status=410)}
    subscribe([site.url("/feed")])
    ingest.run(context)
    ingest.run(context)
    assert site.statuses() == [410]


def test_retry_after_is_obeyed(site: Site, context: Context, subscribe: Subscribe, clock: MovableClock) -> None:
    site.pages = {"/feed": Page(status=429, headers={"Retry-After": "1800"})}
    subscribe([site.url("/feed")])
    ingest.run(context)
    site.pages["/feed"] = Page(GOOD)
    clock.now += timedelta(minutes=29)
    assert ingest.run(context).counts == {"waiting": 1}
    clock.now += timedelta(minutes=2)
    assert ingest.run(context).counts["new_articles"] == 1
    assert site.statuses() == [429, 200]


def test_back_off_grows_and_never_ends(site: Site, context: Context, subscribe: Subscribe, clock: MovableClock) -> None:
    subscribe([site.url("/feed")])
    waits = []
    for _ in range(12):
        ingest.run(context)
        ((due,),) = rows(context, "SELECT next_fetch_at FROM feeds")
        waits.append((due - clock.now).total_seconds() / 60)
        clock.now = due
    assert 4 <= waits[0] <= 6
    assert waits[3] > 3 * waits[0]
    assert all(4.8 * 60 <= wait <= 7.2 * 60 for wait in waits[8:])
    assert len(site.requests) == 12


def test_when_every_feed_fails_it_is_our_network_and_no_feed_is_punished(
    context: Context, subscribe: Subscribe
) -> None:
    subscribe([f"https://host{i}.invalid/feed" for i in range(3)])
    (note,) = ingest.run(context).notes
    assert "none of 3 feeds could be reached" in note
    assert rows(context, "SELECT DISTINCT failures, next_fetch_at FROM feeds") == [(0, None)]


def test_secrets_in_an_address_stay_out_of_what_is_kept_for_reading(
    site: Site, context: Context, subscribe: Subscribe
) -> None:
    subscribe([site.url("/feed?key=s3cret&format=rss")])
    report = ingest.run(context)
    kept = rows(context, "SELECT url || coalesce(error, '') FROM fetches")
    assert "s3cret" not in str(kept) + str(report.notes)
    assert "key=***" in str(kept)


def test_a_feed_without_dates_is_kept_and_says_so(site: Site, context: Context, subscribe: Subscribe) -> None:
    site.pages = {"/feed": Page(rss(item("No date at all", date=None), item("A silly one", date="32 Foo 99999")))}
    subscribe([site.url("/feed")])
    ingest.run(context)
    found = rows(context, "SELECT title, published_at, date_precision, date_flag FROM articles ORDER BY title")
    assert found == [("A silly one", None, "none", "unparsable"), ("No date at all", None, "none", "missing")]
    ((warning,),) = rows(context, "SELECT warning FROM fetches")
    assert "2 entries have no usable date" in str(warning)


def test_more_than_500_entries_are_cut_with_a_warning(site: Site, context: Context, subscribe: Subscribe) -> None:
    site.pages = {"/feed": Page(rss(*(item(f"n {i}", f"https://g.example/{i}") for i in range(501))))}
    subscribe([site.url("/feed")])
    ingest.run(context)
    ((entries, warning),) = rows(context, "SELECT entries, warning FROM fetches")
    assert entries == 500
    assert "501 entries; only the first 500" in str(warning)


def test_a_redirect_is_followed_and_the_host_hears_who_asks(site: Site, context: Context, subscribe: Subscribe) -> None:
    site.pages = {"/old": Page(status=301, headers={"Location": "/new"}), "/new": Page(GOOD)}
    subscribe([site.url("/old")])
    ingest.run(context)
    assert [path for path, _, _ in site.requests] == ["/old", "/new"]
    headers = site.requests[1][2]
    assert headers["host"] == site.address
    assert headers["user-agent"].startswith("Barograph/")
    assert rows(context, "SELECT published_raw FROM articles") == [(DATE,)]


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(GOOD)),
        ("gzip", gzip.compress(GOOD[:50]) + gzip.compress(GOOD[50:]) + b"\0" * 20),
        ("deflate", zlib.compress(GOOD)),
        ("deflate", zlib.compress(GOOD)[2:-4]),
    ],
    ids=["gzip", "gzip of two members", "deflate", "deflate without its header"],
)
def test_compressed_bodies_are_read(
    encoding: str, packed: bytes, site: Site, context: Context, subscribe: Subscribe
) -> None:
    site.pages = {"/feed": Page(packed, headers={"Content-Encoding": encoding})}
    subscribe([site.url("/feed")])
    assert ingest.run(context).counts["new_articles"] == 1


def test_tls_against_a_server_that_speaks_none(site: Site, context: Context, subscribe: Subscribe) -> None:
    subscribe([site.url("/feed").replace("http:", "https:")])
    ingest.run(context)
    assert outcome_of(context)[0] == "tls"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed, so no certificate can be made")
def test_a_certificate_of_ones_own_is_not_trusted(context: Context, subscribe: Subscribe, tmp_path: Path) -> None:
    command = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 1 -subj /CN=127.0.0.1"
    subprocess.run(
        [*command.split(), "-addext", "subjectAltName=IP:127.0.0.1"], cwd=tmp_path, check=True, capture_output=True
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # the client hangs up: that is the point
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        address = f"127.0.0.1:{server.server_port}"
        allowed = context.settings.ingest.model_copy(update={"allow_hosts": (address,)})
        object.__setattr__(context, "settings", context.settings.model_copy(update={"ingest": allowed}))
        subscribe([f"https://{address}/feed"])
        ingest.run(context)
        server.shutdown()
        thread.join()
    outcome, error = outcome_of(context)
    assert outcome == "tls"
    assert "certificate" in error


def test_of_public_and_private_answers_only_the_public_ones_are_connected_to() -> None:
    target = check_url("https://news.example/feed", Allowed.of(()))
    assert vetted(target, ["10.0.0.1", "93.184.216.34", "::1", "2606:4700::1111"]) == [
        "93.184.216.34",
        "2606:4700::1111",
    ]


def test_an_allowed_host_is_allowed_by_name_or_by_name_and_port() -> None:
    by_port = Allowed.of(["Feeds.Intranet:8080", "[::1]:81"])
    assert check_url("http://feeds.intranet:8080/x", by_port).exempt
    assert check_url("http://[::1]:81/x", by_port).exempt
    assert not check_url("http://feeds.intranet/x", by_port).exempt
    assert check_url("http://feeds.intranet:9000/x", Allowed.of(["feeds.intranet"])).exempt
