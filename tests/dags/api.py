"""What the API of an Airflow says of runs, tasks and assets, for tests that wait for them; what processes are left."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
import pytest

__all__ = ["Api", "alive", "listening", "session_of"]

T = TypeVar("T")


class Api:
    """An Airflow by its API. `said`: the folder of its logs, of the components and of the tasks."""

    patient = False
    """Whether an API that does not answer just now is asked again: one whose servers are restarted meanwhile."""

    def __init__(self, address: str, said: Path) -> None:
        self.said = said
        self.api = httpx.Client(base_url=f"{address}/api/v2", timeout=120, trust_env=False)

    def until(self, what: str, found: Callable[[], T | None], timeout_s: float = 1500, every_s: float = 1.0) -> T:
        """What `found` answers as soon as it is something."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            try:
                if (answer := found()) is not None:
                    return answer
            except httpx.HTTPError:
                if not self.patient:
                    raise
            time.sleep(every_s)
        pytest.fail(f"{what}: not in {timeout_s:.0f} s\n{self.complaints()}")

    def pause(self, dag_id: str, paused: bool) -> None:
        """Waits for the DAG to be known."""
        path = f"/dags/{dag_id}"
        self.until(f"{dag_id} is known", lambda: self.api.get(path).status_code == 200 or None)
        self.api.patch(path, json={"is_paused": paused}).raise_for_status()

    def trigger(self, dag_id: str, **conf: Any) -> str:
        answer = self.api.post(f"/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf})
        return str(answer.raise_for_status().json()["dag_run_id"])

    def clear(self, dag_id: str, run_id: str) -> None:
        """Let every task of a run run again."""
        body = {"dry_run": False, "dag_run_id": run_id, "only_failed": False, "reset_dag_runs": True}
        self.api.post(f"/dags/{dag_id}/clearTaskInstances", json=body).raise_for_status()

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """The runs of a DAG, or of all (`~`)."""
        return self._all(f"/dags/{dag_id}/dagRuns", "dag_runs")

    def ended(self, dag_id: str, run_id: str = "", run_type: str = "") -> dict[str, Any]:
        """The run of that id, or the first of that type, once it has ended."""

        def found() -> dict[str, Any] | None:
            these = [run for run in self.runs(dag_id) if run_id in ("", run["dag_run_id"])]
            these = [run for run in these if run_type in ("", run["run_type"])]
            return next((run for run in these if run["state"] in ("success", "failed")), None)

        return self.until(f"a {run_type} run of {dag_id} {run_id} ends", found)

    def succeeded(self, dag_id: str, run_id: str = "", run_type: str = "") -> dict[str, Any]:
        run = self.ended(dag_id, run_id, run_type)
        assert run["state"] == "success", self.complaints()
        return run

    def chain(self, run_id: str, *others: str) -> list[dict[str, Any]]:
        """Waits for a run of `ingest`, then runs of these DAGs that took up what came before; up to one that failed."""
        found, closes = [self.ended("ingest", run_id)], "articles"
        for dag_id in others:
            if found[-1]["state"] != "success":
                break
            before = found[-1]
            (closed,) = (t for t in self.tasks(before["dag_id"], before["dag_run_id"]) if t["task_id"] == closes)
            found.append(self.until(f"{dag_id} follows", partial(self._after, dag_id, closed["end_date"])))
            closes = "score"
        return found

    def _after(self, dag_id: str, moment: str) -> dict[str, Any] | None:
        """The first run that began after it, once it has ended."""
        since = datetime.fromisoformat(moment)
        these = [run for run in self.runs(dag_id) if run["start_date"]]
        these = [run for run in these if datetime.fromisoformat(run["start_date"]) >= since]
        first = min(these, key=lambda run: str(run["start_date"]), default=None)
        return first if first and first["state"] in ("success", "failed") else None

    def tasks(self, dag_id: str, run_id: str = "~") -> list[dict[str, Any]]:
        """The task instances of a run, or of all of them."""
        return self._all(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", "task_instances")

    def log(self, dag_id: str, run_id: str, task_id: str) -> str:
        """What the log page of a task shows."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/1"
        return self.api.get(path, params={"full_content": True}).raise_for_status().text

    def events(self) -> list[dict[str, Any]]:
        return self._all("/assets/events", "asset_events")

    def _all(self, path: str, what: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            page = self.api.get(path, params={"limit": 100, "offset": len(found)}).raise_for_status().json()
            found += page[what]
            if not page[what] or len(found) >= page["total_entries"]:
                return found

    def complaints(self) -> str:
        """The errors in the logs of all tasks, and the last words of the components."""
        said = []
        for log in sorted(self.said.glob("dag_id=*/**/*.log")):
            said += [
                f"{log.parent.name} {event['event']} {str(event.get('error_detail', ''))[:600]}"
                for event in _events(log)
                if event.get("level") in ("error", "critical")
            ]
        said += [f"{log.name}: {log.read_text()[-500:]}" for log in sorted(self.said.glob("*.log"))]
        return "\n".join(said)


def _events(log: Path) -> Iterator[dict[str, Any]]:
    for line in log.read_text().splitlines():
        # The last line of a task that was killed may be half a line.
        with contextlib.suppress(json.JSONDecodeError):
            if line.startswith("{"):
                yield json.loads(line)


def listening(pids: set[int]) -> set[str]:
    """The addresses on which any of these processes waits for connections."""
    found = psutil.net_connections("inet")
    return {c.laddr.ip for c in found if c.pid in pids and c.status == psutil.CONN_LISTEN}


def alive(process: psutil.Process) -> bool:
    """Whether it still runs; one that ended and whose status nobody has asked for yet does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None
