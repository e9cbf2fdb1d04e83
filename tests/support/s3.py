"""A real S3 server for the tests: `rclone serve s3` on a folder and a free port of loopback, stopped at the end."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.ports import free_port

__all__ = ["KEY", "SECRET", "server"]

KEY, SECRET = "barograph-tests", "of-loopback-only"


@contextmanager
def server(folder: Path, *buckets: str) -> Iterator[str]:
    """A running server of these buckets, which are folders in `folder`; yields its address."""
    for bucket in buckets:
        (folder / bucket).mkdir(parents=True)
    port = free_port()
    program = Path(sys.executable).parent / "rclone"
    command = [program, "serve", "s3", folder, "--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{SECRET}"]
    # No settings of whoever runs the tests, no cache between what was written and what is listed.
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([*command, "--config", "", "--vfs-cache-mode", "off"], stdout=log, stderr=log)
    try:
        _wait(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"rclone ended with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError("rclone does not answer")
