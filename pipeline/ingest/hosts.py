"""Politeness towards one host: so many requests at once, a pause between them, and none once it says so."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

__all__ = ["Hosts"]


@dataclass
class _Host:
    places: asyncio.Semaphore
    free_at: float = 0.0


@dataclass
class Hosts:
    """The hosts of one cycle. `per_host` requests at once, their starts `spacing_s` apart, ±50% by `chance`.

    `slots` bounds the requests of all hosts together.
    """

    per_host: int
    spacing_s: float
    slots: asyncio.Semaphore
    chance: Callable[[], float] = random.random
    hushed: dict[str, str | None] = field(default_factory=dict)
    _hosts: defaultdict[str, _Host] = field(init=False)

    def __post_init__(self) -> None:
        self._hosts = defaultdict(lambda: _Host(asyncio.Semaphore(self.per_host)))

    @asynccontextmanager
    async def place(self, name: str, *, spaced: bool) -> AsyncIterator[None]:
        """Wait for a turn at this host, then for a slot: feeds of one slow host must not hold the slots of all."""
        host = self._hosts[name]
        async with host.places:
            if spaced and self.spacing_s:
                await self._pause(host)
            async with self.slots:
                yield

    def hush(self, name: str, retry_after: str | None) -> None:
        """This host has asked to be left alone (429, 503 with Retry-After): its other feeds wait for the next cycle."""
        self.hushed[name] = retry_after

    async def _pause(self, host: _Host) -> None:
        now = asyncio.get_running_loop().time()
        start = max(now, host.free_at)
        host.free_at = start + self.spacing_s * (0.5 + self.chance())
        if start > now:
            await asyncio.sleep(start - now)
