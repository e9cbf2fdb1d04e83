"""Headlines folded per second and core, through the whole stage on a store, and the memory it takes as history grows.

Time is processor time. Each size runs in a process of its own, because a peak of memory never goes down again.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from pipeline import fold
from pipeline.context import Context, utc_now
from pipeline.settings import Settings
from pipeline.warehouse import Warehouse

SIZES = (25_000, 50_000, 100_000)
READ = 4_000
FOLD_LIMIT, GROWTH_LIMIT = 2_000, 1.25
PER_DAY = 2_000
_UTC = pa.timestamp("us", tz="UTC")
# As in the archive we measure on: a name of the gazetteer in one headline of three.
_NAMES = ["Boeing", "Apple", "HSBC", "Tolva", "Orrin Foods", "Brightwater", "Holt", "Minister", "Growers", "Tenants"]
_KNOWN = 7
_DOINGS = ["shares fall", "raises forecast", "names new finance chief", "plans tower", "to hire 900 graduates",
           "beats estimates", "opens plant", "praises talks", "recalls vans", "meets rival"]  # fmt: skip
_TAILS = ["after weak quarter", "amid rate fears", "as demand cools", "in Leeds", "despite strike", "on Tuesday",
          "over 5% drop", "as rivals merge", "in $2bn deal", "ahead of vote"]  # fmt: skip


def headlines(n: int) -> list[tuple[str, str]]:
    """`n` headlines of about ten words from a vocabulary of four thousand, one in ten a copy of an earlier one; each
    with the company it names."""
    dice = random.Random(7)
    words = [
        "".join(dice.choice(p) for p in ("bdfghklmnprstv", "aeiou", "lmnrst", "aeiou", "dklnrst")) for _ in range(4000)
    ]
    told: list[tuple[str, str]] = []
    for i in range(n):
        if told and dice.random() < 0.1:
            told.append(told[dice.randrange(max(0, i - 500), i)])
            continue
        name = dice.choice(_NAMES)
        text = f"{name} {dice.choice(_DOINGS)} {dice.choice(_TAILS)}, says {' '.join(dice.choices(words, k=4))}"
        told.append((text, f"t:{name}" if _NAMES.index(name) < _KNOWN and dice.random() < 0.5 else ""))
    return told


def store(folder: Path, n: int) -> Context:
    """A store with `n` linked headlines, PER_DAY a day, none of them folded."""
    settings = Settings(store={"warehouse": "duckdb:bench.duckdb"}).anchored(folder)
    warehouse = Warehouse(settings.store.warehouse, utc_now)
    warehouse.prepare()
    told = headlines(n)
    began = datetime(2026, 1, 1, tzinfo=UTC)
    times = pa.array([began + i * timedelta(days=1) / PER_DAY for i in range(n)], _UTC)
    names = pa.array([f"{i:08d}" for i in range(n)])
    once = {"revision": pa.array([1] * n, pa.int32())}
    articles = pa.table(
        {
            "article_id": names,
            **once,
            "kind": ["news"] * n,
            "title": [title for title, _ in told],
            "published_at": times,
            "date_precision": ["second"] * n,
            "imported": [True] * n,
            "known_at": times,
        }
    )
    linked = pa.table({"article_id": names, **once, "entity_id": [""] * n, "linker_version": ["v"] * n})
    named = [(f"{i:08d}", entity) for i, (_, entity) in enumerate(told) if entity]
    mentions = pa.table(
        {
            "article_id": [name for name, _ in named],
            "revision": pa.array([1] * len(named), pa.int32()),
            "entity_id": [entity for _, entity in named],
            "start": pa.array([0] * len(named), pa.int32()),
            "relevance": [0.9] * len(named),
            "linker_version": ["v"] * len(named),
        }
    )
    companies = sorted({entity for _, entity in named})
    entities = pa.table({"entity_id": companies, "kind": ["company"] * len(companies)})
    for group, table, rows, keys in (
        ("articles", "articles", articles, ["article_id"]),
        ("mentions", "mentions", linked, ["article_id", "entity_id"]),
        ("mentions", "mentions", mentions, ["article_id", "entity_id"]),
        ("mentions", "entities", entities, ["entity_id"]),
    ):
        warehouse.transact(group, lambda tx, t=table, r=rows, k=keys: tx.insert_new(t, r, k))  # type: ignore[misc]
    return Context(settings, warehouse)


def measure(n: int, rewrites: bool) -> dict[str, float]:
    """Headlines per processor second, and the peak of memory in MB, of one run of the stage in this process."""
    with tempfile.TemporaryDirectory() as folder:
        context = store(Path(folder), n)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.process_time()
        fold.run(context, rewrites=rewrites)
        spent = time.process_time() - started
    return {
        "rate": n / spent,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "before": before / 1024,
    }


def apart(n: int, rewrites: bool) -> dict[str, float]:
    """`measure` in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_fold", str(n), *(["--rewrites"] if rewrites else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> list[tuple[str, float, str, str | None, bool | None]]:
    """Rates and peaks by size."""
    runs = {n: apart(n, rewrites=False) for n in SIZES}
    rate = runs[SIZES[-1]]["rate"]
    growth = runs[SIZES[-1]]["peak"] / runs[SIZES[0]]["peak"]
    read = apart(READ, rewrites=True)
    return [
        ("fold", rate, "headlines/s/core", f">= {FOLD_LIMIT:,}", rate >= FOLD_LIMIT),
        *((f"peak memory at {n:,}", runs[n]["peak"], "MB", None, None) for n in SIZES),
        ("peak, largest over smallest", growth, "×", f"<= {GROWTH_LIMIT}", growth <= GROWTH_LIMIT),
        ("fold with the encoder", read["rate"], "headlines/s/core", None, None),
        ("peak memory with it", read["peak"], "MB", None, None),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("n", type=int)
    parser.add_argument("--rewrites", action="store_true")
    given = parser.parse_args()
    print(json.dumps(measure(given.n, given.rewrites)))
