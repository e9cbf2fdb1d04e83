"""The topology of `docker/compose.yaml` by processes on loopback: PostgreSQL, Redis, and each service of Airflow.

What a service is given (command, variables, secrets, mounts, whom it waits for) is read from the compose file and the
Dockerfile (`here.py`), so that what drifts there fails here. As the engine does, a service that ends is started again.
"""

from __future__ import annotations

import contextlib
import graphlib
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from pipeline.context import utc_now
from pipeline.warehouse import Warehouse
from tests.dags.api import Api, alive, session_of
from tests.dags.here import Here, components
from tests.docker.described import DOCKER
from tests.support import broker, postgres
from tests.support.ports import free_port

__all__ = ["DEFAULT", "GPU", "Cluster", "missing", "running"]

DEFAULT, GPU = "worker-default", "worker-gpu"
START_S = 300.0
GRACE_S = 60.0


def missing() -> str:
    """The program that is not installed; '' where the cluster can be started."""
    if postgres.bindir() is None:
        return "PostgreSQL is not installed (apt-get install postgresql)"
    return "" if broker.program() else "Redis is not installed (apt-get install redis-server)"


@dataclass
class _Service:
    """One of compose's services as a process, in a session of its own by which all that it starts is found."""

    command: list[str]
    environment: dict[str, str]
    root: Path
    log: Path
    process: subprocess.Popen[bytes] | None = None
    sessions: set[int] = field(default_factory=set)

    def start(self) -> None:
        # A container that is started again finds its tmpfs empty.
        shutil.rmtree(self.root / "tmp", ignore_errors=True)
        (self.root / "tmp").mkdir()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, env=self.environment, cwd=self.root, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        self.sessions.add(self.process.pid)

    @property
    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def family(self) -> list[psutil.Process]:
        """All processes that came of it, of its earlier starts too."""
        found = (process for process in psutil.process_iter() if session_of(process.pid) in self.sessions)
        return [process for process in found if alive(process)]

    def kill(self) -> None:
        """All of it, as it goes when the first process of a container is killed."""
        while left := self.family():
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(left, timeout=5)
        if self.process is not None:
            self.process.wait(10)


class Cluster(Api):
    """The services that run, and their API with an operator logged in. `working`: a folder made by `barograph init`."""

    patient = True

    def __init__(self, folder: Path, working: Path, database: postgres.Server) -> None:
        ports = {"postgres": database.port, "redis": free_port(), "api-server": free_port()}
        self.postgres, self.here = database, Here(folder, working, ports)
        self.here.make()
        super().__init__(f"http://127.0.0.1:{ports['api-server']}", self.here.volume("logs"))
        settings = self.here.secret("redis", "redis.conf")
        password = self.here.secret("redis", "redis_password").read_text("utf-8")
        self.broker = broker.Broker(settings, password, ports["redis"], self.said / "redis.log")
        self._services: dict[str, _Service] = {}
        self._lock, self._over = threading.Lock(), threading.Event()
        self._engine = threading.Thread(target=self._keep, name="engine")

    @property
    def lake(self) -> Warehouse:
        """The store as the workers name it."""
        return Warehouse(self.here.secret(DEFAULT, "barograph_store__warehouse").read_text("utf-8"), utc_now, 60)

    def start(self) -> None:
        """All services, each when those it depends on are well."""
        at = {"POSTGRES_USER": "postgres", "PGHOST": str(self.postgres.folder), "PGPORT": str(self.postgres.port)}
        at |= {"PATH": f"{self.postgres.programs}:/usr/bin:/bin", "BAROGRAPH_FILES": str(self.here.secrets)}
        subprocess.run([DOCKER / "postgres" / "roles.sh"], check=True, timeout=60, env=at, stdout=subprocess.DEVNULL)
        self.broker.start()
        described = components()
        needs = {name: set(about["depends_on"]) & set(described) for name, about in described.items()}
        for name in graphlib.TopologicalSorter(needs).static_order():
            service = self._start(name)
            if name == "prepare":
                assert service.process is not None
                assert service.process.wait(START_S) == 0, self.complaints()
            elif name == "api-server":
                self.until("the API answers", lambda: self._health() and True, START_S)
                self._log_in()
        self._engine.start()
        self.until("all services are well", lambda: self._are_well() or None, START_S)

    def kill(self, name: str) -> None:
        """A service with all of its processes; the engine starts it again."""
        with self._lock:
            self._services[name].kill()

    def family(self, *names: str) -> list[psutil.Process]:
        """The processes of these services, or of all."""
        return [process for name in names or self._services for process in self._services[name].family()]

    def runs_on(self, name: str, words: str) -> bool:
        """Whether a process of the service has these words in its command."""
        for process in self.family(name):
            with contextlib.suppress(psutil.NoSuchProcess):
                if words in " ".join(process.cmdline()):
                    return True
        return False

    def restart_broker(self) -> None:
        self.broker.stop()
        self.broker.start()

    def restart_postgres(self) -> None:
        self.postgres.stop("fast")
        self.postgres.start()

    def stop(self) -> None:
        """As `docker compose down`: all are told to end, and given time."""
        self._no_engine()
        for service in self._services.values():
            if service.process is not None:
                service.process.terminate()
        deadline = time.monotonic() + GRACE_S
        for service in self._services.values():
            assert service.process is not None
            with contextlib.suppress(subprocess.TimeoutExpired):
                service.process.wait(max(0.1, deadline - time.monotonic()))
            service.kill()
        self.broker.stop()

    def close(self) -> None:
        """Nothing of it is left, whatever state it is in."""
        self._no_engine()
        for service in self._services.values():
            service.kill()
        self.broker.stop()
        self.api.close()

    def _no_engine(self) -> None:
        self._over.set()
        if self._engine.is_alive():
            self._engine.join()

    def _keep(self) -> None:
        """`restart: unless-stopped`."""
        while not self._over.wait(0.5):
            with self._lock:
                for name, service in self._services.items():
                    if name != "prepare" and service.ended:
                        # With the first process of a container all others end.
                        service.kill()
                        service.start()

    def _start(self, name: str) -> _Service:
        command = self.here.command(name)
        # Two workers on one machine want names of their own.
        command += ["--celery-hostname", name] if "celery" in command else []
        root, log = self.here.root(name), self.said / f"{name}.log"
        service = _Service(command, self.here.environment(name), root, log)
        service.start()
        self._services[name] = service
        return service

    def _log_in(self) -> None:
        """As the user whose password Airflow made and kept."""
        ((user, password),) = json.loads((self.here.volume("passwords") / "airflow.json").read_text("utf-8")).items()
        # Not below the address of the API.
        asked = self.api.post(self.api.base_url.join("/auth/token"), json={"username": user, "password": password})
        self.api.headers["Authorization"] = f"Bearer {asked.raise_for_status().json()['access_token']}"

    def _health(self) -> dict[str, dict[str, str]] | None:
        answer = self.api.get("/monitor/health")
        return answer.json() if answer.status_code == httpx.codes.OK else None

    def _are_well(self) -> bool:
        health = self._health() or {}
        components = ("metadatabase", "scheduler", "dag_processor", "triggerer")
        if any(health.get(name, {}).get("status") != "healthy" for name in components):
            return False
        return all(" ready." in (self.said / f"{name}.log").read_text("utf-8") for name in (DEFAULT, GPU))


@contextmanager
def running(folder: Path, working: Path) -> Iterator[Cluster]:
    """The cluster, well; nothing of it is left afterwards."""
    with postgres.running("scram-sha-256") as database:
        cluster = Cluster(folder, working, database)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.close()
