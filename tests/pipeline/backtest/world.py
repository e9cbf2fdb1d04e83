"""A small store for backtests: eighty imported days about one company, two bad days, a bankruptcy told twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np

from pipeline.backtest.result import Result
from pipeline.backtest.session import opened
from pipeline.context import Context
from pipeline.detect.rules import parse
from pipeline.watchlists import WatchList, WatchLists
from tests.pipeline.detect.world import NOON, stories
from tests.pipeline.seeds import Piece, activate_model, insert, put

__all__ = ["BAD", "DAYS", "END", "LISTS", "RULES", "START", "fill", "played"]

DAYS = 80
END = NOON.replace(hour=0)
START = END - timedelta(days=30)
BAD = END - timedelta(days=12)
LISTS = WatchLists((WatchList("core", "desk", frozenset({"co:small"}), frozenset({"co:a"})),))
RULES = """
[[rule]]
name = "share"
kind = "negative_share"
scope = "entity"
grain = "day"
p_limit = 0.0005
min_stories = 5
min_negative = 5

[[rule]]
name = "bad-news"
kind = "event"
watchlists = ["*"]
themes = ["bankruptcy"]
"""


def bankruptcy(name: str, owner: str, hours: float, **more: Any) -> Piece:
    at = BAD + timedelta(days=5, hours=hours)
    return Piece(
        name, at, at + timedelta(minutes=1), publisher=owner, story_id="failed", p_negative=0.95, imported=True,
        title="Small files for <script>alert(1)</script> bankruptcy", entities={"co:small": (1.0, 0.97, 0.01)},
        themes=(("co:small", "bankruptcy"),), **more,
    )  # fmt: skip


def fill(context: Context) -> None:
    """Put it all in."""
    activate_model(context.warehouse)
    names = [{"entity_id": e, "name": n, "kind": "company"} for e, n in (("co:a", "Acme"), ("co:small", "Small"))]
    insert(context.warehouse, "catalogue", "entities", names, ["entity_id"])
    rng = np.random.default_rng(4)
    put(context.warehouse, stories(rng, END - timedelta(days=DAYS), DAYS * 24, 1.0, 0.2, "co:a", "past"))
    put(context.warehouse, stories(rng, BAD, 24, 1.0, 0.9, "co:a", "bad"))
    put(context.warehouse, [bankruptcy("b1", "Paper 1", 9), bankruptcy("b2", "Paper 2", 15)])


def played(context: Context, text: str = RULES, start: Any = START, end: Any = END, **more: Any) -> Result:
    """A backtest of rules over the store."""
    rules = parse(text)
    return opened(context, [(rules, LISTS)], start, end).run(rules, LISTS, **more)
