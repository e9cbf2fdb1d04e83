"""The DAGs on the topology of compose: both workers killed in their tasks, Redis and PostgreSQL restarted meanwhile.

Everything is played once (`played`), because starting Airflow is what costs; each test then looks at one thing of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from demo.archive import read
from demo.run import LIVE, prepare
from demo.serve import FeedServer
from pipeline.context import Context, silent, utc_now
from pipeline.stages import run_stage
from tests.dags import cluster as topology
from tests.dags.api import alive, listening
from tests.dags.cluster import DEFAULT, GPU, Cluster
from tests.dags.undisturbed import same_scores, same_tables

PARTS = (0.7, 0.8, 0.9, 1.0)
"""How much of the feeds has appeared by each cycle."""

pytestmark = [pytest.mark.airflow, pytest.mark.postgres, pytest.mark.timeout(3600)]


class News:
    """The demo's feeds, which show more and more, and the store of who takes each part without being disturbed."""

    def __init__(self, server: FeedServer, folder: Path) -> None:
        now = utc_now()
        news = read.articles(now)
        self.rows, self.server = news[news.published_at > now - LIVE].sort_values("published_at"), server
        self.show(0)
        self.reference = prepare(folder / "reference", server, 0, utc_now, silent)
        self.working = folder / "working"
        prepare(self.working, server, 0, utc_now, silent)

    def show(self, part: int) -> None:
        until = self.rows[: int(len(self.rows) * PARTS[part])]
        for publisher in pd.unique(self.rows.publisher):
            self.server.publish(str(publisher), until[until.publisher == publisher])

    def take(self) -> None:
        for stage in ("ingest", "link", "fold"):
            run_stage(stage, self.reference)


@dataclass
class Played:
    """What was seen while the DAGs ran, and what they left."""

    context: Context
    reference: Context
    data: Path
    killed: list[dict[str, Any]] = field(default_factory=list)
    killed_at: dict[str, datetime] = field(default_factory=dict)
    chains: list[list[dict[str, Any]]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    tasks: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    addresses: set[str] = field(default_factory=set)
    left: list[psutil.Process] = field(default_factory=list)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    if lacks := topology.missing():
        if os.environ.get("CI"):
            pytest.fail(f"{lacks}; CI must have it")
        pytest.skip(lacks)
    folder = tmp_path_factory.mktemp("celery")
    publishers = read.publishers().set_index("publisher")
    with FeedServer(categories=dict(publishers.category), owners=dict(publishers.owner)) as server:
        news = News(server, folder)
        with topology.running(folder / "cluster", news.working) as cluster:
            lake = replace(news.reference, warehouse=cluster.lake)
            it = Played(lake, news.reference, cluster.here.volume("data"))
            play(cluster, it, news)
            yield it


def play(cluster: Cluster, it: Played, news: News) -> None:
    """The chain begins by itself. Both workers are killed; once all is well, both servers are restarted in a cycle."""
    for dag_id in ("score", "ingest"):
        cluster.pause(dag_id, False)
    news.take()
    cluster.until("a model scores", lambda: scores(cluster), every_s=0.1)
    kill(cluster, it, GPU)
    run = shown(cluster, news, 1, meanwhile=lambda: kill(cluster, it, DEFAULT))
    it.chains.append(cluster.chain(run, "score"))

    run = shown(cluster, news, 2)

    def begun() -> bool | None:
        return any(task["state"] == "success" for task in cluster.tasks("ingest", run)) or None

    cluster.until("the cycle has begun", begun, every_s=0.2)
    cluster.restart_broker()
    cluster.until("a model scores", lambda: scores(cluster), every_s=0.1)
    cluster.restart_postgres()
    it.chains.append(cluster.chain(run, "score"))

    # Not before: by its own clock it would be in the way of the others all the time.
    cluster.pause("alert", False)
    it.chains.append(cluster.chain(shown(cluster, news, 3), "score", "alert"))
    run_stage("score", it.reference)
    it.runs, it.tasks, it.events = cluster.runs("~"), cluster.tasks("~"), cluster.events()
    family = [*cluster.family(), psutil.Process(cluster.broker.pid)]
    it.addresses = listening({process.pid for process in family})
    cluster.stop()
    it.left = [process for process in (*family, *cluster.family()) if alive(process)]


def shown(cluster: Cluster, news: News, part: int, meanwhile: Callable[[], None] | None = None) -> str:
    """The feeds show another part, which both stores are to take; the id of the run that does."""
    news.show(part)
    news.take()
    if meanwhile is None:
        return cluster.trigger("ingest")
    with cluster.postgres.locked("lake", "ducklake_snapshot"):
        run = cluster.trigger("ingest")
        cluster.until("a task commits", lambda: cluster.postgres.somebody_waits("lake") or None, every_s=0.2)
        meanwhile()
    return run


def scores(cluster: Cluster) -> bool | None:
    return cluster.runs_on(GPU, "pipeline.task score") or None


def kill(cluster: Cluster, it: Played, worker: str) -> None:
    it.killed += [t for t in cluster.tasks("~") if t["state"] == "running" and t["hostname"] == worker]
    it.killed_at[worker] = utc_now()
    cluster.kill(worker)


def same(task: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(task[key] for key in ("dag_id", "dag_run_id", "task_id", "map_index"))


def test_the_chain_ran_by_itself_and_by_assets(played: Played) -> None:
    kinds = {(run["dag_id"], run["run_type"]) for run in played.runs if run["state"] == "success"}
    assert kinds >= {("ingest", "scheduled"), ("score", "asset_triggered"), ("alert", "asset_triggered")}
    assert {event["name"] for event in played.events} >= {"articles", "scores", "snapshot"}
    assert any((played.data / "published").iterdir())


def test_what_scores_ran_on_the_worker_for_it_and_all_else_on_the_other(played: Played) -> None:
    ran = [task for task in played.tasks if task["start_date"] and task["state"] == "success" and task["hostname"]]
    assert {(task["queue"], task["hostname"]) for task in ran} == {("default", DEFAULT), ("gpu", GPU)}
    assert {task["task_id"] for task in ran if task["hostname"] == GPU} == {"score"}


def test_the_task_of_a_worker_that_was_killed_is_run_again(played: Played) -> None:
    assert {task["hostname"] for task in played.killed} == {DEFAULT, GPU}
    after = {same(task): task for task in played.tasks}
    again = [after[same(task)] for task in played.killed]
    assert {(task["state"], task["try_number"]) for task in again} == {("success", 2)}
    for task in again:
        waited = datetime.fromisoformat(task["start_date"]) - played.killed_at[task["hostname"]]
        assert waited.total_seconds() > 60, "not before its heartbeats are missed"


def test_no_run_failed_and_the_last_cycle_needed_no_second_try(played: Played) -> None:
    assert "failed" not in {run["state"] for run in played.runs}
    ran = [[run["dag_id"] for run in chain] for chain in played.chains]
    assert ran == [["ingest", "score"], ["ingest", "score"], ["ingest", "score", "alert"]]
    last = {(run["dag_id"], run["dag_run_id"]) for run in played.chains[-1]}
    tries = {task["try_number"] for task in played.tasks if (task["dag_id"], task["dag_run_id"]) in last}
    assert tries <= {0, 1}


def test_nothing_is_lost_and_nothing_is_there_twice(played: Played) -> None:
    same_tables(played.context, played.reference)
    same_scores(played.context, played.reference)


def test_it_listens_on_loopback_only_and_leaves_no_process(played: Played) -> None:
    assert played.addresses == {"127.0.0.1"}
    assert played.left == []
