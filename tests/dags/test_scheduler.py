"""The DAGs in one real scheduler, on the demo's feeds: what they do by clock and by asset, killed, cleared and at once.

Everything is run once (`played`), because starting Airflow is what costs; each test then looks at one thing of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from demo.archive import read
from demo.run import LIVE, prepare
from demo.serve import FeedServer
from models import DEFAULT
from models.artifacts import open_artifact
from pipeline.context import Context, open_context, silent, utc_now
from pipeline.ingest.archive import import_archive
from pipeline.promotion import activate
from pipeline.stages import run_stage
from pipeline.warehouse import Warehouse
from tests.dags.api import alive, listening, session_of
from tests.dags.local import Airflow
from tests.dags.undisturbed import same_scores, same_tables
from tests.pipeline.seeds import Piece, insert, put
from tests.support.rows import rows

SHARD_ROWS = 300
SILENT = 4 * 24 * 3
"""Articles of the feed that nobody asks any more: of fewer days no coverage would be known."""
FILES = {1: 1, 2: 1, 3: 8}
"""Into how many archives each day of the back-fill is cut."""

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(3600)]


@dataclass
class Played:
    """What was seen while the DAGs ran, and what they left."""

    context: Context
    reference: Context
    asked: int = 0
    blind: dict[str, Any] = field(default_factory=dict)
    ingest: dict[str, Any] = field(default_factory=dict)
    score: dict[str, Any] = field(default_factory=dict)
    shards: list[dict[str, Any]] = field(default_factory=list)
    score_log: str = ""
    by_asset: dict[str, Any] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    before_clearing: dict[str, int] = field(default_factory=dict)
    after_clearing: dict[str, int] = field(default_factory=dict)
    asked_again: int = 0
    days: list[dict[str, Any]] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)
    broken_tasks: list[dict[str, Any]] = field(default_factory=list)
    tasks: list[dict[str, Any]] = field(default_factory=list)
    addresses: set[str] = field(default_factory=set)
    status: int = -1
    left: list[psutil.Process] = field(default_factory=list)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    folder, now = tmp_path_factory.mktemp("scheduler"), utc_now()
    news = read.articles(now)
    publishers = read.publishers().set_index("publisher")
    with FeedServer(categories=dict(publishers.category), owners=dict(publishers.owner)) as server:
        for publisher, rows in news[news.published_at > now - LIVE].groupby("publisher"):
            server.publish(str(publisher), rows)
        stores = [with_a_silent_past(prepare(folder / name, server, 0, utc_now, silent), now) for name in ("a", "b")]
        it = Played(*stores)
        archives = cut(news, now - LIVE, folder)
        undisturbed(it.reference, archives)
        airflow = Airflow(folder / "airflow", folder / "a" / "barograph.toml", at_once=8)
        try:
            airflow.wait_until_up()
            play(airflow, it, server, archives)
        finally:
            airflow.close()
        yield it


def with_a_silent_past(context: Context, now: datetime) -> Context:
    """A store with a feed that brought three articles an hour for four days, until nobody asked it any more."""
    file = next(path for path in context.settings.store.published.parents if (path / "DEMO").exists())
    with (file / "barograph.toml").open("a") as settings:
        settings.write(f"[model]\nshard_rows = {SHARD_ROWS}\n")
    artifact, last = open_artifact(DEFAULT), now - timedelta(hours=4)
    past = Warehouse(context.settings.store.warehouse, lambda: last, 60)
    limit = artifact.calibration.negative_limit
    past.transact(
        "models", lambda tx: activate(tx, artifact.model_version, limit, actor="t", reason="t", artifact=DEFAULT)
    )
    begun = now - timedelta(days=4, hours=4)
    feed = {
        "feed_id": "silent",
        "url": "u",
        "title": "Silent",
        "publisher": "Silent",
        "kind": "wire",
        "added_at": begun,
    }
    insert(past, "catalogue", "feeds", [feed], ["feed_id"])
    times = [begun + timedelta(minutes=20 * n) for n in range(SILENT)]
    put(past, [Piece(f"s{n}", at, at, status=None, publisher="Silent", feed_id="silent") for n, at in enumerate(times)])
    return open_context(file / "barograph.toml")


def cut(news: pd.DataFrame, before: datetime, folder: Path) -> dict[int, list[str]]:
    """Three days of the demo's past as archives, by their number; nights left out, so that no story spans two days."""
    last = pd.Timestamp(before).normalize()
    archives = {}
    for day, files in FILES.items():
        start = last - pd.Timedelta(days=4 - day)
        hours = news.published_at.between(start + pd.Timedelta(hours=6), start + pd.Timedelta(hours=18))
        rows = news[hours].rename(columns={"link": "url"}).drop(columns="section").reset_index(drop=True)
        archives[day] = [str(folder / f"day{day}-{part}.csv") for part in range(files)]
        for part, file in enumerate(archives[day]):
            rows[rows.index % files == part].to_csv(file, index=False)
    return archives


