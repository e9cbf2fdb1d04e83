"""Another network than ours for the fetcher: names answer as told, connections are real and go to local servers."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpcore

from pipeline.errors import FetchFailed

__all__ = ["PUBLIC", "Names", "Wires", "talking"]

# A public address that nobody connects to here: `Wires` says where it leads.
PUBLIC = "93.184.216.34"


@dataclass
class Names:
    """A name service: each host's answers in turn, the last one again and again; `asked` in order."""

    answers: Mapping[str, Sequence[Sequence[str]]]
    asked: list[str] = field(default_factory=list)

    async def __call__(self, host: str, port: int) -> list[str]:
        if host not in self.answers:
            raise FetchFailed("network", f"{host} has no address")
        turns = self.answers[host]
        self.asked.append(host)
        return list(turns[min(self.asked.count(host), len(turns)) - 1])


class Wires(httpcore.AsyncNetworkBackend):
    """Connects to 127.0.0.1 at the port that `routes` has for an address; `opened` are the connections asked for."""

    def __init__(self, routes: Mapping[str, int] | None = None) -> None:
        self.routes = routes or {}
        self.opened: list[tuple[str, int]] = []
        self._real = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.opened.append((host, port))
        if host not in self.routes:
            raise httpcore.ConnectError(f"nothing at {host}")
        return await self._real.connect_tcp("127.0.0.1", self.routes[host], timeout, local_address, socket_options)


@contextmanager
def talking(answer: Callable[[Callable[[bytes], object]], None]) -> Iterator[int]:
    """A server on loopback that reads a request's head and lets `answer` send whatever bytes it likes; its port."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            try:
                answer(self.wfile.write)
            except OSError:
                return  # the client had enough, which is what the test is about

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True
        request_queue_size = 64

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
