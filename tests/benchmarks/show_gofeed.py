"""How far we agree with gofeed on its own test documents, and every difference with its reason.

python -m tests.benchmarks.show_gofeed: the folder is feeds/gofeed/testdata under BAROGRAPH_SHARED_DATA.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipeline.context import utc_now
from pipeline.ingest.parse import parse
from tests.benchmarks.gofeed import BASE, FIELDS, REASONS, Compared, compared, documents

__all__ = ["folder_of"]


def folder_of(data: Path) -> Path:
    """Where the documents are in the shared data."""
    return data / "feeds" / "gofeed" / "testdata"


def main() -> None:
    """Print the agreement by field, what became of the documents, and the differences."""
    root = Path(__file__).resolve().parent.parent.parent
    folder = folder_of(Path(os.environ.get("BAROGRAPH_SHARED_DATA", root.parent / "shared" / "data")))
    if not folder.is_dir():
        print(f"no documents in {folder} (set BAROGRAPH_SHARED_DATA)")
        return
    found = list(compared(folder))
    table = Table("field", "both have one", "agree", "share", "only gofeed", "only we", box=None)
    for field in (*FIELDS, "all"):
        mine = [one for one in found if field in (one.field, "all")]
        both = [one for one in mine if one.both]
        agree = sum(one.agree for one in both)
        only = [
            sum(bool(one.theirs) and not one.both for one in mine),
            sum(bool(one.ours) and not one.both for one in mine),
        ]
        table.add_row(field, str(len(both)), str(agree), f"{agree / max(1, len(both)):.1%}", *map(str, only))
    outcomes, slowest = _read(documents(folder))
    console = Console(width=140)
    console.print(table)
    print(f"{outcomes.total()} documents: {dict(outcomes.most_common())}; the slowest took {slowest:.3f} s")
    for one in (one for one in found if not (one.both and one.agree)):
        console.print(f"{one.file} {one.field}: gofeed {one.theirs!r}, we {one.ours!r}: {_reason(one)}", soft_wrap=True)


def _reason(one: Compared) -> str:
    return REASONS.get((Path(one.file).name, one.field), "NOT EXPLAINED")


def _read(paths: list[Path]) -> tuple[Counter[str], float]:
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    for path in paths:
        body = path.read_bytes()
        started = time.perf_counter()
        feed = parse(body, feed_id="f", content_type="", url=BASE, now=utc_now())
        slowest = max(slowest, time.perf_counter() - started)
        outcomes[feed.outcome or "with entries"] += 1
    return outcomes, slowest


if __name__ == "__main__":
    main()
