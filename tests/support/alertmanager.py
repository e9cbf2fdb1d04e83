"""A real Alertmanager from Debian's package on loopback, for as long as a block."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.ports import free_port

__all__ = ["alerts", "server"]


@contextmanager
def server() -> Iterator[str]:
    """Its address. Skips where the program is missing, but never in CI."""
    program = shutil.which("prometheus-alertmanager")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("prometheus-alertmanager is not installed; CI must have it")
        pytest.skip("Alertmanager is not installed (apt-get install prometheus-alertmanager)")
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "alertmanager.yml"
        config.write_text("route:\n  receiver: none\nreceivers:\n- name: none\n", encoding="utf-8")
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        process = subprocess.Popen(
            [
                program, f"--config.file={config}", f"--storage.path={folder}/data", "--cluster.listen-address=",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            _wait(url, process)
            yield url
        finally:
            process.terminate()
            process.wait(20)


def alerts(url: str, query: str = "") -> list[dict[str, Any]]:
    """What it holds: those that fire."""
    with urllib.request.urlopen(f"{url}/api/v2/alerts{query}", timeout=10) as answer:
        found: list[dict[str, Any]] = json.load(answer)
    return found


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        assert process.poll() is None, "Alertmanager ended at once"
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("Alertmanager did not come up in 20 s")
