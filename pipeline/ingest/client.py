"""The HTTP client: all feeds of a cycle at once, each result handed over as soon as it is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpcore

from pipeline.ingest.cycle import Cycle
from pipeline.ingest.exchange import Fetched, Fetcher, Wanted
from pipeline.ingest.hosts import Hosts
from pipeline.ingest.network import Pools, Resolver, SystemResolver
from pipeline.settings import Ingest

__all__ = ["Fetched", "Fetcher", "HttpFetcher", "Wanted"]


@dataclass(frozen=True)
class HttpFetcher:
    """`Fetcher` over HTTP/1.1, with the limits of `[ingest]`. `resolve` and `backend`: another network than ours."""

    settings: Ingest
    resolve: Resolver | None = None
    backend: httpcore.AsyncNetworkBackend | None = None

    def __call__(self, wanted: Sequence[Wanted], deliver: Callable[[Fetched], None]) -> None:
        """Fetch all; `deliver` is called once per feed, one call at a time, in order of completion."""
        if not wanted:
            return
        # In a thread of its own: the caller may already run an event loop (a notebook always does).
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="fetch") as pool:
            pool.submit(asyncio.run, self._all(wanted, deliver)).result()

    async def _all(self, wanted: Sequence[Wanted], deliver: Callable[[Fetched], None]) -> None:
        slots = asyncio.Semaphore(self.settings.concurrency)
        hosts = Hosts(self.settings.per_host, self.settings.host_spacing_s, slots)
        system = SystemResolver(self.settings.concurrency)
        pools = Pools(self.settings, self.backend)
        cycle = Cycle(self.settings, hosts, pools, self.resolve or system)

        async def one(feed: Wanted) -> None:
            deliver(await cycle.fetch(feed))

        try:
            async with asyncio.TaskGroup() as group:
                for feed in wanted:
                    group.create_task(one(feed))
        finally:
            await pools.close()
            system.close()
