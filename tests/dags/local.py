"""`make airflow` as a child process, and what its API says of runs, tasks and assets."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
import pytest

from tests.support.ports import free_port

__all__ = ["Airflow", "alive", "listening", "session_of"]

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")


class Airflow:
    """One local Airflow with our DAGs, all of them paused at first."""

    def __init__(self, home: Path, config: Path, at_once: int) -> None:
        port = free_port()
        self.home = home
        self.api = httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v2", timeout=120, trust_env=False)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        environment["BAROGRAPH_CONFIG"] = str(config)
        options = ["--port", str(port), "--home", str(home), "--paused", "--at-once", str(at_once)]
        command = [sys.executable, str(ROOT / "docker" / "airflow_local.py"), *options]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    def wait_until_up(self) -> None:
        assert self.process.stdout
        said = []
        for line in self.process.stdout:
            said.append(line)
            if "are paused" in line:
                return
        pytest.fail(f"it ended with: {''.join(said)}")

    def until(self, what: str, found: Callable[[], T | None], timeout_s: float = 1500, every_s: float = 1.0) -> T:
        """What `found` answers as soon as it is something."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if (answer := found()) is not None:
                return answer
            time.sleep(every_s)
        pytest.fail(f"{what}: not in {timeout_s:.0f} s\n{self.complaints()}")

    def pause(self, dag_id: str, paused: bool) -> None:
        """Waits for the DAG to be known."""
        path = f"/dags/{dag_id}"
        self.until(f"{dag_id} is known", lambda: self.api.get(path).status_code == 200 or None)
        self.api.patch(path, json={"is_paused": paused}).raise_for_status()

    def trigger(self, dag_id: str, **conf: Any) -> str:
        answer = self.api.post(f"/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["dag_run_id"])

    def clear(self, dag_id: str, run_id: str) -> None:
        """Let every task of a run run again."""
        body = {"dry_run": False, "dag_run_id": run_id, "only_failed": False, "reset_dag_runs": True}
        self.api.post(f"/dags/{dag_id}/clearTaskInstances", json=body).raise_for_status()

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        return list(self.api.get(f"/dags/{dag_id}/dagRuns").raise_for_status().json()["dag_runs"])

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
        for log in sorted(self.home.glob("logs/dag_id=*/**/*.log")):
            events = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
            said += [
                f"{log.parent.name} {event['event']} {str(event.get('error_detail', ''))[:600]}"
                for event in events
                if event.get("level") in ("error", "critical")
            ]
        said += [f"{log.name}: {log.read_text()[-500:]}" for log in sorted(self.home.glob("logs/*.log"))]
        return "\n".join(said)

    def family(self) -> list[psutil.Process]:
        """We and every process below us, those of other sessions and process groups too."""
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    def kill_the_task_of(self, pattern: str) -> None:
        """Waits for a process with such a command line, and kills the task that started it: it is left alone."""

        def found() -> psutil.Process | None:
            for process in self.family():
                with contextlib.suppress(psutil.NoSuchProcess):
                    if re.search(pattern, " ".join(process.cmdline())):
                        return process.parent()
            return None

        self.until(f"{pattern} runs", found, every_s=0.1).kill()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(120)

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


def session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None
