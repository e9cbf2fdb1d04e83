"""The faults 1 to 7 and 11 to 15 of the open internet, each by its number, against real local servers."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from cli.main import app
from pipeline import ingest
from pipeline.context import Context
from pipeline.ingest.client import HttpFetcher
from tests.conftest import MovableClock
from tests.pipeline.ingest.conftest import Page, Site, item, outcomes, rows, rss, with_ingest
from tests.support.network import PUBLIC, Names, Wires

Subscribe = Callable[[Sequence[str]], None]
GOOD = rss(item("Brightwater raises its dividend", "https://gazette.example/1", guid="a"))


def refused(context: Context, subscribe: Subscribe, url: str) -> str:
    """The outcome of fetching `url`; whatever it is, no connection may have been asked for."""
    wires = Wires()
    subscribe([url])
    ingest.run(context, fetcher=HttpFetcher(context.settings.ingest, backend=wires))
    assert wires.opened == []
    ((outcome, error),) = outcomes(context).values()
    assert error
    return outcome


def public(context: Context, site: Site, **names: Sequence[Sequence[str]]) -> tuple[HttpFetcher, Wires, Names]:
    """A fetcher for which `news_example` and the others of `names` are hosts, and PUBLIC leads to the local server."""
    resolver = Names({name.replace("_", "."): answers for name, answers in names.items()})
    wires = Wires({PUBLIC: int(site.address.rpartition(":")[2])})
    return HttpFetcher(context.settings.ingest, resolver, wires), wires, resolver


@pytest.mark.parametrize(
    ("host", "outcome"),
    [
        *((host, "blocked") for host in ("127.0.0.1", "[::1]", "[::]", "0.0.0.0", "2130706433", "127.1", "0x7f000001")),
        ("localhost", "blocked"),
        ("0177.0.0.1", "bad_url"),
    ],
)
def test_fault_01_this_machine_under_every_spelling(
    host: str, outcome: str, context: Context, subscribe: Subscribe
) -> None:
    assert refused(context, subscribe, f"http://{host}/feed") == outcome


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.254",
        "192.168.0.1",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "192.0.0.192",
        "168.63.129.16",
        "[fd00::1]",
        "[fe80::1]",
        "[fec0::1]",
        "[ff02::1]",
        "[2001:db8::1]",
    ],
)
def test_fault_02_private_and_special_networks(host: str, context: Context, subscribe: Subscribe) -> None:
    assert refused(context, subscribe, f"http://{host}/feed") == "blocked"


@pytest.mark.parametrize(
    "address",
    [
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::7f00:1",
        "2002:7f00:1::",
        "2002:c0a8:1::1",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
        "192.88.99.1",
    ],
    ids=lambda address: address.replace(":", "."),
)
def test_fault_03_a_private_address_inside_another(
    address: str, site: Site, context: Context, subscribe: Subscribe
) -> None:
    host = f"[{address}]" if ":" in address else address
    assert refused(context, subscribe, f"http://{host}/feed") == "blocked"
    fetcher, wires, _ = public(context, site, news_example=[[address]])
    subscribe(["http://news.example/by-name"])
    ingest.run(context, fetcher=fetcher)
    assert outcomes(context)["by-name"][0] == "blocked"
    assert wires.opened == []


@pytest.mark.parametrize("hops", [1, 3])
@pytest.mark.parametrize("target", ["http://10.0.0.1/feed", "http://intranet.example/feed", "http://[::ffff:a00:1]/f"])
def test_fault_04_a_public_address_that_redirects_to_a_private_one(
    hops: int, target: str, site: Site, context: Context, subscribe: Subscribe
) -> None:
    for hop in range(1, hops):
        site.pages[f"/{hop}"] = Page(status=302, headers={"Location": f"http://news.example/{hop + 1}"})
    site.pages[f"/{hops}"] = Page(status=302, headers={"Location": target})
    site.pages["/good"] = Page(GOOD)
    private = {"10.0.0.1": [["10.0.0.1"]], "[::ffff:a00:1]": [["::ffff:a00:1"]], "::ffff:a00:1": [["::ffff:a00:1"]]}
    fetcher, wires, resolver = public(context, site, news_example=[[PUBLIC]], intranet_example=[["10.0.0.1"]])
    resolver.answers = {**resolver.answers, **private}
    subscribe(["http://news.example/1", "http://news.example/good"])

    ingest.run(context, fetcher=fetcher)

    found = outcomes(context)
    assert found["1"][0] == "blocked"
    assert "private or special address" in found["1"][1]
    assert found["good"][0] == "new"
    assert sorted(path for path, *_ in site.requests) == sorted(["/good", *(f"/{hop}" for hop in range(1, hops + 1))])
    assert {host for host, _ in wires.opened} == {PUBLIC}
    assert rows(context, "SELECT last_outcome, failures FROM feeds WHERE url LIKE '%/1'") == [("blocked", 1)]


def test_fault_05_dns_rebinding(site: Site, context: Context, subscribe: Subscribe) -> None:
    site.pages = {"/feed": Page(GOOD), "/moving": Page(status=302, headers={"Location": "/feed"})}
    fetcher, wires, resolver = public(context, site, news_example=[[PUBLIC], ["127.0.0.1"]])
    subscribe(["http://news.example/feed"])
    ingest.run(context, fetcher=fetcher)
    assert outcomes(context)["feed"][0] == "new"
    # Resolved once, and connected to the very address that was checked, under the host's own name.
    assert (wires.opened, resolver.asked) == ([(PUBLIC, 80)], ["news.example"])
    assert site.requests[0][2]["host"] == "news.example"

    fetcher, wires, _ = public(context, site, news_example=[[PUBLIC], ["127.0.0.1"]])
    subscribe(["http://news.example/moving"])
    ingest.run(context, fetcher=fetcher)
    assert outcomes(context)["moving"][0] == "blocked"  # the second answer, at the redirect, is checked like the first
    assert wires.opened == [(PUBLIC, 80)]


def test_fault_05_of_mixed_answers_only_the_public_ones_are_connected_to(
    site: Site, context: Context, subscribe: Subscribe
) -> None:
    site.pages = {"/feed": Page(GOOD)}
    fetcher, wires, _ = public(context, site, news_example=[["127.0.0.1", "::1", PUBLIC, "10.0.0.1"]])
    subscribe(["http://news.example/feed"])
    assert ingest.run(context, fetcher=fetcher).counts["new_articles"] == 1
    assert wires.opened == [(PUBLIC, 80)]


@pytest.mark.parametrize(
    ("url", "outcome"),
    [
        ("file:///etc/passwd", "bad_url"),
        ("ftp://news.example/feed", "bad_url"),
        ("gopher://news.example/feed", "bad_url"),
        ("data:text/xml,<rss/>", "bad_url"),
        ("https://reader:s3cret@news.example/feed", "bad_url"),
        ("http://news.example:22/feed", "blocked"),
        ("http://news.example:0/feed", "blocked"),
        ("//news.example/feed", "bad_url"),
        ("http://[::1/feed", "bad_url"),
    ],
)
def test_fault_06_other_schemes_credentials_and_ports(
    url: str, outcome: str, context: Context, subscribe: Subscribe, tmp_path: Path
) -> None:
    assert refused(context, subscribe, url) == outcome
    assert "s3cret" not in str(rows(context, "SELECT * FROM fetches"))
    # Nor does `feeds add` take it into the file.
    from typer.testing import CliRunner

    config = tmp_path / "barograph.toml"
    config.write_text("", encoding="utf-8")
    before = context.settings.ingest.feeds.read_text(encoding="utf-8")
    done = CliRunner().invoke(app, ["feeds", "add", url, "--config", str(config)])
    assert done.exception is not None
    assert getattr(done.exception, "exit_status", 0) == 2
    assert context.settings.ingest.feeds.read_text(encoding="utf-8") == before


def test_fault_07_redirects_without_end(site: Site, context: Context, subscribe: Subscribe) -> None:
    site.pages = {
        "/loop": Page(status=302, headers={"Location": "/loop"}),
        "/ping": Page(status=301, headers={"Location": "/pong"}),
        "/pong": Page(status=301, headers={"Location": "/ping"}),
        **{f"/{n}": Page(status=302, headers={"Location": f"/{n - 1}"}) for n in range(1, 7)},
        "/0": Page(GOOD),
        "/good": Page(GOOD),
    }
    subscribe([site.url(path) for path in ("/loop", "/ping", "/6", "/5", "/good")])
    ingest.run(context)
    found = outcomes(context)
    assert {name: outcome for name, (outcome, _) in found.items()} == {
        "loop": "http_error", "ping": "http_error", "6": "http_error", "5": "new", "good": "new",
    }  # fmt: skip
    assert "More than 5 redirects" in found["loop"][1]


def test_fault_11_a_304_without_a_body(site: Site, context: Context, subscribe: Subscribe) -> None:
    site.pages = {"/feed": Page(GOOD, etag='"v1"')}
    subscribe([site.url("/feed")])
    ingest.run(context)
    before = rows(context, "SELECT * FROM articles")
    assert ingest.run(context).counts["unchanged"] == 1
    assert site.statuses() == [200, 304]
    assert rows(context, "SELECT * FROM articles") == before


def test_fault_11_a_304_that_nobody_asked_for(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock
) -> None:
    site.pages = {"/feed": Page(status=304)}
    subscribe([site.url("/feed")])
    for _ in range(2):
        ingest.run(context)
        clock.now += timedelta(hours=1)
    site.pages = {"/feed": Page(GOOD)}
    ingest.run(context)
    # It is no success: a feed of which we have nothing has not been "unchanged". The next one asks for all of it.
    assert rows(context, "SELECT outcome FROM fetches ORDER BY fetched_at") == [
        ("http_error",), ("http_error",), ("new",),
    ]  # fmt: skip
    assert all("if-none-match" not in h and "if-modified-since" not in h for _, _, h in site.requests)
    assert rows(context, "SELECT failures, last_error FROM feeds") == [(0, None)]


def test_fault_11_a_cache_that_says_304_for_ever(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock
) -> None:
    site.pages = {"/feed": Page(GOOD, etag='"stuck"')}
    subscribe([site.url("/feed")])
    ingest.run(context)
    for _ in range(3):
        clock.now += timedelta(hours=9)
        ingest.run(context)
    # After a day without a body the feed is asked for all of it, whatever its cache says.
    assert site.statuses() == [200, 304, 304, 200]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("1800", 30, 30),
        ("0", 1, 1),
        ("5", 1, 1),
        ("-60", 1, 6),
        ("1000000000", 24 * 60, 24 * 60),
        ("9" * 5_000, 24 * 60, 24 * 60),
        (format_datetime(datetime(2026, 3, 3, 13, tzinfo=UTC), usegmt=True), 60, 60),
        (format_datetime(datetime(2020, 3, 3, tzinfo=UTC), usegmt=True), 1, 1),
        (format_datetime(datetime(2099, 3, 3, tzinfo=UTC), usegmt=True), 24 * 60, 24 * 60),
        ("Tue, 99 Foo 99999", 1, 6),
        ("soon", 1, 6),
        ("", 1, 6),
    ],
    ids=[
        "seconds",
        "none",
        "few",
        "negative",
        "10^9",
        "5,000 digits",
        "date",
        "past",
        "far",
        "no date",
        "word",
        "blank",
    ],
)
def test_fault_12_retry_after(
    status: int, header: str, least: float, most: float,
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock,
) -> None:  # fmt: skip
    site.pages = {"/feed": Page(status=status, headers={"Retry-After": header})}
    subscribe([site.url("/feed")])
    ingest.run(context)
    ((due, outcome, error),) = rows(context, "SELECT next_fetch_at, last_outcome, last_error FROM feeds")
    assert isinstance(due, datetime)
    assert least <= (due - clock.now).total_seconds() / 60 <= most
    assert outcome == "http_error"
    assert "tried again later" in str(error)
    clock.now = due - timedelta(seconds=1)
    assert ingest.run(context).counts == {"waiting": 1}
    assert len(site.requests) == 1


def test_fault_12_the_other_feeds_of_the_host_are_left_alone_too(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock
) -> None:
    site.pages = {f"/{i}": Page(status=429, headers={"Retry-After": "600"}) for i in range(6)}
    subscribe([site.url(path) for path in site.pages])
    ingest.run(with_ingest(context, per_host=1))
    assert len(site.requests) == 1
    assert rows(context, "SELECT DISTINCT next_fetch_at FROM feeds") == [(clock.now + timedelta(minutes=10),)]
    assert sum("left alone" in error for _, error in outcomes(context).values()) == 5
    # Who was not asked has not failed.
    assert rows(context, "SELECT failures, count(*) FROM feeds GROUP BY ALL ORDER BY ALL") == [(0, 5), (1, 1)]


def test_fault_13_a_410_stops_and_reports(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock
) -> None:
    site.pages = {"/feed": Page(status=410), "/good": Page(GOOD)}
    subscribe([site.url("/feed"), site.url("/good")])
    report = ingest.run(context)
    assert [note for note in report.notes if "removed this feed (410)" in note]
    clock.now += timedelta(days=30)
    ingest.run(context)
    assert [path for path, *_ in site.requests].count("/feed") == 1
    found = rows(context, "SELECT status, last_outcome FROM feeds WHERE url LIKE '%/feed'")
    assert found == [("gone", "gone")]


def test_fault_13_a_410_behind_a_temporary_redirect_is_not_the_feeds(
    site: Site, context: Context, subscribe: Subscribe
) -> None:
    site.pages = {"/feed": Page(status=302, headers={"Location": "/there"}), "/there": Page(status=410)}
    subscribe([site.url("/feed")])
    ingest.run(context)
    assert rows(context, "SELECT status, last_outcome FROM feeds") == [("active", "http_error")]


def test_fault_13_a_301_is_kept_once_it_is_confirmed(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock
) -> None:
    site.pages = {"/old": Page(status=301, headers={"Location": "/new"}), "/new": Page(GOOD)}
    subscribe([site.url("/old")])
    notes: list[str] = []
    for _ in range(4):
        notes += ingest.run(context).notes
        clock.now += timedelta(hours=13)
    # Named by three polls over a day: from then on the new address is asked, and the report says so once.
    assert [path for path, *_ in site.requests] == ["/old", "/new"] * 3 + ["/new"]
    assert rows(context, "SELECT url, fetch_url FROM feeds") == [(site.url("/old"), site.url("/new"))]
    assert [note for note in notes if "has moved" in note] == [
        f"Feed old has moved to {site.url('/new')}, which is asked from now on"
    ]
    assert rows(context, "SELECT count(*) FROM articles") == [(1,)]


def test_fault_13_an_error_at_the_new_address_leads_back_to_the_old_one(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock
) -> None:
    site.pages = {"/old": Page(status=308, headers={"Location": "/new"}), "/new": Page(GOOD)}
    subscribe([site.url("/old")])
    for _ in range(3):
        ingest.run(context)
        clock.now += timedelta(hours=13)
    site.pages = {"/old": Page(GOOD), "/new": Page(status=410)}
    ingest.run(context)
    found = rows(context, "SELECT status, fetch_url, last_error FROM feeds")
    assert found[0][:2] == ("active", None)
    assert "address of the OPML file is asked again" in str(found[0][2])
    clock.now += timedelta(hours=13)
    ingest.run(context)
    assert [path for path, *_ in site.requests][-2:] == ["/new", "/old"]


def test_fault_13_a_move_to_another_house_is_followed_but_never_kept(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock
) -> None:
    site.pages = {"/old": Page(status=301, headers={"Location": "http://squatter.example/x"}), "/x": Page(GOOD)}
    fetcher, _, _ = public(context, site, news_example=[[PUBLIC]], squatter_example=[[PUBLIC]])
    subscribe(["http://news.example/old"])
    notes: list[str] = []
    for _ in range(6):
        notes += ingest.run(context, fetcher=fetcher).notes
        clock.now += timedelta(hours=13)
    assert rows(context, "SELECT fetch_url, moved_to FROM feeds") == [(None, "http://squatter.example/x")]
    assert [path for path, *_ in site.requests] == ["/old", "/x"] * 6
    assert len([note for note in notes if "another site" in note]) == 1


@contextmanager
def secure(certificate: trustme.LeafCert) -> Iterator[str]:
    """A web server with this certificate, with a good feed at /feed; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(GOOD)))
            self.end_headers()
            self.wfile.write(GOOD)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # the client hangs up: that is the point

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(tls)
    with Server(("127.0.0.1", 0), Handler) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.mark.parametrize("fault", ["expired", "self-signed", "wrong host", "none"])
