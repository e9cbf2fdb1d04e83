"""A real PostgreSQL for the tests: Debian's program, a fresh cluster on a free port of loopback, stopped at the end."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.ports import free_port

__all__ = ["Server", "bindir", "running", "server"]


def bindir() -> Path | None:
    """Where Debian put initdb and pg_ctl; None where PostgreSQL is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    return found[-1].parent if found else None


@dataclass(frozen=True)
class Server:
    """A cluster in a folder of its own; by the socket there the superuser `postgres` needs no password."""

    programs: Path
    folder: Path
    port: int

    @property
    def dsn(self) -> str:
        """The superuser over TCP, without a database; with `auth` other than trust it wants a password."""
        return f"host=127.0.0.1 port={self.port} user=postgres"

    def make(self, auth: str) -> None:
        """`auth`: how who comes over TCP shows who he is."""
        rights = ["--auth-local=trust", f"--auth-host={auth}"]
        self._run("initdb", "-D", str(self._data), *rights, "-U", "postgres", "--no-sync")

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._run("pg_ctl", "-D", str(self._data), "-o", options, "-l", str(self.folder / "log"), "-w", "start")

    def stop(self, mode: str = "fast") -> None:
        """`mode`: fast, which ends every session, or immediate, as a kill would."""
        self._run("pg_ctl", "-D", str(self._data), "-m", mode, "-w", "stop")

    @contextmanager
    def locked(self, database: str, table: str) -> Iterator[None]:
        """Nobody can write the table meanwhile; reading goes on."""
        import psycopg2  # of the extra `celery`, and slow

        at = {"host": str(self.folder), "port": self.port, "user": "postgres", "dbname": database}
        with closing(psycopg2.connect(**at)) as con, con, con.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {table} IN SHARE MODE")
            yield

    def somebody_waits(self, database: str) -> bool:
        """Whether a session of that database waits for a lock."""
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return self.ask(database, waiting) != "0"

    def end(self) -> None:
        """Stop it, if it runs, and leave nothing of it."""
        if (self._data / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)
        self._said.unlink(missing_ok=True)

    def ask(self, database: str, sql: str) -> str:
        """The one value that the superuser is answered."""
        at = ["-h", str(self.folder), "-p", str(self.port), "-U", "postgres", "-d", database]
        command = [str(self.programs / "psql"), *at, "-AtXc", sql]
        return subprocess.run(command, capture_output=True, check=True, text=True, timeout=60).stdout.strip()

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _said(self) -> Path:
        return self.folder.parent / f"{self.folder.name}.log"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.programs / program), *arguments]
        # PostgreSQL refuses to run as root, which is what CI is.
        full = ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else command
        # Its own log file: a server that inherits our pipe would keep it open for ever.
        with self._said.open("ab") as log:
            subprocess.run(
                full, check=True, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder, timeout=120
            )


@contextmanager
def running(auth: str = "trust") -> Iterator[Server]:
    """A server that runs; whoever stopped it meanwhile starts it again."""
    programs = bindir()
    assert programs is not None
    it = Server(programs, Path(tempfile.mkdtemp(prefix="barograph-pg-")), free_port())
    if os.geteuid() == 0:
        shutil.chown(it.folder, "postgres")
    try:
        it.make(auth)
        it.start()
        yield it
    finally:
        it.end()


@contextmanager
def server() -> Iterator[str]:
    """A running server; yields the DSN of its database `postgres` without the database's name."""
    with running() as it:
        yield it.dsn
