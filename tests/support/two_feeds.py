"""A small working folder for tests of all stages: two local feeds, six headlines, two companies, one watch-list."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd

from demo.serve import FeedServer
from tests.support.killed import context_at

__all__ = ["NOW", "folder", "two_feeds"]

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
HEADLINES = [
    "Northgate Bank files for bankruptcy after run on deposits",
    "Brightwater profit beats forecasts in record quarter",
    "Brightwater profit beats forecasts in record quarter",
    "Central bank holds rates steady at 4.25 percent",
    "Shares plunge as fraud probe widens at Northgate Bank",
    "Oil prices gain on supply worries",
]
ENTITIES = (
    "entity_id,name,kind,sector,parent,tickers,aliases,country\n"
    "t:northgate,Northgate Bank,company,banks,,,,XX\nt:brightwater,Brightwater,company,food,,,,XX\n"
)


@contextmanager
def two_feeds() -> Iterator[FeedServer]:
    """A server of two publishers with the headlines, some of them in both."""
    with FeedServer() as served:
        for number, publisher in enumerate(("Morning Wire", "Harbour Post")):
            rows = [
                {
                    "title": title,
                    "summary": "",
                    "link": f"https://wire.example/{number}/{i}",
                    "published_at": NOW - timedelta(minutes=10 * i + number),
                }
                for i, title in enumerate(HEADLINES[number:])
            ]
            served.publish(publisher, pd.DataFrame(rows))
        yield served


def folder(at: Path, server: FeedServer) -> Path:
    """A working folder whose feeds are the local server's; answers its settings file."""
    at.mkdir()
    (at / "feeds.opml").write_text(server.opml(), encoding="utf-8")
    (at / "entities.csv").write_text(ENTITIES, encoding="utf-8")
    (at / "watchlists.toml").write_text(
        '[watchlists.core]\nowner = "Desk"\ntier1 = ["t:northgate"]\n', encoding="utf-8"
    )
    config = at / "barograph.toml"
    config.write_text(
        f'[ingest]\nallow_hosts = ["{server.address}"]\n[link]\nentities = ["entities.csv"]\n', encoding="utf-8"
    )
    context_at(config, NOW).warehouse.prepare()
    return config
