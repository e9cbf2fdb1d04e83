"""The way out: resolving names, whom to trust, and proxies where the settings name them. Nothing else opens sockets."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import urllib.request
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpcore
import httpx

from pipeline.errors import FetchFailed, SettingsError
from pipeline.ingest.outcomes import Outcome, sentence
from pipeline.settings import Ingest

__all__ = ["Pools", "Resolver", "SystemResolver", "proxy_of"]

Resolver = Callable[[str, int], Awaitable[list[str]]]


class SystemResolver:
    """The machine's own name service, in threads of its own: a slow one holds up only the feeds that need it."""

    def __init__(self, concurrency: int) -> None:
        # A thread outlives the deadline of the feed that asked: a few dead name servers must not take them all.
        self._threads = ThreadPoolExecutor(4 * concurrency, thread_name_prefix="resolve")

    async def __call__(self, host: str, port: int) -> list[str]:
        """The addresses of `host`, each once.

        Raises:
            FetchFailed: `network` where it has none.
        """
        with suppress(ValueError):
            return [str(ipaddress.ip_address(host))]  # nobody need be asked
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._threads, _addresses, host, port)
        except (socket.gaierror, UnicodeError) as error:
            detail = f"{host} has no address that we can find"
            raise FetchFailed(Outcome.NETWORK, sentence(Outcome.NETWORK, detail)) from error
        return list(dict.fromkeys(found))

    def close(self) -> None:
        """Let go of the threads without waiting for an answer that nobody needs any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _addresses(host: str, port: int) -> list[str]:
    return [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class Pools:
    """Connections of one cycle, direct or by a proxy; none is kept for a second request.

    Two hosts behind one address must not share a connection that was verified for the other.
    """

    def __init__(self, settings: Ingest, backend: httpcore.AsyncNetworkBackend | None = None) -> None:
        self._tls = _trust(settings)
        self._backend = backend
        self._pools: dict[str, httpcore.AsyncConnectionPool] = {}

    def by(self, proxy: str) -> httpcore.AsyncConnectionPool:
        """The pool that goes through `proxy`, '' for the direct way."""
        if proxy not in self._pools:
            self._pools[proxy] = httpcore.AsyncConnectionPool(
                ssl_context=self._tls,
                proxy=_proxy(proxy) if proxy else None,
                max_connections=None,
                max_keepalive_connections=0,
                retries=0,
                network_backend=self._backend,
            )
        return self._pools[proxy]

    async def close(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            await pool.aclose()


def proxy_of(settings: Ingest, url: httpx.URL) -> str:
    """The proxy for this address, '' for none: the setting, else (only with `trust_env`) that of the environment."""
    if settings.proxy:
        return settings.proxy
    if not settings.trust_env or urllib.request.proxy_bypass(url.host):
        return ""
    known = urllib.request.getproxies()
    return known.get(url.scheme) or known.get("all") or ""


def _proxy(address: str) -> httpcore.Proxy:
    url = httpx.URL(address)
    auth = (url.username, url.password) if url.userinfo else None
    return httpcore.Proxy(str(url.copy_with(userinfo=b"")), auth=auth)


def _trust(settings: Ingest) -> ssl.SSLContext:
    """Certificates are always checked; `ca_file` adds an authority to those of the system of trust, never fewer."""
    context = httpx.create_ssl_context(verify=True, trust_env=settings.trust_env)
    if settings.ca_file:
        try:
            context.load_verify_locations(cafile=settings.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"[ingest] ca_file {settings.ca_file} cannot be used ({error}). Name a file of PEM certificates."
            ) from error
    return context