def test_fault_14_certificates(
    fault: str, authority: trustme.CA, context: Context, subscribe: Subscribe, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    yesterday = datetime.now(UTC) - timedelta(days=1)
    issuer = trustme.CA() if fault == "self-signed" else authority
    certificate = issuer.issue_cert(
        "elsewhere.example" if fault == "wrong host" else "127.0.0.1",
        not_before=yesterday - timedelta(days=9) if fault == "expired" else None,
        not_after=yesterday if fault == "expired" else None,
    )
    trusted, others = tmp_path / "ca.pem", tmp_path / "others.pem"
    authority.cert_pem.write_to_path(str(trusted))
    issuer.cert_pem.write_to_path(str(others))
    monkeypatch.setenv("SSL_CERT_FILE", str(others))  # whom to trust is said by the settings, not by the environment
    with secure(certificate) as address:
        ours = with_ingest(context, allow_hosts=(address,), ca_file=trusted)
        subscribe([f"https://{address}/feed"])
        ingest.run(ours)
    outcome, error = outcomes(context)["feed"]
    assert outcome == ("new" if fault == "none" else "tls")
    assert fault == "none" or ("certificate" in error and "certificates are always checked" in error)
    assert rows(context, "SELECT count(*) FROM articles") == [(int(fault == "none"),)]


@pytest.mark.parametrize(
    "body",
    [
        b"<!doctype html><html><body><form action='/login'>Log in</form></body></html>",
        b"<html><head><title>Consent</title></head><body>Accept all</body></html>",
        b"",
        b"  \r\n\t ",
        b"\xef\xbb\xbf",
    ],
    ids=["login page", "consent page", "empty", "blank", "only a byte order mark"],
)
def test_fault_15_a_200_that_is_no_feed(
    body: bytes, site: Site, context: Context, subscribe: Subscribe, clock: MovableClock
) -> None:
    site.pages = {"/feed": Page(GOOD)}
    subscribe([site.url("/feed")])
    ingest.run(context)
    seen = clock.now
    site.pages = {"/feed": Page(body, etag='"login"')}
    clock.now += timedelta(minutes=5)
    report = ingest.run(context)
    assert rows(context, "SELECT last_outcome, failures, last_success_at, etag FROM feeds") == [
        ("not_a_feed", 1, seen, None)
    ]
    assert report.counts["failed"] == 1
    # Freshness counts polls that succeeded: this one did not.
    assert rows(context, "SELECT outcome FROM fetches ORDER BY fetched_at") == [("new",), ("not_a_feed",)]
