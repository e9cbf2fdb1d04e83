"""Whether rebuilding after 10,000 new scores takes longer in a store with a longer history; time and peak memory.

One constant rate of news, 10,000 articles a day, over histories of different length: 1 and 10 million articles here,
others with `python -m tests.benchmarks.bench_rebuild --articles 1000000 100000000` (100 million: 30 GB of disk under
--folder, half an hour). The stores are drawn by DuckDB: narrow rows (no titles), every article linked and folded, all
but the newest 10,000 scored, the series counted, 20 feeds polled every hour.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.warehouse import Warehouse
from tests.pipeline.seeds import MODEL, activate_model

__all__ = ["main"]

Row = tuple[str, float, str, str | None, bool | None]

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
A_DAY, NEW = 10_000, 10_000
SMALL, LARGE = 1_000_000, 10_000_000
TIMES, MEMORY_GB = 2.0, 2.0

# Article i of n was known at NOW − (n − i) · 8.64 s; three of ten are copies of one of the 5,000 before.
_DRAWN = f"""
    CREATE TEMP MACRO known(i) AS
        make_timestamptz({int(NOW.timestamp()) * 1_000_000} - ($n - i) * {86_400_000_000 // A_DAY});
    CREATE TEMP MACRO day(i) AS make_timestamptz(epoch_us(known(i)) // 86_400_000_000 * 86_400_000_000);
    CREATE TEMP MACRO drawn(i, n) AS (hash(i) % n)::BIGINT;
    CREATE TEMP MACRO id(i) AS (i * 2654435761 % 1099511627776)::VARCHAR;
    CREATE TEMP MACRO begins(i) AS i % 10 < 7 OR i < 6000;
    CREATE TEMP MACRO story(i) AS CASE WHEN begins(i) THEN i ELSE i - i % 10 - drawn(i, 500) * 10 END;
    CREATE TEMP MACRO entity(i) AS 'co:' || drawn(i + 2, 500);
    CREATE TEMP MACRO named(i) AS drawn(i + 3, 4) = 0;
    CREATE TEMP MACRO paper(i) AS 'Paper ' || drawn(i + 4, 20);
    CREATE TEMP MACRO share(i) AS drawn(i + 5, 16) / 24.0;
"""
_TOPICS = "['Macro', 'Earnings', 'M&A | Investments', 'Legal | Regulation', 'Markets'][1 + drawn(i + 6, 5)]"
_INTO = {
    "articles": """SELECT id(i) AS article_id, 1 AS revision, 'news' AS kind, 'f' || drawn(i + 4, 20) AS feed_id,
        paper(i) AS publisher, 'en' AS language, known(i) AS published_at, 'second' AS date_precision,
        known(i) AS first_seen_at, false AS imported, known(i) AS recorded_at, known(i) AS known_at FROM $numbers""",
    "story_members": """SELECT id(story(i)) AS story_id, id(i) AS article_id,
        CASE WHEN begins(i) THEN 'first' ELSE 'copy' END AS how, known(i) AS recorded_at, known(i) AS known_at
        FROM $numbers""",
    "mentions": """SELECT id(i) AS article_id, 1 AS revision, '' AS entity_id, .8 AS relevance,
        'link-1' AS linker_version, known(i) AS recorded_at, known(i) AS known_at FROM $numbers
        UNION ALL SELECT id(i), 1, entity(i), .8, 'link-1', known(i), known(i) FROM $numbers WHERE named(i)""",
    "themes": """SELECT id(i) AS article_id, 1 AS revision, '' AS entity_id, 'fraud' AS theme,
        'themes-1' AS pattern_version, known(i) AS recorded_at, known(i) AS known_at FROM $numbers WHERE i % 20 = 0""",
    "scores": f"""SELECT id(i) AS article_id, 1 AS revision, '' AS entity_id, '{MODEL}' AS model_version,
        'scored' AS status, share(i) AS p_negative, .2 AS p_neutral, .8 - share(i) AS p_positive, {_TOPICS} AS topic,
        .9 AS p_topic, known(i) AS recorded_at, known(i) AS known_at FROM $numbers
        UNION ALL SELECT id(i), 1, entity(i), '{MODEL}', 'scored', share(i), .2, .8 - share(i), 'Macro', .9, known(i),
        known(i) FROM $numbers WHERE named(i)""",
}
_TRENDS = f"""
    INSERT INTO trends BY NAME
    SELECT day(i) AS bucket_start, 'day' AS grain, scope, key, '{MODEL}' AS model_version,
        count(*) AS news_volume, count(*) AS story_count, 0 AS negative_stories, 0 AS positive_stories,
        max(known(i)) AS recorded_at
    FROM (
        SELECT i, 'market' AS scope, 'all' AS key FROM $numbers UNION ALL
        SELECT i, 'entity', entity(i) FROM $numbers UNION ALL SELECT i, 'publisher', paper(i) FROM $numbers)
    GROUP BY ALL ORDER BY bucket_start"""


def main(sizes: Sequence[int] = (SMALL, LARGE), folder: Path | None = None) -> list[Row]:
    """Seconds and peak memory of a rebuild in a store of each size, and how much more it takes in the largest.

    The ratio is that of computing time: a neighbour on the same machine does not change it.
    """
    taken: dict[int, dict[str, float]] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory(dir=folder) as own:
            store = Path(own) / "store.duckdb"
            draw(store, size)
            taken[size] = _measured(store)
    rows: list[Row] = []
    for size, one in taken.items():
        rows.append((f"rebuild after {NEW:,} new scores, {size:,} articles", one["seconds"], "s", None, None))
        rows.append((f"… its computing time, {size:,} articles", one["computing"], "s", None, None))
        ok = one["gigabytes"] < MEMORY_GB
        rows.append((f"… its peak memory, {size:,} articles", one["gigabytes"], "GB", f"< {MEMORY_GB:.0f}", ok))
    times = taken[max(sizes)]["computing"] / taken[min(sizes)]["computing"]
    rows.append((f"… of {max(sizes):,} over {min(sizes):,}", times, "times", f"<= {TIMES:.0f}", times <= TIMES))
    return rows


def draw(store: Path, n: int, piece: int = 2_000_000) -> None:
    """Fill a new store with `n` articles and all that is said of them, but for the scores of the newest."""
    warehouse = Warehouse(f"duckdb:{store}", lambda: NOW - timedelta(minutes=10))
    warehouse.prepare()
    activate_model(warehouse)
    with warehouse.engine.connect(read_only=False) as con:
        con.execute("SET preserve_insertion_order = true; SET threads = 1; SET memory_limit = '2GB'")
        con.execute(_DRAWN.replace("$n", str(n)))
        for start in range(0, n, piece):
            print(f"  drawing {start:,} of {n:,} articles", file=sys.stderr, flush=True)
            end = min(start + piece, n)
            for table, sql in _INTO.items():
                last = min(end, n - NEW) if table == "scores" else end
                con.execute(f"INSERT INTO {table} BY NAME {sql.replace('$numbers', f'range({start}, {last}) AS r(i)')}")
            con.execute(_TRENDS.replace("$numbers", f"range({start}, {end}) AS r(i)"))
        began = NOW - timedelta(days=n / A_DAY)
        con.execute(
            "INSERT INTO publishers SELECT 'Paper ' || i, 'House ' || (i // 2), '' FROM range(20) AS r(i);"
            "INSERT INTO entities BY NAME SELECT 'co:' || i AS entity_id, 'Company ' || i AS name, 'company' AS kind,"
            " 'sector ' || (i % 11) AS sector FROM range(500) AS r(i);"
            "INSERT INTO feeds BY NAME SELECT 'f' || i AS feed_id, 'Paper ' || i AS publisher, 'rss' AS kind,"
            f" 'active' AS status, TIMESTAMPTZ '{began.isoformat()}' AS added_at FROM range(20) AS r(i);"
            "INSERT INTO fetches BY NAME SELECT feed_id, polled AS fetched_at, 'new' AS outcome, polled AS recorded_at,"
            " polled AS known_at FROM range("
            f" TIMESTAMPTZ '{began.isoformat()}', TIMESTAMPTZ '{NOW.isoformat()}', INTERVAL 1 HOUR) AS r(polled), feeds"
        )
        # As the last pass left it: everything but the new scores was there.
        con.execute(
            "INSERT INTO rebuilds VALUES (?, ?, true, ?)",
            [MODEL, NOW - timedelta(minutes=5), NOW - timedelta(minutes=5)],
        )
        con.execute("CHECKPOINT")


def _measured(store: Path) -> dict[str, float]:
    """Seconds, seconds of computing and GB of one pass, in a process of its own: nothing of the drawing is counted."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_rebuild", "--measure", str(store)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _rebuild(store: Path) -> dict[str, float]:
    """Insert the missing scores as `score` would, then time one pass of `aggregate`."""
    import resource

    from pipeline import aggregate
    from pipeline.context import Context
    from pipeline.settings import Settings

    warehouse = Warehouse(f"duckdb:{store}", lambda: NOW)
    with warehouse.read() as con:
        n = con.execute("SELECT count(*) FROM articles").fetchone()
    total = int(n[0]) if n else 0
    now = f"TIMESTAMPTZ '{NOW.isoformat()}'"
    stamped = (
        _INTO["scores"]
        .replace("known(i) AS recorded_at", f"{now} AS recorded_at")
        .replace(".9, known(i),", f".9, {now},")
    )
    with warehouse.write("scores") as tx:
        tx.con.execute(_DRAWN.replace("$n", str(total)))
        numbers = f"range({total - NEW}, {total}) AS r(i)"
        tx.con.execute(f"INSERT INTO scores BY NAME {stamped.replace('$numbers', numbers)}")
    context = Context(Settings().anchored(store.parent), warehouse, lambda: NOW)
    began, computed = time.perf_counter(), time.process_time()
    report = aggregate.run(context)
    seconds, computing = time.perf_counter() - began, time.process_time() - computed
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return {"seconds": seconds, "computing": computing, "gigabytes": peak, **report.counts}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--articles", type=int, nargs="+", default=[SMALL, LARGE], help="sizes of the histories")
    parser.add_argument("--folder", type=Path, help="where the stores are drawn (removed afterwards)")
    parser.add_argument("--measure", type=Path, help="only time one pass over this store")
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(_rebuild(arguments.measure)))
    else:
        for figure in main(arguments.articles, arguments.folder):
            print(*figure)
