"""The HTTP client: many feeds at once, each with its own deadline and cap, every address checked before connecting.

Requests go through httpx's transport, not its client: no cookies, no proxies from the environment, and redirects
are followed by hand so that each hop is checked. We connect to the very address that was checked (a second answer
of the name server changes nothing); the host's name still goes into the Host header and the TLS handshake.
Connections are not kept, since two hosts behind one address must not share one that was verified for the other.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

import httpx

from pipeline.errors import FetchFailed
from pipeline.ingest.addresses import Allowed, Target, check_url, vetted
from pipeline.ingest.bodies import ACCEPT_ENCODING, read_capped
from pipeline.ingest.outcomes import Outcome, masked, masked_text, sentence
from pipeline.settings import Ingest

__all__ = ["Fetched", "Fetcher", "HttpFetcher", "Wanted"]

logger = logging.getLogger(__name__)

MAX_REDIRECTS = 5
PER_HOST = 2
MAX_ADDRESSES = 3
_REDIRECTS = {301, 302, 303, 307, 308}
_ACCEPT = (
    "application/rss+xml, application/atom+xml, application/rdf+xml, application/xml;q=0.9, text/xml;q=0.9, */*;q=0.5"
)


@dataclass(frozen=True)
class Wanted:
    """One feed to fetch, with the validators of its last good body."""

    feed_id: str
    url: str
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True)
class Fetched:
    """What came back. `outcome` is None when a body came, for the parser to judge; else the body is empty.

    `seconds` from first byte out to last byte in; `retry_after` as the server wrote it.
    """

    feed_id: str
    url: str
    outcome: Outcome | None
    error: str = ""
    status: int | None = None
    seconds: float = 0.0
    final_url: str = ""
    content_type: str = ""
    etag: str | None = None
    last_modified: str | None = None
    retry_after: str | None = None
    body: bytes = b""


class Fetcher(Protocol):
    """Fetches all that is `wanted` and hands each result over as soon as it is there; raises for none of them."""

    def __call__(self, wanted: Sequence[Wanted], deliver: Callable[[Fetched], None]) -> None: ...


@dataclass(frozen=True)
class HttpFetcher:
    """`Fetcher` over HTTP/1.1, with the limits of `[ingest]`."""

    settings: Ingest

    def __call__(self, wanted: Sequence[Wanted], deliver: Callable[[Fetched], None]) -> None:
        """Fetch all; `deliver` is called once per feed, one call at a time, in order of completion."""
        if not wanted:
            return
        # In a thread of its own: the caller may already run an event loop (a notebook always does).
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="fetch") as pool:
            pool.submit(asyncio.run, self._all(wanted, deliver)).result()

    async def _all(self, wanted: Sequence[Wanted], deliver: Callable[[Fetched], None]) -> None:
        slots = asyncio.Semaphore(self.settings.concurrency)
        hosts: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(PER_HOST))
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        async with httpx.AsyncHTTPTransport(verify=True, trust_env=False, limits=limits, retries=0) as transport:

            async def one(feed: Wanted) -> None:
                # The host's place first: feeds of one slow host must not hold the slots of all.
                async with hosts[_host(feed.url)], slots:
                    fetched = await self._guarded(transport, feed)
                deliver(fetched)

            async with asyncio.TaskGroup() as group:
                for feed in wanted:
                    group.create_task(one(feed))

    async def _guarded(self, transport: httpx.AsyncBaseTransport, feed: Wanted) -> Fetched:
        """One feed under its deadline, every fault turned into an outcome."""
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self.settings.timeout_s):
                fetched = await self._follow(transport, feed)
        except FetchFailed as error:
            fetched = _fault(feed, Outcome(error.outcome), str(error), error.status)
        except (TimeoutError, httpx.TimeoutException):
            detail = f"Not done after {self.settings.timeout_s:g} seconds"
            fetched = _fault(feed, Outcome.TIMEOUT, sentence(Outcome.TIMEOUT, detail))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            outcome = Outcome.TLS if _is_tls(error) else Outcome.NETWORK
            fetched = _fault(feed, outcome, sentence(outcome, masked_text(_first_line(error))))
        if fetched.error:
            logger.info("%s: %s", masked(feed.url), fetched.error)
        return replace(fetched, seconds=time.perf_counter() - started)

    async def _follow(self, transport: httpx.AsyncBaseTransport, feed: Wanted) -> Fetched:
        allowed = Allowed.of(self.settings.allow_hosts)
        target = check_url(feed.url, allowed)
        # Only a feed that is itself on an allowed host may be led to one: a public feed must not reach our intranet.
        onward = allowed if target.exempt else Allowed.of(())
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._ask(transport, target, feed)
            try:
                location = response.headers.get("location", "")
                if response.status_code not in _REDIRECTS or not location:
                    return await self._answer(response, feed, target)
            finally:
                await response.aclose()
            target = check_url(str(target.url.join(location)), onward)
        detail = f"More than {MAX_REDIRECTS} redirects"
        raise FetchFailed(Outcome.HTTP_ERROR, sentence(Outcome.HTTP_ERROR, detail))

    async def _ask(self, transport: httpx.AsyncBaseTransport, target: Target, feed: Wanted) -> httpx.Response:
        addresses = vetted(target, await _resolve(target))[:MAX_ADDRESSES]
        headers = {
            "Host": target.url.netloc.decode("ascii"),
            "User-Agent": self.settings.user_agent,
            "Accept": _ACCEPT,
            "Accept-Encoding": ACCEPT_ENCODING,
            "Connection": "close",
        }
        if feed.etag:
            headers["If-None-Match"] = feed.etag
        if feed.last_modified:
            headers["If-Modified-Since"] = feed.last_modified
        timeout = httpx.Timeout(self.settings.timeout_s, connect=max(self.settings.timeout_s / 3, 0.1))
        extensions = {"timeout": timeout.as_dict(), "sni_hostname": target.host}
        for i, address in enumerate(addresses):
            url = target.url.copy_with(host=address, fragment=None)
            try:
                request = httpx.Request("GET", url, headers=headers, extensions=extensions)
                return await transport.handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                if i == len(addresses) - 1 or _is_tls(error):
                    raise
        raise FetchFailed(Outcome.NETWORK, sentence(Outcome.NETWORK, f"{target.host} has no address"))

    async def _answer(self, response: httpx.Response, feed: Wanted, target: Target) -> Fetched:
        status, headers = response.status_code, response.headers
        fetched = Fetched(
            feed_id=feed.feed_id,
            url=feed.url,
            outcome=None,
            status=status,
            final_url=str(target.url),
            content_type=headers.get("content-type", ""),
            etag=headers.get("etag"),
            last_modified=headers.get("last-modified"),
            retry_after=headers.get("retry-after"),
        )
        if status == 304 and (feed.etag or feed.last_modified):
            return replace(fetched, outcome=Outcome.UNCHANGED)
        if status == 410:
            return replace(fetched, outcome=Outcome.GONE, error=sentence(Outcome.GONE))
        if status != 200:
            error = sentence(Outcome.HTTP_ERROR, _status_words(status))
            return replace(fetched, outcome=Outcome.HTTP_ERROR, error=error)
        cap = int(self.settings.max_body_mb * 1_000_000)
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > cap:
            detail = f"{int(length):,} bytes announced"
            raise FetchFailed(Outcome.TOO_LARGE, sentence(Outcome.TOO_LARGE, detail), status)
        body = await read_capped(response.aiter_raw(), headers.get("content-encoding", ""), cap)
        return replace(fetched, body=body)


async def _resolve(target: Target) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        detail = f"{target.host} has no address that we can find"
        raise FetchFailed(Outcome.NETWORK, sentence(Outcome.NETWORK, detail)) from error
    return list(dict.fromkeys(str(info[4][0]) for info in found))


def _host(url: str) -> str:
    try:
        return httpx.URL(url).netloc.decode("ascii").lower()
    except (httpx.InvalidURL, ValueError):
        return ""


def _fault(feed: Wanted, outcome: Outcome, error: str, status: int | None = None) -> Fetched:
    return Fetched(feed_id=feed.feed_id, url=feed.url, outcome=outcome, error=error, status=status)


def _is_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0] or type(error).__name__


def _status_words(status: int) -> str:
    if status in (401, 403):
        return f"The server refuses us ({status}): does the feed need a key?"
    if status == 404:
        return "There is no such page (404): has the feed moved?"
    if status == 429:
        return "We ask too often, says the server (429)"
    return f"The server answered {status}"
