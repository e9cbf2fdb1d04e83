"""The faults 8 to 10: bodies too large, lying, packed as bombs, or too slow, against real local servers."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import brotli
import pytest
from backports import zstd

from pipeline import ingest
from pipeline.context import Context
from pipeline.ingest.client import Fetched, HttpFetcher, Wanted
from tests.pipeline.ingest.conftest import Page, Site, item, outcomes, rss, with_ingest
from tests.support.network import talking

Subscribe = Callable[[Sequence[str]], None]
GOOD = rss(item("Brightwater raises its dividend", "https://gazette.example/1", guid="a"))
CAP = 8_000_000


def fetched_by(context: Context, urls: Sequence[str]) -> dict[str, Fetched]:
    """What the fetcher of this context says of each address, in the order in which the answers came."""
    found: dict[str, Fetched] = {}
    fetcher = HttpFetcher(context.settings.ingest)
    fetcher([Wanted(url, url) for url in urls], lambda fetched: found.update({fetched.feed_id: fetched}))
    return found


def test_fault_08_a_body_over_the_cap(site: Site, context: Context, subscribe: Subscribe) -> None:
    site.pages = {
        "/told": Page(b"x" * 300_000),
        "/untold": Page(b"x" * 300_000, length=False),
        "/good": Page(GOOD),
    }
    subscribe([site.url(path) for path in site.pages])
    ingest.run(context)  # the cap of these tests is 200,000 bytes
    found = outcomes(context)
    assert found["told"][0] == found["untold"][0] == "too_large"
    assert "300,000 bytes announced" in found["told"][1]
    assert "More than 200,000 bytes came" in found["untold"][1]
    assert found["good"][0] == "new"


@pytest.mark.parametrize(
    ("head", "body", "outcome"),
    [
        ("Content-Length: 9000", GOOD, "network"),  # more is promised than comes
        ("Content-Length: 1000000000000", GOOD, "too_large"),
        (f"Content-Length: {len(GOOD)}", GOOD + b"x" * 300_000, None),  # what is over does not count
        ("Content-Length: 10\r\nContent-Length: 20", GOOD, "network"),
        ("Content-Length: -5", GOOD, "network"),
        ("Content-Length: many", GOOD, "network"),
        ("Transfer-Encoding: chunked", b"zz\r\n" + GOOD, "network"),
        ("Transfer-Encoding: chunked", b"f4240\r\n" + b"x" * 1_000_000, "too_large"),
        (f"X-Long: {'x' * 300_000}", GOOD, "network"),
    ],
    ids=[
        "too much",
        "far too much",
        "too little",
        "two",
        "negative",
        "words",
        "bad chunk",
        "large chunk",
        "long header",
    ],
)
def test_fault_08_a_lying_content_length(head: str, body: bytes, outcome: str | None, context: Context) -> None:
    with talking(lambda send: send(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode() + body)) as port:
        url = f"http://127.0.0.1:{port}/feed"
        found = fetched_by(with_ingest(context, allow_hosts=(f"127.0.0.1:{port}",)), [url])[url]
    assert found.outcome == outcome
    assert found.body == (b"" if outcome else GOOD)


def endless(send: Callable[[bytes], object]) -> None:
    send(b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\n\r\n")
    for _ in range(20 * CAP // 65_536):
        send(b"x" * 65_536)


def peak_growth(work: Callable[[], object]) -> int:
    """By how many bytes this process outgrew its size of before, at the worst moment of `work`."""
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not reset.exists():
        pytest.skip("the peak of memory is read from /proc, which is not here")

    def read(name: str) -> int:
        (line,) = (line for line in status.read_text().splitlines() if line.startswith(name))
        return int(line.split()[1]) * 1024

    work()  # the first time loads modules and warms allocators
    reset.write_text("5")
    before = read("VmRSS")
    work()
    return read("VmHWM") - before


def test_fault_08_memory_stays_below_twice_the_cap(context: Context) -> None:
    found: list[Fetched] = []
    with talking(endless) as port:
        url = f"http://127.0.0.1:{port}/feed"
        limited = with_ingest(context, allow_hosts=(f"127.0.0.1:{port}",), max_body_mb=CAP / 1e6, timeout_s=30.0)
        grown = peak_growth(lambda: found.append(fetched_by(limited, [url])[url]))
    assert {f.outcome for f in found} == {"too_large"}
    assert grown < 2 * CAP


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


ZEROS = b"\0" * 100_000_000
BOMBS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "gzip": ("gzip", lambda: gzip.compress(ZEROS)),
    "gzip of many members": ("gzip", lambda: gzip.compress(ZEROS[:1_000_000]) * 100),
    "deflate": ("deflate", lambda: zlib.compress(ZEROS)),
    "raw deflate": ("deflate", lambda: deflated(ZEROS)),
    "brotli": ("br", lambda: brotli.compress(ZEROS, quality=5)),
    "zstd": ("zstd", lambda: zstd.compress(ZEROS)),
    "zstd of many frames": ("zstd", lambda: zstd.compress(ZEROS[:1_000_000]) * 100),
    "gzip in gzip": ("gzip, gzip", lambda: gzip.compress(gzip.compress(ZEROS))),
    "gzip in brotli": ("gzip, br", lambda: brotli.compress(gzip.compress(ZEROS), quality=5)),
    "zstd in gzip in deflate": ("zstd, gzip, deflate", lambda: zlib.compress(gzip.compress(zstd.compress(ZEROS)))),
    "a gzip file in gzip": ("gzip", lambda: gzip.compress(gzip.compress(ZEROS))),
    "a gzip file as it is": ("", lambda: gzip.compress(ZEROS)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_fault_09_bombs(name: str, site: Site, context: Context) -> None:
    encoding, pack = BOMBS[name]
    body = pack()
    site.pages = {"/feed": Page(body, headers={"Content-Encoding": encoding} if encoding else {})}
    limited = with_ingest(context, max_body_mb=CAP / 1e6, timeout_s=30.0)
    found: list[Fetched] = []
    url = site.url("/feed")
    grown = peak_growth(lambda: found.append(fetched_by(limited, [url])[url]))
    assert len(body) < CAP
    assert {f.outcome for f in found} == {"too_large"}
    assert "8,000,000 bytes came" in found[0].error
    assert grown < 2 * CAP + len(body)  # the server, which is in this process too, holds the bomb


@pytest.mark.parametrize(
    ("encoding", "body", "outcome"),
    [
        (", ".join(["gzip"] * 4), gzip.compress(gzip.compress(gzip.compress(gzip.compress(GOOD)))), "http_error"),
        ("gzip", gzip.compress(b"") * 1_100, "too_large"),
        ("zstd", zstd.compress(b"") * 1_100, "too_large"),
        ("br", b"\xff" * 100, "malformed"),
        ("zstd", b"nonsense", "malformed"),
        ("gzip", GOOD, "malformed"),
    ],
    ids=["four layers", "empty members", "empty frames", "no brotli", "no zstd", "no gzip"],
)
def test_fault_09_what_no_honest_server_sends(
    encoding: str, body: bytes, outcome: str, site: Site, context: Context
) -> None:
    site.pages = {"/feed": Page(body, headers={"Content-Encoding": encoding})}
    assert fetched_by(context, [site.url("/feed")])[site.url("/feed")].outcome == outcome


def test_fault_10_one_byte_per_second(site: Site, context: Context) -> None:
    """As many slow feeds as there are places: each ends at its deadline, and the good ones have their turn."""
    slow = [f"/slow{i}" for i in range(4)]
    site.pages = {path: Page(GOOD, drip_s=1.0) for path in slow} | {"/good": Page(GOOD)}
    site.pages["/head"] = Page(GOOD, slow_headers_s=1.0)
    patient = with_ingest(context, timeout_s=1.5, concurrency=4, per_host=4)
    urls = [site.url(path) for path in (*slow, "/head", "/good")]
    found = fetched_by(patient, urls)
    assert [found[site.url(path)].outcome for path in (*slow, "/head")] == ["timeout"] * 5
    assert found[site.url("/good")].body == GOOD
    assert all(1.4 < found[site.url(path)].seconds < 3 for path in slow)


def test_fault_10_a_slow_host_does_not_hold_the_places_of_the_others(site: Site, context: Context) -> None:
    """Eight slow feeds of one host, two of which may be asked at once, leave two of the four places free."""
    other = Site()
    try:
        site.pages = {f"/slow{i}": Page(GOOD, drip_s=0.2) for i in range(8)}
        other.pages = {f"/good{i}": Page(GOOD) for i in range(3)}
        allowed = (site.address, other.address)
        patient = with_ingest(context, timeout_s=0.5, concurrency=4, per_host=2, allow_hosts=allowed)
        found = fetched_by(patient, [*map(site.url, site.pages), *map(other.url, other.pages)])
    finally:
        other.close()
    first = [url for url, fetched in found.items()][:3]
    assert sorted(first) == sorted(map(other.url, other.pages))
    assert sum(fetched.outcome == "timeout" for fetched in found.values()) == 8
