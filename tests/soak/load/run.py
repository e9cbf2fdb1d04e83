"""The load on a store of either engine: everything is started, runs its minutes, and is counted."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.context import open_context
from pipeline.ingest.catalogue import CatalogueFeed, to_opml
from tests.soak.load.arrivals import HOSTS, Load, arrivals
from tests.soak.load.lanes import drain, lanes, watching, working
from tests.soak.load.result import Result, counted
from tests.soak.load.site import Site, serving
from tests.support import postgres

__all__ = ["ENGINES", "run", "store"]

ENGINES = ("ducklake", "duckdb")


@contextmanager
def store(engine: str, folder: Path) -> Iterator[str]:
    """An empty store in `folder` as `[store] warehouse` names it; for a lake with a PostgreSQL of its own."""
    if engine == "duckdb":
        yield f"duckdb:{folder / 'store' / 'barograph.duckdb'}"
        return
    with postgres.server() as dsn:
        host, port, user = (part.partition("=")[2] for part in dsn.split())
        programs = postgres.bindir()
        assert programs is not None
        subprocess.run([programs / "createdb", "-h", host, "-p", port, "-U", user, "lake"], check=True, timeout=60)
        yield f"ducklake:postgres:dbname=lake {dsn}?data_path={folder / 'store'}"


def run(load: Load, warehouse: str, folder: Path, *, scorers: int, pause: float) -> Result:
    """Run it in `folder`; needs its seconds, the start of the processes, and what a last cycle takes.

    Time begins when all processes have gone through a first cycle, so that no start counts as a lag.
    """
    config = folder / "barograph.toml"
    entries = arrivals(load)
    (folder / "store").mkdir(parents=True, exist_ok=True)
    config.write_text(f'[ingest]\nallow_hosts = ["127.0.0.1"]\n[store]\nwarehouse = "{warehouse}"\n', encoding="utf-8")
    (folder / "feeds.opml").write_text(to_opml([]), encoding="utf-8")
    open_context(config, environment=False)  # the store is made by one, before several open it
    with working(folder, config, scorers) as workers:
        everything = lanes(workers, pause)
        drain(everything)
        for worker in workers.values():
            worker.ran.clear()
        with (
            serving(entries, load.feeds, time.time()) as site,
            watching(workers, lambda: _megabytes(folder / "store"), max(0.5, load.seconds / 400)) as (looks, sizes),
        ):
            _follow(folder, site)
            stop = threading.Event()
            threads = [threading.Thread(target=lane.run, args=(stop,), name=lane.name) for lane in everything]
            for thread in threads:
                thread.start()
            stop.wait(load.seconds)
            stop.set()
            for thread in threads:
                thread.join()
            for lane in everything:
                if lane.error is not None:
                    raise lane.error
            over = time.time()
            drain(everything)
        ran = sorted((run for worker in workers.values() for run in worker.ran), key=lambda run: run.began)
    return counted(config, load, entries, site, looks=looks, sizes=sizes, over=over, ran=ran)


def _follow(folder: Path, site: Site) -> None:
    listed = [
        CatalogueFeed(url, f"Feed {n}", f"Press {n % HOSTS}", f"House {n % HOSTS}") for n, url in enumerate(site.urls)
    ]
    (folder / "feeds.opml").write_text(to_opml(listed), encoding="utf-8")


def _megabytes(folder: Path) -> float:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # compacted away, or a write-ahead log that was folded in
            continue
    return total / 1e6
