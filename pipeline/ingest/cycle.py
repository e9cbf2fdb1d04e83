"""One cycle of fetching: each feed with its own deadline and cap, every address checked before we connect to it.

No cookies, no keys, and redirects are followed by hand so that each hop is checked. We connect to the very address
that was checked (a second answer of the name server changes nothing); the host's name still goes into the Host header
and the TLS handshake. Behind a proxy, which the settings must name, it is the proxy that connects.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import ssl
import time
from dataclasses import dataclass, field, replace

import httpcore
import httpx

from pipeline.errors import FetchFailed
from pipeline.ingest.addresses import Allowed, Target, check_url, vetted
from pipeline.ingest.bodies import ACCEPT_ENCODING, read_capped
from pipeline.ingest.exchange import Fetched, Wanted
from pipeline.ingest.hosts import Hosts
from pipeline.ingest.network import Pools, Resolver, proxy_of
from pipeline.ingest.outcomes import Outcome, masked, masked_text, sentence
from pipeline.settings import Ingest

__all__ = ["Cycle"]

logger = logging.getLogger(__name__)

MAX_REDIRECTS = 5
MAX_ADDRESSES = 3
_REDIRECTS = {301, 302, 303, 307, 308}
_PERMANENT = {301, 308}
_ACCEPT = (
    "application/rss+xml, application/atom+xml, application/rdf+xml, application/feed+json, application/xml;q=0.9,"
    " text/xml;q=0.9, */*;q=0.5"
)
_TIMEOUTS = (TimeoutError, httpcore.TimeoutException)
_FAULTS = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
    httpx.InvalidURL,
    OSError,
    ValueError,
)


@dataclass
class _Try:
    """One feed on its way: `left` seconds of its deadline, waiting for a turn not counted, and how often it moved."""

    feed: Wanted
    left: float
    hops: int = 0
    permanent: bool = True
    moved_to: str | None = None


@dataclass(frozen=True)
class Cycle:
    """What the feeds of one cycle share."""

    settings: Ingest
    hosts: Hosts
    pools: Pools
    resolve: Resolver
    cap: int = field(init=False)
    allowed: Allowed = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "cap", int(self.settings.max_body_mb * 1_000_000))
        object.__setattr__(self, "allowed", Allowed.of(self.settings.allow_hosts))

    async def fetch(self, feed: Wanted) -> Fetched:
        """One feed under its deadline, every fault turned into an outcome."""
        attempt = _Try(feed, self.settings.timeout_s)
        try:
            fetched = await self._follow(attempt)
        except FetchFailed as error:
            fetched = _fault(feed, Outcome(error.outcome), str(error), error.status)
        except _TIMEOUTS:
            detail = f"Not done after {self.settings.timeout_s:g} seconds"
            fetched = _fault(feed, Outcome.TIMEOUT, sentence(Outcome.TIMEOUT, detail))
        except _FAULTS as error:
            outcome = Outcome.TLS if _is_tls(error) else Outcome.NETWORK
            fetched = _fault(feed, outcome, sentence(outcome, masked_text(_first_line(error))))
        except Exception as error:
            logger.exception("%s", masked(feed.url))
            detail = f"Something unforeseen happened ({type(error).__name__})"
            fetched = _fault(feed, Outcome.NETWORK, sentence(Outcome.NETWORK, detail))
        if fetched.error:
            logger.debug("%s: %s", masked(feed.url), fetched.error)
        return replace(fetched, seconds=self.settings.timeout_s - attempt.left)

    async def _follow(self, attempt: _Try) -> Fetched:
        target = check_url(attempt.feed.url, self.allowed)
        # Only a feed that is itself on an allowed host may be led to one: a public feed must not reach our intranet.
        onward = self.allowed if target.exempt else Allowed.of(())
        while True:
            found = await self._hop(target, attempt)
            if isinstance(found, Fetched):
                return found
            attempt.hops += 1
            if attempt.hops > MAX_REDIRECTS:
                detail = f"More than {MAX_REDIRECTS} redirects"
                raise FetchFailed(Outcome.HTTP_ERROR, sentence(Outcome.HTTP_ERROR, detail))
            target = check_url(found, onward)
            if attempt.permanent:
                attempt.moved_to = str(target.url.copy_with(fragment=None))

    async def _hop(self, target: Target, attempt: _Try) -> Fetched | str:
        """One request: the answer, or the address it redirects to."""
        host = target.url.netloc.decode("ascii").lower()
        async with self.hosts.place(host, spaced=not target.exempt):
            if host in self.hosts.hushed:
                fetched = _fault(attempt.feed, Outcome.HUSHED, sentence(Outcome.HUSHED, f"Not asked at {target.host}"))
                return replace(fetched, retry_after=self.hosts.hushed[host])
            started = time.perf_counter()
            try:
                async with asyncio.timeout(attempt.left):
                    response = await self._ask(target, attempt)
                    try:
                        return await self._read(response, target, attempt)
                    finally:
                        await response.aclose()
            finally:
                attempt.left -= time.perf_counter() - started

    async def _ask(self, target: Target, attempt: _Try) -> httpcore.Response:
        feed, timeout_s = attempt.feed, self.settings.timeout_s
        headers = {
            "Host": target.url.netloc.decode("ascii"),
            "User-Agent": self.settings.who,
            "Accept": _ACCEPT,
            "Accept-Encoding": ACCEPT_ENCODING,
            "Connection": "close",
        }
        if feed.etag:
            headers["If-None-Match"] = feed.etag
        if feed.last_modified:
            headers["If-Modified-Since"] = feed.last_modified
        proxy = proxy_of(self.settings, target.url)
        addresses = await self._addresses(target, proxy)
        limits = {"connect": max(timeout_s / 3, 0.1), "read": timeout_s, "write": timeout_s, "pool": timeout_s}
        for i, address in enumerate(addresses):
            # Bytes, not text: a header that was stored from elsewhere may hold any of them.
            request = httpcore.Request(
                "GET",
                httpcore.URL(
                    scheme=target.url.raw_scheme,
                    host=address.encode("ascii"),
                    port=target.port,
                    target=target.url.raw_path,
                ),
                headers=[(name.encode("ascii"), value.encode("utf-8")) for name, value in headers.items()],
                extensions={"timeout": limits, "sni_hostname": target.host},
            )
            try:
                return await self.pools.by(proxy).handle_async_request(request)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                if i == len(addresses) - 1 or _is_tls(error):
                    raise
        raise FetchFailed(Outcome.NETWORK, sentence(Outcome.NETWORK, f"{target.host} has no address"))

    async def _addresses(self, target: Target, proxy: str) -> list[str]:
        """What to connect to: checked addresses; behind a proxy the name, checked as far as we can resolve it."""
        try:
            found = vetted(target, await self.resolve(target.host, target.port))[:MAX_ADDRESSES]
        except FetchFailed as error:
            if proxy and error.outcome == Outcome.NETWORK:
                return [target.host]
            raise
        return [target.host] if proxy else found

    async def _read(self, response: httpcore.Response, target: Target, attempt: _Try) -> Fetched | str:
        status, headers, feed = response.status, httpx.Headers(response.headers), attempt.feed
        if status in _REDIRECTS and (location := headers.get("location")):
            attempt.permanent = attempt.permanent and status in _PERMANENT
            try:
                return str(target.url.join(location))
            except (httpx.InvalidURL, ValueError) as unreadable:
                detail = "The server redirects to an address that cannot be read"
                raise FetchFailed(Outcome.BAD_URL, sentence(Outcome.BAD_URL, detail), status) from unreadable
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
            moved_to=attempt.moved_to,
        )
        if status == 304 and (feed.etag or feed.last_modified):
            return replace(fetched, outcome=Outcome.UNCHANGED)
        # A page that a temporary redirect led to may be gone without the feed being so.
        if status == 410 and attempt.permanent:
            return replace(fetched, outcome=Outcome.GONE, error=sentence(Outcome.GONE))
        if status != 200:
            if status == 429 or (status == 503 and fetched.retry_after):
                self.hosts.hush(target.url.netloc.decode("ascii").lower(), fetched.retry_after)
            error = sentence(Outcome.HTTP_ERROR, _status_words(status))
            return replace(fetched, outcome=Outcome.HTTP_ERROR, error=error)
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self.cap:
            detail = f"{int(length):,} bytes announced"
            raise FetchFailed(Outcome.TOO_LARGE, sentence(Outcome.TOO_LARGE, detail), status)
        body = await read_capped(response.aiter_stream(), headers.get("content-encoding", ""), self.cap)
        if feed.body_sha256 and hashlib.sha256(body).hexdigest() == feed.body_sha256:
            return replace(fetched, outcome=Outcome.SAME_BODY, size=len(body), body_sha256=feed.body_sha256)
        return replace(fetched, size=len(body), body=body)


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
