"""`barograph metrics`: what a monitoring system asks, printed, or served from the file that each cycle writes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.common import ConfigOption, opened, out, settings_of
from pipeline.metrics import FILE, exposition, read

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add `metrics`."""
    app.command("metrics")(_metrics)


def _metrics(
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Serve /metrics on this port.")] = None,
    host: Annotated[str, typer.Option(help="With --port: the address to listen on.")] = "127.0.0.1",
    config: ConfigOption = None,
) -> None:
    """Print the metrics of now in Prometheus' text format; with --port serve those of the last cycle, until stopped.

    The server never opens the store: each cycle leaves its metrics beside the published snapshot. Nothing in them is
    secret, but they are served without asking who you are. Example: barograph metrics --port 9108
    """
    if port is None:
        with opened(config) as context:
            sys.stdout.write(exposition(read(context)).decode())
        return
    from pipeline.metrics.endpoint import serve

    settings = settings_of(config)
    file: Path = settings.store.published / FILE
    serve(file, host, port, on_ready=lambda address: out.print(f"the metrics are at {address} (stop with Ctrl-C)"))
