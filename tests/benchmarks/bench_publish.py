"""What publishing costs when one day changed, in a store of ninety days and in one of four times as many, and what
opening the pages' tables costs."""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline import publish
from pipeline.context import Context
from pipeline.publish.snapshot import Snapshot
from pipeline.settings import Settings
from pipeline.warehouse import Warehouse
from tests.pipeline.seeds import MODEL, activate_model

SERIES, NEW = 400, 500
# One rate of stories, a past of two lengths.
SIZES = ((100_000, 90), (400_000, 360))
NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)

Row = tuple[str, float, str, str | None, bool | None]


def main() -> list[Row]:
    """Seconds of a first publish, of one after a day changed, and of reading; parts written the second time."""
    found: list[Row] = []
    seconds = []
    for stories, days in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            first, second, written, reading = _measured(Path(folder), stories, days)
        seconds.append(second)
        found += [
            (f"first publish, {stories:,} stories of {days} days, {SERIES} series", first, "s", None, None),
            (f"publish after {NEW} new stories of one day", second, "s", "<= the first", second <= first),
            ("parts of stories written for that day", float(written), "files", "<= 2", written <= 2),
            ("read all stories of the snapshot", reading, "s", None, None),
        ]
    growth = seconds[1] / seconds[0]
    return [*found, ("publish again, four times the past over the shorter", growth, "×", "<= 2", growth <= 2)]


def _measured(folder: Path, stories: int, days: int) -> tuple[float, float, int, float]:
    settings = Settings().anchored(folder)
    warehouse = Warehouse(settings.store.warehouse, lambda: NOW)
    warehouse.prepare()
    context = Context(settings, warehouse, lambda: NOW)
    activate_model(warehouse)
    _fill(warehouse, 0, stories, days)
    _fill_trends(warehouse, days)
    first = _timed(lambda: publish.run(context))
    _fill(warehouse, stories, NEW, 1)
    second = _timed(lambda: publish.run(context))
    reading = _timed(lambda: Snapshot.open(settings.store.published).table("stories"))
    return first, second, _parts_of_stories(settings.store.published), reading


def _timed(work: object) -> float:
    started = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - started


def _parts_of_stories(root: Path) -> int:
    """How many parts of the newest manifest the one before did not have."""
    import json

    old, new = (
        set(json.loads(path.read_text())["tables"]["stories"])
        for path in sorted((root / "manifests").glob("*.json"), key=lambda path: path.stat().st_mtime)[-2:]
    )
    return len(new - old)


def _fill(warehouse: Warehouse, start: int, count: int, days: int) -> None:
    rng = np.random.default_rng(start)
    ids = [f"{n:032x}" for n in range(start, start + count)]
    at = [NOW - timedelta(seconds=int(s)) for s in rng.integers(0, days * 86_400, count)]
    stamp = pa.array(at, pa.timestamp("us", tz="UTC"))
    zero = pa.array([0] * count, pa.int32())
    shares = rng.random(count)
    articles = {
        "article_id": ids, "revision": zero, "kind": ["news"] * count,
        "publisher": [f"p{n % 40}" for n in range(count)],
        "url": [f"https://news.example/{n}" for n in ids], "title": [f"Company {n} reports its results" for n in ids],
        "published_at": stamp, "date_precision": ["second"] * count, "imported": [False] * count, "known_at": stamp,
    }  # fmt: skip
    members = {"article_id": ids, "story_id": ids, "how": ["first"] * count, "known_at": stamp}
    scores = {
        "article_id": ids, "revision": zero, "entity_id": [""] * count, "model_version": [MODEL] * count,
        "status": ["scored"] * count, "p_negative": shares, "p_neutral": (1 - shares) / 2,
        "p_positive": (1 - shares) / 2,
        "topic": ["Macro"] * count, "known_at": stamp,
    }  # fmt: skip
    for group, table, rows in (
        ("articles", "articles", articles), ("stories", "story_members", members), ("scores", "scores", scores),
    ):  # fmt: skip
        batch = pa.table(rows)
        warehouse.transact(group, lambda tx, t=table, b=batch: tx.insert_new(t, b, ["article_id"]))  # type: ignore[misc]


def _fill_trends(warehouse: Warehouse, days: int) -> None:
    rng = np.random.default_rng(days)
    count = SERIES * days
    midnight = NOW.replace(hour=0)
    stories = rng.poisson(12, count)
    starts = [midnight - timedelta(days=n % days) for n in range(count)]
    rows = pa.table(
        {
            "bucket_start": pa.array(starts, pa.timestamp("us", tz="UTC")),
            "grain": ["day"] * count, "scope": ["entity"] * count, "key": [f"e{n // days}" for n in range(count)],
            "model_version": [MODEL] * count, "news_volume": stories, "story_count": stories,
            "negative_stories": rng.binomial(stories, 0.2), "owners": stories,
        }
    )  # fmt: skip
    fits = pa.table(
        {
            "fit_id": [f"f{n}" for n in range(SERIES)], "scope": ["entity"] * SERIES,
            "key": [f"e{n}" for n in range(SERIES)], "grain": ["day"] * SERIES, "model_version": [MODEL] * SERIES,
            "fitted_for": pa.array([midnight] * SERIES, pa.timestamp("us", tz="UTC")), "status": ["ok"] * SERIES,
            "parameters": ['{"rates": [0.2, 0.2], "rho": 0.02}'] * SERIES,
        }
    )  # fmt: skip
    warehouse.transact("trends", lambda tx: tx.upsert("trends", rows, ["scope", "key", "bucket_start"]))
    warehouse.transact("trends", lambda tx: tx.upsert("fits", fits, ["fit_id"]))
