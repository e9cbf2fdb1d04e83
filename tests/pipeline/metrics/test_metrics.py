"""The metrics, read back by Prometheus' own parser: what is told of a store, of hostile names, and over HTTP."""

from __future__ import annotations

import http.client
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from waitress.server import create_server

from pipeline import metrics, runs
from pipeline.context import Context, Report
from pipeline.errors import StoreBusy
from pipeline.metrics.endpoint import application
from pipeline.metrics.facts import Facts, Latest, Tally, Waiting
from pipeline.stages import STAGES, run_stage
from tests.conftest import ROOT, MovableClock
from tests.pipeline.seeds import MODEL, Piece, activate_model, insert, put

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
HOSTILE = 'a"b\\c\nbarograph_up 1 {x="y"} \u2028é'
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(text: bytes) -> Samples:
    """Every sample by name and labels; a sample told twice would be a fault."""
    found: Samples = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, key
            found[key] = sample.value
    return found


def of(found: Samples, name: str, **labels: str) -> float | None:
    return found.get((name, tuple(sorted(labels.items()))))


def test_an_empty_store_tells_what_it_knows_and_no_more(context: Context) -> None:
    found = samples(metrics.exposition(metrics.read(context)))
    assert of(found, "barograph_backlog", stage="score") == 0
    assert of(found, "barograph_written_timestamp_seconds") == context.clock().timestamp()
    assert (of(found, "barograph_store_bytes") or 0) > 0
    for unknown in ("coverage_ratio", "snapshot_timestamp_seconds", "newest_article_timestamp_seconds", "model_info"):
        assert not [name for name, _ in found if name == f"barograph_{unknown}"], unknown


def test_what_waits_is_counted_for_the_stage_it_waits_for(context: Context, clock: MovableClock) -> None:
    activate_model(context.warehouse)
    put(context.warehouse, [Piece("scored", NOON, NOON), Piece("waits", NOON, NOON, status=None)])
    row = {"notification_id": "n", "receiver": "log", "status": "failed"}
    insert(context.warehouse, "notifications", "notifications", [row], ["notification_id"])
    clock.now += timedelta(minutes=10)
    found = samples(metrics.exposition(metrics.read(context)))
    assert of(found, "barograph_backlog", stage="link") == 0
    assert of(found, "barograph_backlog", stage="fold") == 0
    assert of(found, "barograph_backlog", stage="score") == 1
    assert of(found, "barograph_stage_lag_seconds", stage="score") == 600
    assert of(found, "barograph_stage_lag_seconds", stage="link") == 0
    assert of(found, "barograph_notifications", status="failed") == 1
    assert of(found, "barograph_model_info", version=MODEL) == 1


def test_feeds_that_nobody_asks_wait_for_ingest(context: Context, clock: MovableClock) -> None:
    clock.now = NOON + timedelta(minutes=30)
    kept = {"url": "u", "kind": "wire", "status": "active", "added_at": NOON - timedelta(days=1)}
    kept |= {"last_fetch_at": None, "next_fetch_at": None}
    soon, long_ago = clock.now + timedelta(minutes=5), NOON - timedelta(days=3)
    asked = {
        "just now": {"last_fetch_at": clock.now - timedelta(minutes=6)},
        "half an hour ago": {"last_fetch_at": NOON},
        "waits after failures": {"last_fetch_at": NOON, "next_fetch_at": soon},
        "its wait is over": {"last_fetch_at": NOON, "next_fetch_at": NOON + timedelta(minutes=10)},
        "gone": {"last_fetch_at": long_ago, "status": "gone"},
        "removed": {"last_fetch_at": long_ago, "status": "removed"},
        "of an archive": {"kind": "archive"},
    }
    feeds = [kept | {"feed_id": name} | more for name, more in asked.items()]
    insert(context.warehouse, "catalogue", "feeds", feeds, ["feed_id"])
    found = samples(metrics.exposition(metrics.read(context)))
    assert of(found, "barograph_backlog", stage="ingest") == 2
    assert of(found, "barograph_stage_lag_seconds", stage="ingest") == 1800


