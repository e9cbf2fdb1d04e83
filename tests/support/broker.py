"""A real Redis for the tests: Debian's program with the settings of `docker/secrets/make.sh`, on loopback."""

from __future__ import annotations

import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import redis

__all__ = ["Broker", "program"]


def program() -> str | None:
    """Where redis-server is; None where it is not installed."""
    return shutil.which("redis-server")


class Broker:
    """One server. `settings`: its file, which says where its data is and who may come."""

    def __init__(self, settings: Path, password: str, port: int, log: Path) -> None:
        self.port = port
        self._settings, self._password, self._log = settings, password, log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def client(self) -> redis.Redis:
        return redis.Redis("127.0.0.1", self.port, password=self._password, decode_responses=True)

    def start(self) -> None:
        """Runs, and answers, having read what it kept."""
        server = program()
        assert server is not None
        # All that differs from the container: which port of which address.
        own = ["--bind", "127.0.0.1", "--port", str(self.port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([server, str(self._settings), *own], stdout=log, stderr=log)
        with self.client() as asked:
            for _ in range(300):
                with suppress(redis.ConnectionError):
                    asked.ping()
                    return
                time.sleep(0.1)
        raise TimeoutError(f"redis-server does not answer: {self._log.read_text()[-500:]}")

    def stop(self) -> None:
        """As `docker stop` does: it writes what it holds, and ends."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None
