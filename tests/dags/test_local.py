"""`make airflow` where it cannot start: one line that says what to do, and nothing left running."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

LAUNCHER = Path(__file__).resolve().parents[2] / "docker" / "airflow_local.py"


def launch(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(LAUNCHER), "--home", str(folder / "airflow"), *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_taken_port_is_said_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "barograph.toml").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = launch(tmp_path, "--port", str(port))
    assert done.returncode == 1
    assert f"error: Port {port} is taken. Stop what listens there, or choose another with --port." in done.stdout
    assert not (tmp_path / "airflow").exists()


def test_a_missing_settings_file_is_named(tmp_path: Path) -> None:
    done = launch(tmp_path, BAROGRAPH_CONFIG="none.toml")
    assert done.returncode == 1
    assert "error: none.toml: no such file. Mend BAROGRAPH_CONFIG" in done.stdout
