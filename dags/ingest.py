"""The DAG `ingest`: every five minutes, from feeds to linked and folded articles; closes with the asset `articles`.

```
┌ ingest ────────────────────────┐
│            ┌ fetch 0 ┐         │
│  batches ──┼ fetch 1 ┼── load  │──► link ──► fold ──► articles ──► asset articles ──► DAG score
│            └ fetch … ┘         │
└────────────────────────────────┘
```

`batches` shares out the feeds that are due; `fetch` only speaks HTTP and keeps what came in files; `load` puts
all of it into the store in one transaction. A feed that fails is a row in `fetches`, not a failed task; a batch
that fails is red, `any_failed` marks the run, and the rest goes on. What a killed `load` left, the next one loads.
The asset carries the counts of the run. Every task may run twice.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import TriggerRule, dag, task, task_group
from barograph_dags import ARTICLES, FEEDS, WRITER, any_failed, every_five_minutes, promised, run_id


@dag(schedule=every_five_minutes(), doc_md=__doc__, **promised(timedelta(minutes=10), work="fold"))
def ingest() -> None:
    @task(pool=WRITER)
    def batches() -> list[list[str]]:
        from pipeline import task as step

        return step.batches(run_id=run_id())

    @task(max_active_tis_per_dagrun=4, execution_timeout=timedelta(minutes=5))
    def fetch(feed_ids: list[str]) -> dict[str, int]:
        from pipeline import task as step

        return step.fetch(feed_ids, run_id=run_id())

    # ALL_DONE: what came is loaded whatever became of single batches, and also when no feed was due.
    @task(pool=WRITER, trigger_rule=TriggerRule.ALL_DONE)
    def load() -> dict[str, int]:
        from pipeline import task as step

        return step.load(run_id=run_id())

    @task(pool=WRITER)
    def link() -> dict[str, int]:
        from pipeline import task as step

        return step.run("link", run_id=run_id())

    @task(pool=WRITER)
    def fold() -> dict[str, int]:
        from pipeline import task as step

        return step.run("fold", run_id=run_id())

    @task(inlets=[FEEDS], outlets=[ARTICLES])
    def articles(counts: dict[str, dict[str, int]], *, outlet_events: Any) -> None:
        outlet_events[ARTICLES].extra = counts

    @task_group(group_id="ingest")
    def stage() -> list[Any]:
        due, loaded = batches(), load()
        fetched = fetch.expand(feed_ids=due)
        fetched >> loaded
        return [due, fetched, loaded]

    steps = stage()
    loaded, linked, folded = steps[-1], link(), fold()
    closing = articles({"load": loaded, "link": linked, "fold": folded})
    loaded >> linked >> folded
    [*steps, linked, folded, closing] >> any_failed()


ingest()
