"""The computing time of 10,000 detections: to decide their lives, to freeze what they rest on, to save all of it."""

from __future__ import annotations

import tempfile
import time
from datetime import timedelta
from functools import partial
from pathlib import Path

import pandas as pd

from pipeline.context import Context
from pipeline.detect import evidence, lives
from pipeline.detect.evidence import World
from pipeline.detect.findings import Finding, Labels
from pipeline.detect.judging import Seen
from pipeline.detect.rules import parse
from pipeline.detect.stage import _Write
from pipeline.incidents import Detection, Severity
from pipeline.promotion import ActiveModel
from pipeline.watchlists import WatchLists
from tests.pipeline.audit.world import store
from tests.pipeline.detect.world import NOON
from tests.pipeline.seeds import Piece, activate_model, put

__all__ = ["main"]

N = 10_000
RULES = parse('[[rule]]\nname = "share"\nkind = "negative_share"\nscope = "entity"\ngrain = "hour"\n')
HOUR = timedelta(hours=1)


def main() -> list[tuple[str, float, str, str | None, bool | None]]:
    """(name, value, unit, limit, ok) of each figure."""
    with tempfile.TemporaryDirectory() as folder:
        context, _ = store(Path(folder))
        activate_model(context.warehouse)
        # Three stories about each of 10,000 names within the hour before noon.
        put(context.warehouse, [_piece(n, k) for n in range(N) for k in range(3)])
        found = [_finding(n) for n in range(N)]
        return _timed(context, found)


def _timed(context: Context, found: list[Finding]) -> list[tuple[str, float, str, str | None, bool | None]]:
    began = time.process_time()
    moves = lives.decide(found, {}, RULES, NOON)
    decided = time.process_time() - began
    seen = Seen(_trends(), pd.DataFrame(columns=["scope", "key", "grain", "fitted_for"]), (), (), Labels({}, {}))
    world = World(seen, WatchLists(()), ActiveModel("words@1", 0.5, NOON), NOON - 48 * HOUR, NOON)
    began = time.process_time()
    with context.warehouse.read() as con:
        pieces = evidence.pieces(con, [one for move in moves for one in move.evident()], world)
    frozen = time.process_time() - began
    began = time.process_time()
    written = context.warehouse.transact(
        "incidents", partial(_Write.__call__, _Write(found, RULES, world, NOON - HOUR, pieces))
    )
    saved = time.process_time() - began
    assert len(written) == N
    with context.warehouse.read() as con:
        row = con.execute("SELECT count(*) FROM evidence").fetchone()
    assert row is not None
    assert row[0] == 5 * N  # the decision, three articles, the inputs
    return [
        (f"incidents: decide {N:,} detections, computing time", decided, "s", "<= 10", decided <= 10),
        (f"incidents: freeze what {N:,} rest on, computing time", frozen, "s", "<= 60", frozen <= 60),
        (f"incidents: decide again and save {N:,}, computing time", saved, "s", "<= 60", saved <= 60),
    ]


def _piece(n: int, k: int) -> Piece:
    at = NOON - timedelta(minutes=5 + 10 * k)
    entities = {f"co:{n}": (0.9, 0.9, 0.05)}
    return Piece(f"a{n}-{k}", at, at, publisher=f"Paper {k}", p_negative=0.9, p_positive=0.05, entities=entities)


def _finding(n: int) -> Finding:
    start, rule = NOON - HOUR, RULES.rules[0]
    detection = Detection(
        rule.name, rule.kind.value, "entity", f"co:{n}", f"Name {n}", Severity.WARNING, "3 of 3 stories negative",
        start, NOON, "words@1", 3, 3,
    )  # fmt: skip
    return Finding(rule, detection, start, NOON, {"story_count": 3, "negative_stories": 3, "p_value": 1e-6})


def _trends() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "bucket_start": pd.Timestamp(NOON - HOUR),
            "grain": "hour",
            "scope": "entity",
            "key": [f"co:{n}" for n in range(N)],
            "model_version": "words@1",
            "story_count": 3,
            "negative_stories": 3,
            "counted_at": pd.Timestamp(NOON),
        }
    )


if __name__ == "__main__":
    for figure in main():
        print(*figure)