def undisturbed(context: Context, archives: dict[int, list[str]]) -> None:
    """The same work without a scheduler: one thing after another, the days in their order."""
    for stage in ("ingest", "link", "fold"):
        run_stage(stage, context)
    for day in sorted(archives):
        for file in archives[day]:
            import_archive(context, Path(file))
        for stage in ("link", "fold"):
            run_stage(stage, context)
    run_stage("score", context)


def play(airflow: Airflow, it: Played, server: FeedServer, archives: dict[int, list[str]]) -> None:
    """Nobody fetches, and the alarm runs; the chain, a shard of it killed; a run cleared; the past in any order."""
    airflow.pause("alert", False)
    airflow.succeeded("alert", run_type="scheduled")
    it.blind = incident(it.context, "blind-spot")
    airflow.pause("score", False)
    airflow.pause("ingest", False)
    airflow.kill_the_task_of(r"cli\.main .* score --shard 1/")
    it.ingest = airflow.succeeded("ingest", run_type="scheduled")
    it.score = airflow.succeeded("score", run_type="asset_triggered")
    it.shards = [task for task in airflow.tasks("score", it.score["dag_run_id"]) if task["task_id"] == "shard"]
    it.score_log = airflow.log("score", it.score["dag_run_id"], "score")
    it.by_asset = airflow.succeeded("alert", run_type="asset_triggered")

    it.asked, it.before_clearing = len(server.requests), counts(it.context)
    airflow.clear("ingest", it.ingest["dag_run_id"])
    airflow.succeeded("ingest", it.ingest["dag_run_id"])
    it.asked_again, it.after_clearing = len(server.requests) - it.asked, counts(it.context)

    airflow.pause("backfill", False)
    runs = [airflow.trigger("backfill", archives=archives[day]) for day in (3, 2)]
    broken = airflow.trigger("backfill", archives=[*archives[1], "none-such.csv"])
    it.days = [*(airflow.succeeded("backfill", run) for run in runs), airflow.ended("backfill", broken)]
    it.broken_tasks = airflow.tasks("backfill", broken)
    airflow.pause("report", False)
    it.report = airflow.succeeded("report", airflow.trigger("report"))
    it.tasks, it.events = airflow.tasks("~"), airflow.events()

    family = airflow.family()
    sessions = {os.getsid(process.pid) for process in family} - {os.getsid(0)}
    it.addresses = listening({process.pid for process in family})
    it.status = airflow.stop()
    it.left = [process for process in family if alive(process)]
    it.left += [process for process in psutil.process_iter() if session_of(process.pid) in sessions and alive(process)]


def counts(context: Context) -> dict[str, int]:
    tables = ("articles", "mentions", "themes", "story_members", "scores", "models")
    return {table: rows(context, f"SELECT count(*) FROM {table}")[0][0] for table in tables}


def incident(context: Context, rule: str) -> dict[str, Any]:
    found = rows(context, f"SELECT state, summary FROM incidents WHERE rule = '{rule}'")
    return dict(zip(("state", "summary"), found[0], strict=True)) if found else {}


