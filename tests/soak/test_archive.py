"""Parts of a back catalogue, one killed between two chunks: what it had written stays, and is not scored again."""

from __future__ import annotations

import multiprocessing
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.score import Shard
from pipeline.stages import run_stage
from tests.support.fakes import WordScorer
from tests.support.killed import DyingWarehouse, context_at
from tests.support.rows import add_articles

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
SPAWN = multiprocessing.get_context("spawn")
# A little more than one chunk for each part.
N = 8_600


def part(config: Path, number: int, dies_after: int) -> None:
    context = context_at(config, NOW, DyingWarehouse)
    assert isinstance(context.warehouse, DyingWarehouse)
    context.warehouse.die(dies_after, "after")
    run_stage("score", context, scorer=WordScorer(), shard=Shard(number, 2))


@pytest.mark.postgres
def test_a_part_that_is_killed_goes_on_and_every_headline_is_scored_once(tmp_path: Path, lake_setting: str) -> None:
    config = tmp_path / "barograph.toml"
    config.write_text(f'[store]\nwarehouse = "{lake_setting}"\n', encoding="utf-8")
    context = context_at(config, NOW)
    context.warehouse.prepare()
    add_articles(context.warehouse, [{"article_id": f"a{i}", "title": f"Loss {i}"} for i in range(N)], NOW)
    # Nought is never reached: that one lives.
    processes = [SPAWN.Process(target=part, args=(config, number, dies)) for number, dies in ((0, 1), (1, 0))]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [-signal.SIGKILL, 0]
    with context.warehouse.read() as con:
        kept = con.execute("SELECT count(*) FROM scores").fetchone()
    again = run_stage("score", context, scorer=WordScorer(), shard=Shard(0, 2)).counts
    closing = run_stage("score", context, scorer=WordScorer()).counts
    with context.warehouse.read() as con:
        (found,) = con.execute("SELECT count(*), count(DISTINCT article_id) FROM scores").fetchall()
    assert kept is not None
    assert sum(again.values()) == N - kept[0] > 0, "only what was not written yet"
    assert closing == {}
    assert found == (N, N)
