"""`make airflow`: a local Airflow with our DAGs and pools, on loopback, without login; Ctrl-C leaves nothing behind.

The four components are started here, one by one, instead of `airflow standalone`: that one opens two log servers on
all addresses and, told to stop, leaves the processes of running tasks behind.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

import psutil

ROOT = Path(__file__).resolve().parent.parent
COMPONENTS: dict[str, tuple[str, ...]] = {
    "api-server": ("api-server",),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
    "scheduler": ("scheduler", "--skip-serve-logs"),
}
START_TIMEOUT_S = 300.0
GRACE_S = 20.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """We were asked to stop (Ctrl-C, TERM or a closed terminal)."""


class Failed(Exception):
    """Airflow could not be started or went down; says in one line what to do."""


def environment(
    home: Path, port: int, config: Path, inherited: Mapping[str, str], *, at_once: int = 4, paused: bool = False
) -> dict[str, str]:
    """Everything that makes this Airflow ours: SQLite under `home`, loopback only, no login, no examples.

    `at_once`: how many tasks may run at the same time; `paused`: whether new DAGs wait until somebody starts them.
    """
    address = f"http://127.0.0.1:{port}"
    return {
        **inherited,
        "BAROGRAPH_CONFIG": str(config),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": str(paused),
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": str(at_once),
        "AIRFLOW__CORE__DEFAULT_TIMEZONE": "utc",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__API__WORKERS": "1",
        # Made anew at every start and kept nowhere: only the components of this start talk to each other.
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(64),
        # On a busy machine the API takes its time; giving up early would fail tasks that are well.
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
    }


class LocalAirflow:
    """The components of one local Airflow, each in a session of its own, by which its processes are found again."""

    def __init__(self, home: Path, port: int, config: Path, *, at_once: int = 4, paused: bool = False) -> None:
        self.home = home
        self.address = f"http://127.0.0.1:{port}"
        self._port = port
        self._environment = environment(home, port, config, os.environ, at_once=at_once, paused=paused)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def prepare(self) -> None:
        """Make or upgrade the metadata database and load the pools."""
        if not _free(self._port):
            raise Failed(f"Port {self._port} is taken. Stop what listens there, or choose another with --port.")
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        for arguments in (("db", "migrate"), ("pools", "import", str(ROOT / "docker" / "pools.json"))):
            self._start("prepare", arguments)
            if self._processes["prepare"].wait(START_TIMEOUT_S):
                raise Failed(f"`airflow {' '.join(arguments)}` failed. Its log: {self._log('prepare')}")
        del self._processes["prepare"]

    def start(self) -> None:
        """Start all components and wait until the pages answer and the scheduler is well."""
        for name, arguments in COMPONENTS.items():
            if name == "scheduler":
                # Tasks ask the API for leave to run: started before it answers they would only wait and retry.
                self._wait_for(b'"metadatabase":{"status":"healthy"')
            self._start(name, arguments)
        self._wait_for(b'"scheduler":{"status":"healthy"')

    def _wait_for(self, sign: bytes) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while sign not in self._health():
            self.check()
            if time.monotonic() > deadline:
                raise Failed(f"Airflow did not come up in {START_TIMEOUT_S:.0f} s. Its logs: {self.home / 'logs'}")
            time.sleep(0.5)

    def check(self) -> None:
        """Raise `Failed` when a component has ended by itself."""
        for name in COMPONENTS:
            if (process := self._processes.get(name)) and process.poll() is not None:
                raise Failed(f"{name} ended with status {process.returncode}. Its log: {self._log(name)}")

    def stop(self) -> None:
        """End everything: the scheduler first, so that running tasks can still report, then what is left."""
        sessions = {process.pid for process in self._processes.values()}
        try:
            if scheduler := self._processes.get("scheduler"):
                scheduler.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    scheduler.wait(GRACE_S)
            for process in self._processes.values():
                process.terminate()
            psutil.wait_procs(_in_sessions(sessions), timeout=GRACE_S / 2)
        finally:
            # A second Ctrl-C lands here. Stages may be killed at any time: the next run does what is not done yet.
            for signum in SIGNALS:
                signal.signal(signum, signal.SIG_IGN)
            while left := _in_sessions(sessions):
                for process_left in left:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process_left.kill()
                psutil.wait_procs(left, timeout=5)

    def _start(self, name: str, arguments: Sequence[str]) -> None:
        log = self._log(name)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            self._processes[name] = subprocess.Popen(  # noqa: S603 - our own arguments
                [sys.executable, "-m", "airflow", *arguments],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _log(self, name: str) -> Path:
        return self.home / "logs" / f"{name}.log"

    def _health(self) -> bytes:
        try:
            with urllib.request.urlopen(f"{self.address}/api/v2/monitor/health", timeout=5) as answer:  # noqa: S310
                return bytes(answer.read()).replace(b" ", b"")
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return b""


def _in_sessions(sessions: set[int]) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            if os.getsid(process.pid) in sessions and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _raise_stopped(signum: int, frame: FrameType | None) -> None:
    raise Stopped


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _settings_file(home: Path) -> Path:
    """BAROGRAPH_CONFIG, or barograph.toml of the current folder, or of a working folder made for this Airflow."""
    if named := os.environ.get("BAROGRAPH_CONFIG"):
        if not Path(named).exists():
            raise Failed(f"{named}: no such file. Mend BAROGRAPH_CONFIG, or make a folder with `barograph init`.")
        return Path(named).resolve()
    here, own = Path("barograph.toml"), home / "news" / "barograph.toml"
    if here.exists():
        return here.resolve()
    if not own.exists():
        _say(f"No barograph.toml here: making a working folder with `barograph init {own.parent}`.")
        command = [sys.executable, "-m", "cli.main", "init", str(own.parent)]
        if subprocess.run(command, check=False).returncode or not own.exists():  # noqa: S603 - our own command
            raise Failed("`barograph init` failed: see what it says above.")
    return own


def main() -> int:
    """Run until stopped; 0 when stopped by hand, 1 when Airflow failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=8085, help="where the pages are served on 127.0.0.1 (8085)")
    parser.add_argument("--home", type=Path, default=ROOT / ".airflow", help="Airflow's own folder (.airflow)")
    parser.add_argument("--at-once", type=int, default=4, help="how many tasks may run at the same time (4)")
    parser.add_argument("--paused", action="store_true", help="new DAGs wait until somebody starts them on their page")
    arguments = parser.parse_args()
    for signum in SIGNALS:
        signal.signal(signum, _raise_stopped)
    home: Path = arguments.home.resolve()
    airflow: LocalAirflow | None = None
    status = 0
    try:
        config = _settings_file(home)
        airflow = LocalAirflow(home, arguments.port, config, at_once=arguments.at_once, paused=arguments.paused)
        _say("Starting Airflow (half a minute on a quiet machine) …")
        airflow.prepare()
        airflow.start()
        _say(f"Airflow: {airflow.address}   settings: {config}   logs: {home / 'logs'}")
        waiting = "New DAGs are paused" if arguments.paused else "The DAGs are running"
        _say(f"{waiting}; backfill and train are started by hand. Stop with Ctrl-C.")
        while True:
            airflow.check()
            time.sleep(1)
    except Stopped:
        _say("Stopping Airflow …")
    except Failed as error:
        _say(f"error: {error}")
        status = 1
    finally:
        if airflow:
            with contextlib.suppress(Stopped):
                airflow.stop()
    if airflow and not status:
        _say("Airflow is stopped.")
    return status


if __name__ == "__main__":
    sys.exit(main())
