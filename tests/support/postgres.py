"""A real PostgreSQL for the tests: Debian's program, a fresh cluster on a free port of loopback, stopped at the end."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.ports import free_port

__all__ = ["bindir", "server"]


def bindir() -> Path | None:
    """Where Debian put initdb and pg_ctl; None where PostgreSQL is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    return found[-1].parent if found else None


@contextmanager
def server() -> Iterator[str]:
    """A running server; yields the DSN of its database `postgres` without the database's name."""
    programs = bindir()
    assert programs is not None
    folder = Path(tempfile.mkdtemp(prefix="barograph-pg-"))
    port = free_port()
    # PostgreSQL refuses to run as root, which is what CI is.
    as_root = os.geteuid() == 0
    if as_root:
        shutil.chown(folder, "postgres")

    def run(*command: str) -> None:
        full = ["runuser", "-u", "postgres", "--", *command] if as_root else list(command)
        # Its own log file: a server that inherits our pipe would keep it open for ever.
        with (folder.parent / f"{folder.name}.log").open("ab") as log:
            subprocess.run(full, check=True, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder, timeout=120)

    data = str(folder / "data")
    run(str(programs / "initdb"), "-D", data, "-A", "trust", "-U", "postgres", "--no-sync")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    run(str(programs / "pg_ctl"), "-D", data, "-o", options, "-l", str(folder / "log"), "-w", "start")
    try:
        yield f"host=127.0.0.1 port={port} user=postgres"
    finally:
        run(str(programs / "pg_ctl"), "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder, ignore_errors=True)
        (folder.parent / f"{folder.name}.log").unlink(missing_ok=True)
