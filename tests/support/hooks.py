"""A webhook's end on a real socket that can misbehave: refuse, take and stay silent, break the line, answer slowly."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Hook", "Taken", "hook"]


@dataclass(frozen=True)
class Taken:
    """One request that arrived whole."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Hook:
    """Remembers what arrived; the next of `behaves` says what it does: a status, `silent`, `reset`, or seconds.

    `refusing`: headers of every answer that is a refusal. `clock`: what its Date says, in seconds since 1970.
    """

    behaves: list[int | str | float] = field(default_factory=list)
    refusing: dict[str, str] = field(default_factory=dict)
    clock: Callable[[], float] = time.time
    taken: list[Taken] = field(default_factory=list)
    port: int = 0
    scheme: str = "http"
    _done: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def answer(self, request: Any) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        self.taken.append(Taken(request.path, {k.lower(): v for k, v in request.headers.items()}, body))
        what = self.behaves.pop(0) if self.behaves else 200
        if what == "silent":
            self._done.wait(30)
            return
        if what == "reset":
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            request.connection.close()
            return
        if isinstance(what, float):
            time.sleep(what)
            what = 200
        request.send_response(what)
        for name, value in self.refusing.items() if int(what) >= 400 else ():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(b"refused for the test" if int(what) >= 400 else b"ok")

    def let_go(self) -> None:
        """Free those who wait in silence."""
        self._done.set()


@contextmanager
def hook(tls: ssl.SSLContext | None = None) -> Iterator[Hook]:
    """A hook that serves until the block ends."""
    end = Hook(scheme="https" if tls else "http")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            end.answer(self)

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:  # the other side, or we ourselves, broke the line
                self.close_connection = True

        def finish(self) -> None:
            try:
                super().finish()
            except (OSError, ValueError):
                self.close_connection = True

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(end.clock() if timestamp is None else timestamp)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:  # a refused certificate is the point of a test
            pass

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    end.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield end
    finally:
        end.let_go()
        server.shutdown()
        server.server_close()
        thread.join()
