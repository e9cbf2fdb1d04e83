"""Politeness: how many requests a host gets at once, how far apart, and who is said to ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest

from pipeline import ingest
from pipeline.context import Context
from pipeline.ingest.client import HttpFetcher, Wanted
from pipeline.ingest.exchange import Fetched
from pipeline.ingest.fetch import shared_out
from pipeline.ingest.hosts import Hosts
from tests.pipeline.ingest.conftest import Page, Site, item, rss, with_ingest
from tests.support.network import PUBLIC, Names, Wires

Subscribe = Callable[[Sequence[str]], None]
GOOD = rss(item("Brightwater raises its dividend", "https://gazette.example/1"))


def at_once(hosts: Hosts, names: Sequence[str]) -> dict[str, int]:
    """The most requests that ran at the same time, of each host and ('') of all, when each takes a few turns."""
    running: dict[str, int] = {}
    most: dict[str, int] = {}

    async def one(name: str) -> None:
        async with hosts.place(name, spaced=False):
            for key in (name, ""):
                running[key] = running.get(key, 0) + 1
                most[key] = max(most.get(key, 0), running[key])
            for _ in range(5):
                await asyncio.sleep(0)
            for key in (name, ""):
                running[key] -= 1

    async def all_of_them() -> None:
        await asyncio.gather(*map(one, names))

    asyncio.run(all_of_them())
    return most


def test_a_host_has_its_places_and_all_together_have_theirs() -> None:
    names = [name for name in "abcdef" for _ in range(5)]
    most = at_once(Hosts(2, 0.0, asyncio.Semaphore(7)), names)
    assert most == {"": 7, **dict.fromkeys("abcdef", 2)}


def test_requests_to_one_host_start_apart_and_never_in_step() -> None:
    """The pause is drawn anew each time, half to one and a half of the setting; another host waits for none of it."""
    drawn = iter([0.0, 1.0, 0.5, 0.25])
    hosts = Hosts(9, 0.04, asyncio.Semaphore(9), chance=lambda: next(drawn))
    started: dict[str, list[float]] = {"a": [], "b": []}

    async def one(name: str) -> None:
        async with hosts.place(name, spaced=name == "a"):
            started[name].append(asyncio.get_running_loop().time())

    async def all_of_them() -> None:
        await asyncio.gather(*(one(name) for name in "aaaabb"))

    asyncio.run(all_of_them())
    first, *later = started["a"]
    least = [0.02, 0.02 + 0.06, 0.02 + 0.06 + 0.04]
    assert all(moment - first >= wait - 0.001 for moment, wait in zip(later, least, strict=True))
    assert max(started["b"]) < later[0]


def test_the_fetcher_spaces_public_hosts_and_leaves_allowed_ones_alone(site: Site, context: Context) -> None:
    site.pages = {f"/{i}": Page(GOOD) for i in range(4)}
    limited = with_ingest(context, host_spacing_s=0.1, per_host=4)
    times: list[float] = []

    class Timed(Wires):
        async def connect_tcp(self, *arguments: object, **named: object):  # type: ignore[no-untyped-def]
            times.append(asyncio.get_running_loop().time())
            return await super().connect_tcp(*arguments, **named)  # type: ignore[arg-type]

    wires = Timed({PUBLIC: int(site.address.rpartition(":")[2])})
    fetcher = HttpFetcher(limited.settings.ingest, Names({"news.example": [[PUBLIC]]}), wires)
    found: list[Fetched] = []
    fetcher([Wanted(path, f"http://news.example{path}") for path in site.pages], found.append)
    assert [fetched.outcome for fetched in found] == [None] * 4
    assert all(later - earlier >= 0.049 for earlier, later in pairwise(times))


def test_the_feeds_of_a_host_stay_in_one_batch() -> None:
    wanted = [
        Wanted(f"{host}{i}", f"https://{host}.example/{i}") for host in "abc" for i in range({"a": 5}.get(host, 2))
    ]
    wanted.append(Wanted("odd", "http://[::1"))
    batches = shared_out(wanted, 4)
    assert sorted(map(sorted, batches)) == [["a0", "a1", "a2", "a3", "a4"], ["b0", "b1", "odd"], ["c0", "c1"]]
    assert shared_out([], 4) == []


@pytest.mark.parametrize(
    ("changes", "who"),
    [
        ({}, "Barograph/0.1 (news monitor)"),
        ({"contact": "desk@bank.example"}, "Barograph/0.1 (news monitor) (+desk@bank.example)"),
        ({"user_agent": "Desk/2"}, "Desk/2"),
    ],
)
def test_every_host_hears_who_asks_and_nothing_else_about_us(
    changes: dict[str, str], who: str, site: Site, context: Context, subscribe: Subscribe
) -> None:
    site.pages = {"/feed": Page(GOOD, headers={"Set-Cookie": "track=1"})}
    subscribe([site.url("/feed")])
    for _ in range(2):
        ingest.run(with_ingest(context, **changes))
    for _, _, headers in site.requests:
        assert headers["user-agent"] == who
        assert set(headers) == {"host", "user-agent", "accept", "accept-encoding", "connection"}
