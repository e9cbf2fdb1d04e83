"""`barograph dashboard`: what was published, as pages."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.common import ConfigOption, out, settings_of

__all__ = ["register"]

HostOption = Annotated[str | None, typer.Option(help="Listen here instead of \\[dashboard] host.")]
PortOption = Annotated[int | None, typer.Option(min=0, max=65535, help="Listen here instead of \\[dashboard] port.")]


def register(app: typer.Typer) -> None:
    """Add `dashboard`."""
    app.command("dashboard")(_dashboard)


def _dashboard(host: HostOption = None, port: PortOption = None, config: ConfigOption = None) -> None:
    """Serve the dashboard from the published snapshot, until stopped. Example: barograph dashboard --port 8051"""
    from dashboards.serve import serve

    settings = settings_of(config)
    asked = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = settings.model_copy(update={"dashboard": settings.dashboard.model_copy(update=asked)})
    serve(settings, on_ready=lambda address: out.print(f"the dashboard is at {address} (stop with Ctrl-C)"))
