"""Serving the pages with waitress: until stopped, or in a thread beside other work."""

from __future__ import annotations

import errno
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from waitress.server import create_server

from dashboards.app import create_app
from dashboards.data import Reader
from dashboards.warm import keep_warm
from pipeline.context import utc_now
from pipeline.errors import PortInUse, SettingsError
from pipeline.settings import Settings

__all__ = ["serve", "server_in_thread"]

# More than that many questions at once do not get their answers sooner; fewer, and a short one waits for the long ones.
_THREADS = 16


def serve(settings: Settings, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve the pages until interrupted (Ctrl-C). `on_ready` is told the address once it is open.

    Raises:
        PortInUse: another program listens there.
    """
    reader, stop = Reader(settings.store.published), threading.Event()
    server, address = _listening(settings, utc_now, reader)
    threading.Thread(target=keep_warm, args=(reader, utc_now, stop), name="warm", daemon=True).start()
    try:
        if on_ready:
            on_ready(address)
        server.run()
    finally:
        stop.set()
        server.close()


@contextmanager
def server_in_thread(settings: Settings, *, clock: Callable[[], datetime] = utc_now) -> Iterator[str]:
    """The pages served beside the block; gives their address. Port 0 takes a free one.

    Raises:
        PortInUse: another program listens there.
    """
    server, address = _listening(settings, clock, Reader(settings.store.published))
    thread = threading.Thread(target=server.run, name="dashboard", daemon=True)
    thread.start()
    try:
        yield address
    finally:
        # Answers under way are finished before the socket goes.
        server.task_dispatcher.shutdown()
        server.trigger.pull_trigger(server.close)
        thread.join(timeout=10)


def _listening(settings: Settings, clock: Callable[[], datetime], reader: Reader) -> tuple[Any, str]:
    """A server on an open socket, and its address. The socket is ours: waitress leaves its own open on failure."""
    host, port = settings.dashboard.host, settings.dashboard.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        door = socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(
                f"{host}:{port} is taken by another program. Stop it, or use `barograph dashboard --port {port + 1}`."
            ) from error
        raise SettingsError(f"[dashboard] host {host}, port {port}: cannot listen there ({error.strerror}).") from error
    app = create_app(settings, clock=clock, reader=reader)
    # It warns of every answer that has to wait for a thread, which on a busy morning is most of them.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    shown = f"[{host}]" if family == socket.AF_INET6 else host
    address = f"http://{shown}:{door.getsockname()[1]}/"
    return create_server(app.server, sockets=[door], threads=_THREADS, ident="barograph"), address