def test_runs_are_counted_by_outcome_and_reason_with_their_time(context: Context) -> None:
    def held() -> Report:
        raise StoreBusy("held")

    runs.recorded("link", context, lambda: Report("link", {"articles": 5}))
    with pytest.raises(StoreBusy):
        runs.recorded("link", context, held)
    found = samples(metrics.exposition(metrics.read(context)))
    assert of(found, "barograph_stage_runs_total", stage="link", outcome="done", reason="") == 1
    assert of(found, "barograph_stage_runs_total", stage="link", outcome="failed", reason="StoreBusy") == 1
    assert of(found, "barograph_stage_results_total", stage="link", result="articles") == 5
    assert of(found, "barograph_stage_duration_seconds_count", stage="link") == 2
    last = of(found, "barograph_stage_last_success_timestamp_seconds", stage="link")
    assert last == context.clock().timestamp()


def full(name: str) -> Facts:
    """Everything that can be told, with `name` wherever a name can stand."""
    return Facts(
        at=NOON,
        version=name,
        tallies=[Tally(name, kind, name, name, 2.0) for kind in ("run", "seconds", "result")],
        latest={name: Latest(NOON, 1.5)},
        waiting={name: Waiting(3, NOON - timedelta(seconds=90))},
        feeds={name: 1},
        notifications={name: 1},
        incidents={(name, name): 1},
        coverage=0.5,
        newest_article_at=NOON,
        model=name,
        model_since=NOON,
        store_bytes=1,
        disk_free_bytes=2,
        snapshot_at=NOON,
    )


def test_a_hostile_name_stays_a_label() -> None:
    hostile, plain = samples(metrics.exposition(full(HOSTILE))), samples(metrics.exposition(full("x")))
    assert [name for name, _ in hostile] == [name for name, _ in plain]
    assert of(hostile, "barograph_backlog", stage=HOSTILE) == 3
    assert of(hostile, "barograph_stage_runs_total", stage=HOSTILE, outcome=HOSTILE, reason=HOSTILE) == 2


def test_a_clock_that_was_set_back_makes_no_negative_lag() -> None:
    facts = replace(full("x"), waiting={"link": Waiting(1, NOON + timedelta(hours=1))})
    assert of(samples(metrics.exposition(facts)), "barograph_stage_lag_seconds", stage="link") == 0


def test_the_last_stage_leaves_the_metrics_beside_the_snapshot_also_when_it_fails(
    context: Context, tmp_path: Path
) -> None:
    own = tmp_path / "textfile" / "barograph.prom"
    settings = context.settings.model_copy(
        update={"metrics": context.settings.metrics.model_copy(update={"file": own})}
    )
    settings.store.published.mkdir(parents=True, exist_ok=True)
    (settings.store.published / "stories").write_text("where its parts should go")
    with pytest.raises(FileExistsError):
        run_stage(STAGES[-1], replace(context, settings=settings))
    found = samples(own.read_bytes())
    assert of(found, "barograph_stage_runs_total", stage="publish", outcome="failed", reason="FileExistsError") == 1
    assert (settings.store.published / metrics.FILE).read_bytes() == own.read_bytes()
    assert [path.name for path in own.parent.iterdir()] == [own.name]


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    file = tmp_path / "metrics.prom"
    with socket.create_server(("127.0.0.1", 0)) as door:
        server = create_server(application(file), sockets=[door], threads=1)
        thread = threading.Thread(target=server.run)
        thread.start()
        yield door.getsockname()[1], file
        server.task_dispatcher.shutdown()
        server.trigger.pull_trigger(server.close)
        thread.join(10)


def get(port: int, path: str) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type") or "", answer.read()
    finally:
        connection.close()


def test_the_endpoint_serves_what_the_last_cycle_wrote(endpoint: tuple[int, Path]) -> None:
    port, file = endpoint
    assert get(port, "/metrics")[0] == 503
    text = metrics.exposition(full("x"))
    file.write_bytes(text)
    status, kind, body = get(port, "/metrics")
    assert (status, body) == (200, text)
    assert kind.startswith("text/plain; version=")
    assert get(port, "/../metrics.prom")[0] == 404


def test_every_metric_that_docs_and_alert_rules_name_is_told() -> None:
    told = {name for name, _ in samples(metrics.exposition(full("x")))}
    named: set[str] = set()
    for path in ("docs/operations.md", "docker/prometheus/rules.yaml"):
        named |= set(re.findall(r"\bbarograph_[a-z_]+\b", (ROOT / path).read_text(encoding="utf-8")))
    assert named - told == set()
    assert told - named == set(), "not in docs/operations.md"
