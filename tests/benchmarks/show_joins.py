"""How many of the joins of real headlines are right, by judgements kept in tests/pipeline/fold/joins.csv.

python -m tests.benchmarks.show_joins STORE [--unjudged]: STORE is what `python docs/real_headlines.py` leaves, such as
duckdb:build/real-headlines/data/barograph.duckdb. A join is an article of a story and the first article of that story;
the headlines are their publishers', so the file names a join by a hash of both titles. `--unjudged` shows those that
nobody has judged.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from pipeline.context import utc_now
from pipeline.warehouse import Warehouse
from tests.pipeline.fold import events

__all__ = ["Join", "joins"]

JUDGED = Path(events.__file__).with_name("joins.csv")
_JOINS = """
    WITH standing AS (
        SELECT article_id, story_id, how FROM story_members
        QUALIFY row_number() OVER (PARTITION BY article_id ORDER BY recorded_at DESC, how = 'merged' DESC) = 1
    ), told AS (
        SELECT s.*, a.title, a.known_at,
               row_number() OVER (PARTITION BY s.story_id ORDER BY a.known_at, a.article_id) AS place
        FROM standing AS s JOIN articles AS a USING (article_id)
    )
    SELECT f.title, t.title, t.how FROM told AS t JOIN told AS f ON f.story_id = t.story_id AND f.place = 1
    WHERE t.place > 1 ORDER BY f.known_at, f.title, t.title
"""


class Join(NamedTuple):
    """Titles of a story's first article and of another of its articles, and how that one came there."""

    first: str
    other: str
    how: str

    @property
    def key(self) -> str:
        """What joins.csv calls it."""
        return hashlib.sha256(f"{self.first}\n{self.other}".encode()).hexdigest()[:12]

    @property
    def half(self) -> str:
        """`tuning`: rules were chosen on it; `held`: on this half nothing was."""
        return "tuning" if hashlib.sha256(f"join{min(self.first, self.other)}".encode()).digest()[0] % 2 else "held"


def joins(store: str) -> list[Join]:
    """All joins of a store."""
    with Warehouse(store, utc_now).read() as con:
        return [Join(*row) for row in con.execute(_JOINS).fetchall()]


def main() -> None:
    """Print the counts of docs/fold.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store")
    parser.add_argument("--unjudged", action="store_true", help="show the joins that nobody has judged")
    arguments = parser.parse_args()
    with JUDGED.open(encoding="utf-8", newline="") as file:
        judged = {row["key"]: row["judged"] for row in csv.DictReader(file)}
    counts: Counter[tuple[str, str]] = Counter()
    for join in joins(arguments.store):
        said = judged.get(join.key, "unjudged")
        for of in ("all", join.half, join.how):
            counts[of, said] += 1
        if arguments.unjudged and said == "unjudged":
            print(f"{join.key} {join.how} {join.first} | {join.other}")
    for of in sorted({of for of, _ in counts}):
        parts = [f"{counts[of, said]} {said}" for said in ("right", "comment", "wrong", "unjudged") if counts[of, said]]
        print(f"{of}: {', '.join(parts)}")


if __name__ == "__main__":
    main()
