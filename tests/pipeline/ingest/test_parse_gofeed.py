"""gofeed's own test documents: none crashes us, hangs or takes long, and we read what gofeed reads."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.ingest.parse import Body
from pipeline.ingest.pool import ParserPool
from tests.benchmarks.gofeed import BASE, FIELDS, REASONS, compared, documents
from tests.benchmarks.show_gofeed import folder_of

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
LIMIT_S = 2.0


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    found = folder_of(shared_data)
    if not found.is_dir():
        pytest.skip(f"gofeed's documents are not in {found}")
    return found


def test_no_document_crashes_hangs_or_takes_over_two_seconds(folder: Path) -> None:
    paths = documents(folder)
    assert (sum(p.suffix == ".xml" for p in paths), sum(p.suffix == ".json" for p in paths)) == (541, 11)
    started = time.monotonic()
    feeds = list(ParserPool(2, limit_s=LIMIT_S)(Body(path.read_bytes(), "f", "", BASE, NOW) for path in paths))
    assert time.monotonic() - started < LIMIT_S * len(paths)
    assert len(feeds) == len(paths)
    assert not [feed.error for feed in feeds if "was stopped" in feed.error or "failed" in feed.error]
    assert all(feed.entries or feed.outcome for feed in feeds)


@pytest.mark.parametrize("field", FIELDS)
def test_we_agree_with_gofeed_on_what_both_read(field: str, folder: Path) -> None:
    both = [one for one in compared(folder) if one.field == field and one.both]
    assert len(both) > 10
    assert sum(one.agree for one in both) >= 0.97 * len(both)


def test_every_difference_has_its_reason(folder: Path) -> None:
    differ = {(Path(one.file).name, one.field) for one in compared(folder) if not (one.both and one.agree)}
    assert differ == set(REASONS)
