"""`/metrics` over HTTP: the file of the last cycle, as it stands. Opens no store and holds no state."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST
from waitress.server import create_server

from pipeline.errors import PortInUse, SettingsError

__all__ = ["application", "serve"]

Start = Callable[[str, list[tuple[str, str]]], Any]


def application(file: Path) -> Callable[[dict[str, Any], Start], Iterable[bytes]]:
    """A WSGI application: GET /metrics answers `file`, 503 while no cycle has written it; all else is 404."""

    def answer(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        status, kind, body = "404 Not Found", "text/plain; charset=utf-8", b"only /metrics is here\n"
        if environ.get("PATH_INFO") == "/metrics" and environ.get("REQUEST_METHOD") in ("GET", "HEAD"):
            try:
                status, kind, body = "200 OK", CONTENT_TYPE_LATEST, file.read_bytes()
            except OSError:
                status, body = "503 Service Unavailable", b"no cycle has written metrics yet: run `barograph run`\n"
        start(status, [("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")])
        return [b"" if environ.get("REQUEST_METHOD") == "HEAD" else body]

    return answer


def serve(file: Path, host: str, port: int, *, on_ready: Callable[[str], None]) -> None:
    """Serve `file` until interrupted; `on_ready` is told the address. Port 0 takes a free one.

    Raises:
        PortInUse: another program listens there.
        SettingsError: this machine has no such address.
    """
    try:
        door = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(f"{host}:{port} is taken by another program. Stop it, or choose another --port.") from error
        raise SettingsError(f"--host {host} --port {port}: cannot listen there ({error.strerror}).") from error
    server = create_server(application(file), sockets=[door], threads=2, ident="barograph")
    try:
        on_ready(f"http://{f'[{host}]' if ':' in host else host}:{door.getsockname()[1]}/metrics")
        server.run()
    finally:
        server.close()
