"""Every stage may be killed around any commit and run again: the tables are those of an undisturbed run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.serve import FeedServer
from pipeline.stages import STAGES, run_stage
from tests.support.canonical import canonical
from tests.support.killed import context_at, options_for, run_and_die
from tests.support.two_feeds import NOW, folder, two_feeds


@pytest.fixture(scope="module")
def server() -> Iterator[FeedServer]:
    with two_feeds() as served:
        yield served


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_killed_around_each_commit_ends_with_the_same_tables(
    stage: str, server: FeedServer, tmp_path: Path
) -> None:
    before = folder(tmp_path / "before", server)
    for earlier in STAGES[: STAGES.index(stage)]:
        run_stage(earlier, context_at(before, NOW), **options_for(earlier))
    # Every run starts from a copy at the same path, so that nothing differs but the kill.
    here = tmp_path / "here"
    config = here / "barograph.toml"

    def start_over() -> None:
        shutil.rmtree(here, ignore_errors=True)
        shutil.copytree(before.parent, here)

    start_over()
    run_stage(stage, context_at(config, NOW), **options_for(stage))
    undisturbed = canonical(context_at(config, NOW).warehouse)

    kills = 0
    for when in ("before", "after"):
        for nth in range(1, 9):
            start_over()
            if not run_and_die(config, NOW, stage, nth, when):
                break
            kills += 1
            run_stage(stage, context_at(config, NOW), **options_for(stage))
            assert canonical(context_at(config, NOW).warehouse) == undisturbed, f"killed {when} commit {nth}"
    # `publish` writes files only; its kill is told in tests/pipeline/publish.
    assert kills > 0 or stage == "publish"


def test_running_everything_again_adds_nothing(server: FeedServer, tmp_path: Path) -> None:
    config = folder(tmp_path / "twice", server)
    stores = []
    for _ in range(2):
        for stage in STAGES:
            run_stage(stage, context_at(config, NOW), **options_for(stage))
        stores.append(canonical(context_at(config, NOW).warehouse))
    assert stores[0] == stores[1]
    assert {"articles", "mentions", "scores", "trends", "incidents"} <= {
        name for name, rows in stores[0].items() if rows
    }


@pytest.mark.postgres
def test_both_engines_hold_the_same_tables(server: FeedServer, tmp_path: Path, lake_setting: str) -> None:
    found = []
    for engine in ("duckdb", "ducklake"):
        # At the same path, for what a decision rested on names its files.
        config = folder(tmp_path / "here", server)
        if engine == "ducklake":
            config.write_text(f'{config.read_text()}[store]\nwarehouse = "{lake_setting}"\n', encoding="utf-8")
            context_at(config, NOW).warehouse.prepare()
        for stage in STAGES:
            run_stage(stage, context_at(config, NOW), **options_for(stage))
        found.append(canonical(context_at(config, NOW).warehouse))
        shutil.rmtree(config.parent)
    assert found[0].keys() == found[1].keys()
    for table in found[0]:
        assert found[0][table] == found[1][table], table
