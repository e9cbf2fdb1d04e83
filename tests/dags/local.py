"""`make airflow` as a child process."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.dags.api import Api
from tests.support.ports import free_port

__all__ = ["Airflow"]

ROOT = Path(__file__).resolve().parents[2]


class Airflow(Api):
    """One local Airflow with our DAGs, all of them paused at first."""

    def __init__(self, home: Path, config: Path, at_once: int) -> None:
        port = free_port()
        super().__init__(f"http://127.0.0.1:{port}", home / "logs")
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
