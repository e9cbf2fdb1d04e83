"""The whole chain in a real scheduler: `make airflow` on feeds of our own, from HTTP to the published snapshot."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import httpx
import psutil
import pytest

from pipeline.warehouse import Warehouse

ROOT = Path(__file__).resolve().parents[2]
FEEDS = {
    "/harbour.xml": ("Bank of Harbourview fined over lending records", "Orchid Foods raises its dividend"),
    "/ledger.xml": ("Tallow Motors recalls 4,000 vans after brake failures", "Copper slips as stockpiles grow"),
    "/quay.xml": ("Quayside Energy wins a ten-year supply contract", "Marlow Air cancels flights in pay dispute"),
}
ARTICLES = sum(len(titles) for titles in FEEDS.values())


@contextlib.contextmanager
def feed_server() -> Iterator[tuple[int, list[str]]]:
    """Our feeds over real HTTP; gives the port and the list of paths asked for, which grows."""
    asked: list[str] = []
    now = datetime.now(UTC)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            if self.path not in FEEDS:
                self.send_error(404)
                return
            body = rss(self.path, FEEDS[self.path], now).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/rss+xml; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port, asked
        finally:
            server.shutdown()
            thread.join()


def rss(path: str, titles: tuple[str, ...], now: datetime) -> str:
    items = "".join(
        f"<item><title>{escape(title)}</title><link>https://news.example{path}/{n}</link>"
        f"<guid>https://news.example{path}/{n}</guid>"
        f"<pubDate>{format_datetime(now - timedelta(minutes=10 + n))}</pubDate></item>"
        for n, title in enumerate(titles)
    )
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>{path}</title>{items}</channel></rss>'


def working_folder(folder: Path, feeds_port: int) -> Path:
    address = f"http://127.0.0.1:{feeds_port}"
    outlines = "".join(
        f'<outline type="rss" text="{path[1:-4]}" xmlUrl="{address}{path}"/>' for path in (*FEEDS, "/missing.xml")
    )
    (folder / "feeds.opml").write_text(f'<opml version="2.0"><head/><body>{outlines}</body></opml>')
    config = folder / "barograph.toml"
    config.write_text(f'[ingest]\nallow_hosts = ["127.0.0.1:{feeds_port}"]\n')
    return config


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Airflow:
    """`make airflow` as a child process, and what we ask its API."""

    def __init__(self, home: Path, config: Path) -> None:
        port = free_port()
        self.home = home
        self.api = httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v2", timeout=120, trust_env=False)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        environment["BAROGRAPH_CONFIG"] = str(config)
        command = [sys.executable, str(ROOT / "docker" / "airflow_local.py"), "--port", str(port), "--home", str(home)]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    def wait_until_up(self) -> None:
        assert self.process.stdout
        said = []
        for line in self.process.stdout:
            said.append(line)
            if "are running" in line:
                return
        pytest.fail(f"it ended with: {''.join(said)}")

    def run(self, dag_id: str, run_type: str, *, timeout_s: float = 600) -> dict[str, Any]:
        """The first finished run of that type, waited for; it must have succeeded."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for run in self.api.get(f"/dags/{dag_id}/dagRuns").raise_for_status().json()["dag_runs"]:
                if run["run_type"] == run_type and run["state"] in ("success", "failed"):
                    assert run["state"] == "success", self.complaints(dag_id)
                    return dict(run)
            time.sleep(2)
        pytest.fail(f"no {run_type} run of {dag_id} ended in {timeout_s:.0f} s\n{self.complaints(dag_id)}")

    def trigger(self, dag_id: str) -> None:
        self.api.post(f"/dags/{dag_id}/dagRuns", json={"logical_date": None}).raise_for_status()

    def states(self, dag_id: str, run_id: str) -> dict[str, set[str]]:
        """The states of each task of a run (several where it is mapped)."""
        found: dict[str, set[str]] = {}
        answer = self.api.get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances").raise_for_status().json()
        for instance in answer["task_instances"]:
            found.setdefault(instance["task_id"], set()).add(instance["state"])
        return found

    def log(self, dag_id: str, run_id: str, task_id: str) -> str:
        """What the log page of a task shows."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/1"
        return self.api.get(path, params={"full_content": True}).raise_for_status().text

    def complaints(self, dag_id: str) -> str:
        """The errors in the logs of all tasks of a DAG, and the last words of the components."""
        said = []
        for log in sorted(self.home.glob(f"logs/dag_id={dag_id}/**/*.log")):
            events = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
            said += [
                f"{event['task_id']}: {event['event']} {str(event.get('error_detail', ''))[:600]}"
                for event in events
                if event.get("level") in ("error", "critical") and "task_id" in event
            ]
        said += [f"{log.name}: {log.read_text()[-500:]}" for log in sorted(self.home.glob("logs/*.log"))]
        return "\n".join(said)

    def family(self) -> list[psutil.Process]:
        """We and every process below us, those of other sessions and process groups too."""
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    def close(self) -> None:
        self.api.close()
        family = self.family() if self.process.poll() is None else []
        self.process.kill()
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


@pytest.fixture
def airflow(tmp_path: Path) -> Iterator[Callable[[Path], Airflow]]:
    with contextlib.ExitStack() as started:

        def start(config: Path) -> Airflow:
            made = Airflow(tmp_path / "airflow", config)
            started.callback(made.close)
            return made

        yield start


def count(warehouse: Warehouse, table: str) -> int:
    with warehouse.read() as con:
        row = con.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert row
    return int(row[0])


@pytest.mark.airflow
@pytest.mark.timeout(1500)
def test_the_chain_runs_by_clock_and_by_asset_and_leaves_no_process(
    tmp_path: Path, airflow: Callable[[Path], Airflow]
) -> None:
    with feed_server() as (port, asked):
        local = airflow(working_folder(tmp_path, port))
        local.wait_until_up()
        first = local.run("ingest", "scheduled")
        assert local.states("ingest", first["dag_run_id"])["ingest.fetch"] == {"success"}, "a 404 is no failed task"
        scored = local.run("score", "asset_triggered")
        # What the scorer's own process says is in the log of its task, and is read without a log server.
        assert "INFO pipeline.stages: score: {" in local.log("score", scored["dag_run_id"], "score")
        local.run("alert", "scheduled")
        local.run("alert", "asset_triggered")

        warehouse = Warehouse(f"duckdb:{tmp_path / 'data' / 'barograph.duckdb'}", lambda: datetime.now(UTC), 60)
        assert count(warehouse, "articles") == ARTICLES
        assert count(warehouse, "scores WHERE entity_id = ''") == ARTICLES
        assert count(warehouse, "fetches WHERE outcome = 'http_error'") >= 1
        assert any((tmp_path / "data" / "published").iterdir())
        events = local.api.get("/assets/events").raise_for_status().json()["asset_events"]
        assert {event["name"] for event in events} >= {"articles", "scores"}
        assert next(event["extra"] for event in events if event["name"] == "articles")["load"]

        polls = len(asked)
        local.trigger("ingest")
        local.run("ingest", "manual")
        assert count(warehouse, "articles") == ARTICLES, "a second run adds nothing"
        assert len(asked) >= polls + len(FEEDS), "and it did ask the feeds again"

        family = local.family()
        sessions = {os.getsid(process.pid) for process in family} - {os.getsid(0)}
        assert len(family) >= 5, "the launcher and four components"
        assert listening({process.pid for process in family}) == {"127.0.0.1"}
        local.process.send_signal(signal.SIGTERM)
        assert local.process.wait(120) == 0
        assert [p for p in family if alive(p)] == []
        assert [p for p in psutil.process_iter() if _session(p.pid) in sessions and alive(p)] == []


def listening(pids: set[int]) -> set[str]:
    """The addresses on which any of these processes waits for connections."""
    found = psutil.net_connections("inet")
    return {c.laddr.ip for c in found if c.pid in pids and c.status == psutil.CONN_LISTEN}


def alive(process: psutil.Process) -> bool:
    """Whether it still runs; one that ended and whose status nobody has asked for yet does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None