def test_while_nobody_fetches_the_alarm_runs_by_the_clock(played: Played) -> None:
    assert played.blind["state"] == "firing"
    assert played.blind["summary"].startswith("blind spot: 0% of the expected articles")
    sent = (played.context.settings.store.published.parent / "alerts.jsonl").read_text()
    assert "blind spot: 0%" in sent, "and it was told"


def test_the_chain_runs_by_assets_that_carry_counts(played: Played) -> None:
    assert rows(played.context, "SELECT count(*) FROM articles WHERE NOT imported")[0][0] > SILENT
    carried = {event["name"]: event["extra"] for event in played.events}
    assert carried.keys() >= {"articles", "scores", "snapshot", "reports"}
    assert carried["articles"].keys() >= {"load", "link", "fold"}
    assert "INFO pipeline.stages: score: {" in played.score_log, (
        "what the model's own process says is in the task's log"
    )
    assert any(played.context.settings.store.published.iterdir())


def test_a_shard_that_is_killed_is_tried_again_and_it_alone(played: Played) -> None:
    tries = {task["map_index"]: task["try_number"] for task in played.shards}
    assert len(tries) > 1
    assert tries == dict.fromkeys(tries, 1) | {0: 2}
    assert {task["state"] for task in played.shards} == {"success"}


def test_clearing_a_run_asks_again_and_adds_nothing(played: Played) -> None:
    assert played.asked_again > 0
    assert played.after_clearing == played.before_clearing


def test_three_days_in_any_order_at_once_leave_what_an_undisturbed_run_leaves(played: Played) -> None:
    spans = [(run["start_date"], run["end_date"]) for run in played.days]
    assert max(start for start, _ in spans) < min(end for _, end in spans), "they overlap"
    same_tables(played.context, played.reference)


def test_the_scores_are_those_of_an_undisturbed_run(played: Played) -> None:
    same_scores(played.context, played.reference)


def test_the_writers_hold_their_one_slot_one_after_another(played: Played) -> None:
    writers = [task for task in played.tasks if task["pool"] == "duckdb_writer" and task["start_date"]]
    assert len([task for task in writers if task["task_id"] == "take" and task["map_index"] >= 0]) >= sum(
        FILES.values()
    )
    spans = sorted((task["start_date"], task["end_date"] or task["start_date"]) for task in writers)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))


def test_what_would_not_heal_fails_at_once_and_the_rest_goes_on(played: Played) -> None:
    assert [run["state"] for run in played.days] == ["success", "success", "failed"]
    ended = {(t["task_id"], t["map_index"]): (t["state"], t["try_number"]) for t in played.broken_tasks}
    assert (ended["take", 0], ended["take", 1]) == (("success", 1), ("failed", 1))
    assert ended["score", -1] == ("success", 1)
    assert ended["any_failed", -1] == ("failed", 1)


def test_the_report_is_written_where_the_asset_says(played: Played) -> None:
    (made,) = [event["extra"] for event in played.events if event["name"] == "reports"]
    assert Path(made["file"]).stat().st_size == made["bytes"]
    due = datetime.fromisoformat(played.report["run_after"]).astimezone(UTC).date()
    assert made["day"] == f"{due - timedelta(days=1)}", "the last day that was over when it was due"


def test_it_listens_on_loopback_only_and_leaves_no_process(played: Played) -> None:
    assert played.addresses == {"127.0.0.1"}
    assert played.status == 0
    assert played.left == []


def test_the_record_of_runs_names_the_runs_of_airflow(played: Played) -> None:
    kept = rows(played.context, "SELECT DISTINCT stage FROM runs WHERE run_id LIKE 'scheduled__%' ORDER BY 1")
    scored = f"SELECT count(*) FROM runs WHERE stage = 'score' AND run_id = '{played.score['dag_run_id']}'"
    assert rows(played.context, scored)[0][0] >= len(played.shards), "the parts belong to it, too"
    assert {stage for (stage,) in kept} >= {"ingest", "link", "fold", "aggregate", "detect", "notify", "publish"}
