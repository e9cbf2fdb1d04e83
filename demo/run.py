"""The demo from end to end: its own store, the archive imported, its last hours fetched as feeds, all stages run."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pandas as pd

from demo.archive import read
from demo.serve import FeedServer
from pipeline.context import Clock, Context, Progress, Report, open_context, silent, utc_now
from pipeline.errors import InputError, PortInUse
from pipeline.ingest.archive import import_frame
from pipeline.stages import STAGES, run_stage

__all__ = ["LIVE", "Summary", "prepare", "run", "serve_pages"]

# What is served as feeds; the rest is history and comes in as an archive. A feed dates its items to the second and
# a bucket takes an observed article by that date for a day, so half a day of feeds lands in the right hours.
LIVE = timedelta(hours=12)
MARKER = "This folder was made by `barograph demo` and is removed by the next one.\n"


@dataclass
class Summary:
    """What the demo found, in numbers and in words."""

    folder: Path
    context: Context
    reports: list[Report] = field(default_factory=list)
    articles: int = 0
    stories: int = 0
    incidents: list[tuple[str, str, str]] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """The summary as a person reads it."""
        seconds = sum(report.seconds for report in self.reports)
        yield f"DEMO  fictional news; everything in {self.folder}"
        yield f"  {self.articles:,} articles, {self.stories:,} stories, {len(self.incidents)} alerts in {seconds:.0f} s"
        for severity, label, summary in self.incidents:
            yield f"  [{severity.upper()}] {label}: {summary}"
        config = self.folder / "barograph.toml"
        yield f"  look:   barograph incidents list --config {config}"
        yield f"  sent:   {self.folder / 'data'} (the messages, as the receiver `log` got them)"
        host, port = self.context.settings.dashboard.host, self.context.settings.dashboard.port
        yield f"  pages:  barograph dashboard --config {config}   → http://{host}:{port}"


def run(
    folder: Path,
    *,
    port: int = 8050,
    check_port: bool = True,
    clock: Clock = utc_now,
    progress: Progress = silent,
) -> Summary:
    """Make the demo in `folder` anew and run all eight stages on it.

    Raises:
        InputError: `folder` holds something that the demo did not make.
        PortInUse: `check_port`, and the dashboard's port is taken: said before the work, not after it.
    """
    if check_port:
        _refuse_taken(port)
    now = clock()
    archive = read.articles(now)
    publishers = read.publishers().set_index("publisher")
    with FeedServer(categories=dict(publishers.category), owners=dict(publishers.owner)) as server:
        for publisher, rows in archive[archive.published_at > now - LIVE].groupby("publisher"):
            server.publish(str(publisher), rows)
        context = prepare(folder, server, port, clock, progress)
        summary = Summary(folder, context)
        past = archive[archive.published_at <= now - LIVE]
        summary.reports.append(_imported(context, past))
        for stage in STAGES:
            summary.reports.append(run_stage(stage, context))
    _count(summary)
    return summary


def prepare(folder: Path, server: FeedServer, port: int, clock: Clock, progress: Progress) -> Context:
    """The demo's folder, made anew: settings, feeds, watch-lists, and an empty store."""
    marker = folder / "DEMO"
    if folder.exists():
        if not marker.exists() and any(folder.iterdir()):
            raise InputError(f"{folder} holds files that the demo did not make: give another folder with --dir.")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    marker.write_text(MARKER, encoding="utf-8")
    (folder / "feeds.opml").write_text(server.opml(), encoding="utf-8")
    shutil.copyfile(read.WATCHLISTS, folder / "watchlists.toml")
    (folder / "barograph.toml").write_text(
        "demo = true\n"
        f"[ingest]\nallow_hosts = [{json.dumps(server.address)}]\n"
        f"[link]\nentities = [{json.dumps(str(read.ENTITIES))}]\n"
        f"[dashboard]\nport = {port}\n",
        encoding="utf-8",
    )
    # A variable that names a real store or real receivers would pour invented news into them.
    return open_context(folder / "barograph.toml", clock=clock, progress=progress, run_id="demo", environment=False)


def serve_pages(summary: Summary) -> None:
    """Serve the dashboard of the demo until stopped."""
    from dashboards.serve import serve

    serve(summary.context.settings)


def _imported(context: Context, past: pd.DataFrame) -> Report:
    report = import_frame(context, past.rename(columns={"link": "url"}))
    report.stage = "import"
    return report


def _count(summary: Summary) -> None:
    with summary.context.warehouse.read() as con:
        row = con.execute(
            "SELECT (SELECT count(DISTINCT article_id) FROM articles),"
            " (SELECT count(DISTINCT story_id) FROM story_members)"
        ).fetchone()
        assert row is not None
        summary.articles, summary.stories = row
        summary.incidents = con.execute(
            "SELECT severity, label, summary FROM incidents WHERE state IN ('firing', 'acknowledged')"
            " ORDER BY array_position(['critical', 'error', 'warning', 'info'], severity), fired_at, incident_id"
        ).fetchall()


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise PortInUse(
                f"port {port} of 127.0.0.1 is taken. Stop what uses it, or: barograph demo --port {port + 1}"
            ) from error
