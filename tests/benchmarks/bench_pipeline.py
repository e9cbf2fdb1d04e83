"""Articles per second of each stage and of all together, on the bundled archive with the shipped model."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

from demo.archive import read
from demo.serve import FeedServer
from pipeline.context import silent
from pipeline.ingest.archive import import_frame
from pipeline.stages import STAGES, run_stage

NOW = datetime(2026, 3, 4, 15, tzinfo=UTC)


def main() -> list[tuple[str, float, str, str | None, bool | None]]:
    """One row per stage (the archive comes in by `import`; `ingest` is measured in bench_cycle)."""
    from demo.run import prepare

    frame = read.articles(NOW)
    rows: list[tuple[str, float, str, str | None, bool | None]] = []
    total = 0.0
    with tempfile.TemporaryDirectory() as folder, FeedServer() as server:
        context = prepare(Path(folder) / "demo", server, 8050, lambda: NOW, silent)
        reports = [import_frame(context, frame)]
        reports += [run_stage(stage, context) for stage in STAGES if stage != "ingest"]
    for report in reports:
        total += report.seconds
        rows.append((report.stage, len(frame) / max(report.seconds, 1e-9), "articles/s", None, None))
    rows.append(("end to end", len(frame) / total, "articles/s", None, None))
    return rows
