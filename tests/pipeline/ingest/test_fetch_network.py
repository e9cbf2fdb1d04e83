"""The way out: proxies only where the settings name them, name services that fail, and headers of all kinds."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.context import Context
from pipeline.errors import SettingsError
from pipeline.ingest.client import HttpFetcher, Wanted
from pipeline.ingest.exchange import Fetched
from pipeline.settings import load
from tests.pipeline.ingest.conftest import Page, Site, item, rss, with_ingest
from tests.support.network import PUBLIC, Names, Wires

GOOD = rss(item("Brightwater raises its dividend", "https://gazette.example/1"))


@contextmanager
def proxy() -> Iterator[tuple[str, list[str]]]:
    """A forward proxy that answers every request itself; its address, and the request lines it has seen."""
    seen: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            lines = []
            while line := self.rfile.readline().strip():
                lines.append(line.decode())
            seen.extend([lines[0], *(line for line in lines if line.lower().startswith("proxy-auth"))])
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(GOOD) + GOOD)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}", seen
        finally:
            server.shutdown()
            thread.join()


def one(context: Context, url: str, names: Names | None = None, wires: Wires | None = None) -> Fetched:
    found: list[Fetched] = []
    HttpFetcher(context.settings.ingest, names, wires)([Wanted(url, url)], found.append)
    return found[0]


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_the_environments_proxy_is_taken_only_when_the_settings_say_so(
    variable: str, site: Site, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    site.pages = {"/feed": Page(GOOD)}
    with proxy() as (address, seen):
        monkeypatch.setenv(variable, f"http://{address}")
        assert one(context, site.url("/feed")).body == GOOD
        assert (seen, len(site.requests)) == ([], 1)
        assert one(with_ingest(context, trust_env=True), site.url("/feed")).body == GOOD
        assert (seen, len(site.requests)) == ([f"GET {site.url('/feed')} HTTP/1.1"], 1)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert one(with_ingest(context, trust_env=True), site.url("/feed")).body == GOOD
        assert len(site.requests) == 2


def test_the_proxy_of_the_settings_is_used_with_its_password(context: Context) -> None:
    with proxy() as (address, seen):
        behind = with_ingest(context, proxy=f"http://desk:s3cret@{address}")
        assert one(behind, "http://news.example/feed").body == GOOD  # a name that only the proxy can resolve
    assert seen[0] == "GET http://news.example:80/feed HTTP/1.1"
    assert seen[1].lower().startswith("proxy-authorization: basic ")


def test_behind_a_proxy_private_addresses_are_refused_all_the_same(context: Context) -> None:
    with proxy() as (address, seen):
        behind = with_ingest(context, proxy=f"http://{address}")
        names = Names({"intranet.example": [["10.0.0.1"]], "10.0.0.1": [["10.0.0.1"]]})
        for host in ("10.0.0.1", "intranet.example"):
            assert one(behind, f"http://{host}/feed", names).outcome == "blocked"
    assert seen == []


def test_a_dead_address_gives_way_to_the_next(site: Site, context: Context) -> None:
    site.pages = {"/feed": Page(GOOD)}
    wires = Wires({PUBLIC: int(site.address.rpartition(":")[2])})
    found = one(context, "http://news.example/feed", Names({"news.example": [["203.0.114.9", PUBLIC]]}), wires)
    assert found.body == GOOD
    assert [host for host, _ in wires.opened] == ["203.0.114.9", PUBLIC]


def test_validators_go_back_as_they_came_whatever_bytes_they_are(site: Site, context: Context) -> None:
    etag = 'W/"é—1"'
    site.pages = {"/feed": Page(GOOD)}
    found: list[Fetched] = []
    wanted = Wanted("f", site.url("/feed"), etag, "Tue, 03 Mar 2026 11:00:00 GMT")
    HttpFetcher(context.settings.ingest)([wanted], found.append)
    headers = site.requests[0][2]
    assert headers["if-none-match"].encode("latin-1").decode() == etag
    assert headers["if-modified-since"] == "Tue, 03 Mar 2026 11:00:00 GMT"
    assert found[0].body == GOOD


@pytest.mark.parametrize(
    "location",
    ["http://[::1", "http://news.example:x/feed", "http://a\x00b/feed", "https://", "mailto:a@b.example"],
)
def test_a_redirect_to_nonsense_is_a_fault_of_the_feed(location: str, site: Site, context: Context) -> None:
    site.pages = {"/feed": Page(status=302, headers={"Location": location})}
    found = one(context, site.url("/feed"))
    assert found.outcome in ("bad_url", "network")
    assert found.error


def test_a_certificate_file_that_cannot_be_used_is_one_clear_error(context: Context, tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"ca_file .* cannot be used"):
        one(with_ingest(context, ca_file=bad), "https://news.example/feed")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("proxy", "socks5://proxy.example"),
        ("proxy", "proxy.example:3128"),
        ("user_agent", "two\\nlines"),
        ("user_agent", ""),
        ("contact", "é@bank.example"),
        ("host_spacing_s", -1),
        ("per_host", 0),
        ("verify", False),
    ],
)
def test_settings_that_would_harm_are_refused_at_start(key: str, value: object, tmp_path: Path) -> None:
    written = f'"{value}"' if isinstance(value, str) else str(value).lower()
    file = tmp_path / "barograph.toml"
    file.write_text(f"[ingest]\n{key} = {written}\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=key):
        load(file)
