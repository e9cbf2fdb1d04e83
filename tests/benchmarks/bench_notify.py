"""How fast events become saved messages, how fast messages leave, and how long a slow channel holds up a cycle."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from pipeline.context import Context
from pipeline.notify import run
from pipeline.settings import Settings
from pipeline.warehouse import Warehouse
from tests.pipeline.notify.world import NOW, Memory, decision, detection, fired, put
from tests.support.hooks import hook

EVENTS = 10_000
MESSAGES = 1_000


def fresh(folder: Path) -> Context:
    """A context on a new store with a clock that stands still."""
    settings = Settings(store={"warehouse": "duckdb:bench.duckdb"}).anchored(folder)
    warehouse = Warehouse(settings.store.warehouse, lambda: NOW)
    warehouse.prepare()
    return Context(settings, warehouse, lambda: NOW)


def fill(context: Context, n: int, rules: int) -> None:
    """`n` incidents that fire (two events each) under so many rules."""
    found = [detection(f"k{i:05}", rule=f"rule-{i % rules:04}") for i in range(n)]
    lives = [fired(f) for f in found]
    put(
        context.warehouse,
        lives,
        {v[0].incident_id: [("decision", decision(f))] for v, f in zip(lives, found, strict=True)},
    )


def slow() -> tuple[float, int]:
    """The longest run (s), and how many it took to deliver everything over real HTTP."""
    with tempfile.TemporaryDirectory() as folder, hook() as end:
        context = fresh(Path(folder))
        context.settings.notify.routes.write_text(
            f'[[route]]\nreceiver = "hook"\n[receivers.hook]\nurls = ["webhook+{end.url}/in"]\n', encoding="utf-8"
        )
        fill(context, MESSAGES, MESSAGES)
        end.behaves = [0.2] * MESSAGES
        longest, runs = 0.0, 0
        while len(end.taken) < MESSAGES:
            started = time.perf_counter()
            run(context)
            longest, runs = max(longest, time.perf_counter() - started), runs + 1
        assert len({taken.headers["idempotency-key"] for taken in end.taken}) == MESSAGES
    return longest, runs


def latency() -> float:
    """Seconds a run of notify takes that has one incident to tell: in `watch` it follows `detect` at once."""
    with tempfile.TemporaryDirectory() as folder:
        context = fresh(Path(folder))
        fill(context, 1, 1)
        started = time.perf_counter()
        run(context, {"log": Memory()})
        return time.perf_counter() - started


def main() -> list[tuple[str, float, str, str | None, bool | None]]:
    """Events decided and saved per second; messages saved and sent per second."""
    with tempfile.TemporaryDirectory() as folder:
        context = fresh(Path(folder))
        fill(context, EVENTS // 2, 20)
        started = time.perf_counter()
        report = run(context, {"log": Memory()})
        saving = time.perf_counter() - started
        assert report.counts["sent"] == 20, report.counts
    with tempfile.TemporaryDirectory() as folder:
        context = fresh(Path(folder))
        fill(context, MESSAGES, MESSAGES)
        started = time.perf_counter()
        sent = 0
        while sent < MESSAGES:
            sent += run(context).counts["sent"]
        sending = time.perf_counter() - started
    longest, runs = slow()
    alone = sorted(latency() for _ in range(5))[2]
    return [
        (f"{MESSAGES:,} messages of 200 ms each, {runs} runs: the longest", longest, "s", "< 45", longest < 45),
        ("one incident, from detect's commit to the channel", alone, "s", "< 5", alone < 5),
        (f"{EVENTS:,} events to 20 messages", saving, "s", "< 30", saving < 30),
        (f"{MESSAGES:,} messages through a file", MESSAGES / sending, "messages/s", "> 10", MESSAGES / sending > 10),
    ]


if __name__ == "__main__":
    for row in main():
        print(row)
