"""A generated store whose rules find every kind of incident, for the tests of audit, replay and forget."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import aggregate, detect, notify
from pipeline.audit import Case, read
from pipeline.context import Context
from pipeline.settings import Settings
from pipeline.warehouse import Warehouse
from tests.conftest import MovableClock
from tests.pipeline.detect.world import NOON, ordinary, stories
from tests.pipeline.notify.world import Memory
from tests.pipeline.seeds import Piece, activate_model, insert, put

__all__ = ["MINUTE", "RULES", "bankruptcy", "cases", "changed", "cycle", "generate", "grow", "incident_ids", "store"]

MINUTE = timedelta(minutes=1)
RULES = """
[[rule]]
name = "bad-news"
kind = "event"
watchlists = ["*"]
themes = ["bankruptcy"]
[rule.annotations]
author = "risk desk"

[[rule]]
name = "share-day"
kind = "negative_share"
scope = "entity"
grain = "day"
p_limit = 0.001
min_stories = 5
min_negative = 4

[[rule]]
name = "share-hour"
kind = "negative_share"
scope = "entity"
grain = "hour"
p_limit = 0.0001
min_stories = 4
min_negative = 4

[[rule]]
name = "volume-day"
kind = "volume"
scope = "entity"
grain = "day"
p_limit = 0.0001

[[rule]]
name = "late"
kind = "health"
what = "late_feed"
p_limit = 0.001

[[severity]]
kind = "event"
tier = 1
severity = "critical"
"""


def bankruptcy(n: int, owner: str, minutes: int, **more: Any) -> Piece:
    at = NOON - minutes * MINUTE
    return Piece(
        f"b{n}", at, at + MINUTE, publisher=owner, p_negative=0.95, p_positive=0.01, title=f"Small files, says {owner}",
        entities={"co:small": (1.0, 0.97, 0.01)}, themes=(("", "bankruptcy"), ("co:small", "bankruptcy")), **more,
    )  # fmt: skip


def generate(context: Context) -> None:
    """Rules, names, seventy ordinary days, a bad day, a surge, a bankruptcy, and a feed that has fallen silent."""
    context.settings.detect.rules.write_text(RULES, encoding="utf-8")
    context.settings.detect.watchlists.write_text(
        '[watchlists.core]\nowner = "desk"\ntier1 = ["co:small"]\n', encoding="utf-8"
    )
    activate_model(context.warehouse)
    names = [
        {"entity_id": f"co:{n}", "name": n.capitalize(), "kind": "company", "sector": "banks"}
        for n in ("a", "busy", "small")
    ]
    insert(context.warehouse, "catalogue", "entities", names, ["entity_id"])
    feed = {"feed_id": "quiet", "url": "u", "title": "Harbour Wire", "publisher": "Harbour Wire", "kind": "wire",
            "added_at": NOON - timedelta(days=1)}  # fmt: skip
    insert(context.warehouse, "catalogue", "feeds", [feed], ["feed_id"])
    fetched = {"fetch_id": "f1", "feed_id": "quiet", "url": "u", "fetched_at": NOON, "outcome": "nothing_new"}
    insert(context.warehouse, "articles", "fetches", [fetched], ["fetch_id"])
    hourly = [
        Piece(f"h{n}", at, at, publisher="Harbour Wire", imported=True, feed_id="quiet")
        for n in range(24 * 20)
        if (at := NOON - timedelta(hours=12 + n))
    ]
    today = stories(np.random.default_rng(2), NOON.replace(hour=0), 12, 4.0, 0.8, "co:a", "today")
    usual = stories(np.random.default_rng(3), NOON.replace(hour=0) - timedelta(days=70), 1680, 0.4, 0.2, "co:busy", "u")
    surge = stories(np.random.default_rng(4), NOON.replace(hour=0), 12, 6.0, 0.2, "co:busy", "surge")
    put(context.warehouse, [*ordinary(), *usual, *today, *surge, *hourly, bankruptcy(1, "Paper 1", 50)])


def cycle(context: Context, channel: Memory | None = None) -> Memory:
    """aggregate, detect, notify; what was sent."""
    channel = channel or Memory()
    aggregate.run(context)
    detect.run(context)
    notify.run(context, {"log": channel})
    return channel


def grow(context: Context, clock: MovableClock, channel: Memory) -> None:
    """Five minutes later a second source tells of the bankruptcy."""
    clock.now += 5 * MINUTE
    put(context.warehouse, [bankruptcy(2, "Paper 2", 2, story_id="story-b1")])
    cycle(context, channel)


def store(at: Path, setting: str = "duckdb:barograph.duckdb") -> tuple[Context, MovableClock]:
    """An empty store under `at` whose clock only the test moves."""
    clock = MovableClock()
    settings = Settings(store={"warehouse": setting, "lock_timeout_s": 20}).anchored(at)
    warehouse = Warehouse(settings.store.warehouse, clock, settings.store.lock_timeout_s)
    warehouse.prepare()
    return Context(settings, warehouse, clock), clock


def incident_ids(context: Context, rule: str | None = None) -> list[str]:
    with context.warehouse.read() as con:
        rows = con.execute(
            "SELECT incident_id FROM incidents WHERE ($1 IS NULL OR rule = $1) ORDER BY 1", [rule]
        ).fetchall()
    return [row[0] for row in rows]


def cases(context: Context, rule: str | None = None) -> list[Case]:
    """Every incident of the store (of one rule)."""
    ids = incident_ids(context, rule)
    with context.warehouse.read() as con:
        return [read(con, one) for one in ids]


def changed(case: Case, kind: str, change: Callable[[str], str]) -> Case:
    """The case as somebody with write access to the store might leave it, sha256 and all."""
    evidence, previous = [], ""
    for piece in case.evidence:
        payload = change(piece.payload) if piece.kind == kind else piece.payload
        digest = hashlib.sha256((previous + payload).encode()).hexdigest()
        evidence.append(replace(piece, payload=payload, sha256=digest, previous_sha256=previous))
        previous = digest
    return replace(case, evidence=evidence)
