"""Parts of a back catalogue, one killed between two chunks: what it had written stays, and is not scored again."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.score import Shard
from pipeline.stages import run_stage
from tests.soak.archive import Part, Scored, counted
from tests.support.fakes import WordScorer
from tests.support.killed import DyingWarehouse, context_at
from tests.support.rows import add_articles

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
SPAWN = multiprocessing.get_context("spawn")
# A little more than one chunk for each part.
N = 8_600


def work(config: Path, number: int, dies_after: int) -> None:
    context = context_at(config, NOW, DyingWarehouse)
    assert isinstance(context.warehouse, DyingWarehouse)
    context.warehouse.die(dies_after, "after")
    run_stage("score", context, scorer=WordScorer(), shard=Shard(number, 2))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({}, []),
        ({"missing": 2}, ["2 headlines have no score"]),
        ({"twice": 1}, ["1 have two"]),
        ({"closed": 3}, ["the closing run scored 3"]),
        ({"kills": 0}, ["0 of 1 parts were killed; more headlines, or --after less"]),
    ],
)
def test_whatever_does_not_hold_is_told(wrong: dict[str, int], told: list[str]) -> None:
    right = Scored(articles=10, missing=0, twice=0, closed=0, kills=1, asked=1, seconds=1.0, cpu=1.0)
    assert replace(right, **wrong).problems() == told


def test_only_a_part_that_we_ended_counts_as_killed(tmp_path: Path) -> None:
    ended = Part([sys.executable, "-c", ""], tmp_path / "log")
    ended.process.wait(30)
    ended.kill()
    assert ended.over()
    assert ended.kills == 0
    # Lives until it is killed, and ends by itself when begun again.
    once = (
        f"import pathlib, time; p = pathlib.Path({str(tmp_path / 'once')!r}); p.exists() or (p.touch(), time.sleep(60))"
    )
    lives = Part([sys.executable, "-c", once], tmp_path / "log")
    while not (tmp_path / "once").exists():
        assert not lives.over()
    lives.kill()
    lives.process.wait(30)
    assert not lives.over()
    lives.process.wait(30)
    assert lives.over()
    assert lives.kills == 1


def test_what_somebody_else_killed_is_an_error(tmp_path: Path) -> None:
    part = Part([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path / "log")
    part.process.kill()
    part.process.wait(30)
    with pytest.raises(RuntimeError, match="ended with -9"):
        part.over()


@pytest.mark.postgres
def test_a_part_that_is_killed_goes_on_and_every_headline_is_scored_once(tmp_path: Path, lake_setting: str) -> None:
    config = tmp_path / "barograph.toml"
    config.write_text(f'[store]\nwarehouse = "{lake_setting}"\n', encoding="utf-8")
    context = context_at(config, NOW)
    context.warehouse.prepare()
    add_articles(context.warehouse, [{"article_id": f"a{i}", "title": f"Loss {i}"} for i in range(N)], NOW)
    # Nought is never reached: that one lives.
    processes = [SPAWN.Process(target=work, args=(config, number, dies)) for number, dies in ((0, 1), (1, 0))]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [-signal.SIGKILL, 0]
    articles, missing, twice, kept = counted(context.warehouse)
    assert (articles, twice) == (N, 0)
    assert missing == N - kept
    again = run_stage("score", context, scorer=WordScorer(), shard=Shard(0, 2)).counts
    closing = run_stage("score", context, scorer=WordScorer()).counts
    assert sum(again.values()) == N - kept > 0, "only what was not written yet"
    assert closing == {}
    assert counted(context.warehouse) == (N, 0, 0, N)
