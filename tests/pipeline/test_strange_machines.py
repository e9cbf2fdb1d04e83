"""All stages on a machine whose disk is full, whose clock steps back, or whose zone is not UTC."""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from demo.serve import FeedServer
from pipeline.errors import BarographError
from pipeline.stages import STAGES, run_stage
from tests.support.canonical import canonical
from tests.support.killed import context_at, options_for
from tests.support.two_feeds import NOW, folder, two_feeds

SPAWN = multiprocessing.get_context("spawn")
FULL = 7
WRITING = ("ingest", "link", "fold", "score", "aggregate", "detect")
WHAT_IS_KNOWN = {
    "articles": "article_id, revision, title, published_at",
    "mentions": "article_id, entity_id",
    "story_members": "article_id, story_id, how",
    "scores": "article_id, entity_id, p_negative, topic",
    "trends": "scope, key, grain, bucket_start, story_count, negative_stories",
}

Tables = dict[str, list[tuple[object, ...]]]


@pytest.fixture(scope="module")
def server() -> Iterator[FeedServer]:
    with two_feeds() as served:
        yield served


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one folder that all work in, for what a decision rested on names its files."""
    return tmp_path_factory.mktemp("strange") / "here"


@pytest.fixture(scope="module")
def undisturbed(server: FeedServer, place: Path) -> tuple[Tables, Tables]:
    config = folder(place, server)
    go_through(config)
    return canonical(context_at(config, NOW).warehouse), known(config)


@pytest.fixture
def config(undisturbed: object, server: FeedServer, place: Path) -> Path:
    shutil.rmtree(place)
    return folder(place, server)


def go_through(config: Path) -> None:
    for stage in STAGES:
        run_stage(stage, context_at(config, NOW), **options_for(stage))


def known(config: Path) -> Tables:
    with context_at(config, NOW).warehouse.read() as con:
        return {
            table: con.execute(f"SELECT {columns} FROM {table} ORDER BY ALL").fetchall()
            for table, columns in WHAT_IS_KNOWN.items()
        }


def _on_a_full_disk(config: Path, stage: str) -> None:
    context = context_at(config, NOW)
    # No file may be written beyond this: to a program that is a disk without room.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 10, 1 << 10))
    try:
        run_stage(stage, context, **options_for(stage))
    except (BarographError, OSError) as error:
        os._exit(FULL if "another writer" not in str(error) else 1)
    os._exit(0)


def test_a_full_disk_under_the_store_is_told_and_the_next_run_recovers(
    config: Path, undisturbed: tuple[Tables, Tables]
) -> None:
    refused = []
    for stage in STAGES:
        if stage in WRITING:
            process = SPAWN.Process(target=_on_a_full_disk, args=(config, stage))
            process.start()
            process.join(120)
            assert process.exitcode in (0, FULL), stage
            refused += [stage] if process.exitcode == FULL else []
        run_stage(stage, context_at(config, NOW), **options_for(stage))
    assert refused == list(WRITING)
    assert canonical(context_at(config, NOW).warehouse) == undisturbed[0]


def _elsewhere(config: Path, zone: str) -> None:
    os.environ["TZ"] = zone
    time.tzset()
    go_through(config)


def test_a_worker_in_another_zone_ends_with_the_same_tables(config: Path, undisturbed: tuple[Tables, Tables]) -> None:
    process = SPAWN.Process(target=_elsewhere, args=(config, "Pacific/Auckland"))
    process.start()
    process.join(240)
    assert process.exitcode == 0
    assert canonical(context_at(config, NOW).warehouse) == undisturbed[0]


def test_a_clock_that_steps_back_between_stages_loses_and_doubles_nothing(
    config: Path, undisturbed: tuple[Tables, Tables]
) -> None:
    for number, stage in enumerate(STAGES):
        run_stage(stage, context_at(config, NOW - timedelta(minutes=7 * number)), **options_for(stage))
    assert known(config) == undisturbed[1]
    go_through(config)
    assert known(config) == undisturbed[1]
