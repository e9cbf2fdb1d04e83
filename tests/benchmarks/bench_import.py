"""The import of an archive, and of the same archive again."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from pipeline.context import Context, utc_now
from pipeline.ingest.archive import import_frame
from pipeline.settings import Settings
from pipeline.warehouse import Warehouse

Row = tuple[str, float, str, str | None, bool | None]

ARCHIVE_ROWS = 16_000


def main() -> list[Row]:
    """Measure; the limit is on what the process itself computed: machines are shared."""
    return list(_import())


def _import() -> Iterator[Row]:
    start = pd.Timestamp("2019-01-01", tz="UTC")
    frame = pd.DataFrame(
        {
            "title": [f"Company {i % 97} reports result number {i} for the quarter" for i in range(ARCHIVE_ROWS)],
            "summary": [f"The <b>result</b> was {i}&nbsp;million." for i in range(ARCHIVE_ROWS)],
            "link": [f"https://gazette.example/{i}" for i in range(ARCHIVE_ROWS)],
            "published_at": [start + pd.Timedelta(minutes=30 * i) for i in range(ARCHIVE_ROWS)],
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        context = _context(Path(folder))
        started = time.process_time()
        report = import_frame(context, frame, "Harbour Gazette")
        rate = report.counts["new_articles"] / (time.process_time() - started)
        yield "import of an archive", report.counts["new_articles"] / report.seconds, "rows/s", None, None
        yield "the same, per second of computing", rate, "rows/s", "≥ 6,000", rate >= 6_000
        again = import_frame(context, frame, "Harbour Gazette")
        assert again.counts["new_articles"] == 0
        yield "importing it again", ARCHIVE_ROWS / again.seconds, "rows/s", None, None


def _context(root: Path) -> Context:
    settings = Settings().anchored(root)
    warehouse = Warehouse(settings.store.warehouse, utc_now)
    warehouse.prepare()
    return Context(settings, warehouse)


if __name__ == "__main__":
    for row in main():
        print(*row, sep="\t")
