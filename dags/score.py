"""The DAG `score`: whenever there are new articles, on the worker with the accelerator; emits the asset `scores`.

```
                                ┌ shard 0 ┐
asset articles ──► shards ──┬───┼ shard 1 ┼───┬──► score ──► asset scores ──► DAG alert
                            │   └ shard … ┘   │
                            └──── (little) ───┘
```

`score` takes everything that the active model has not scored, not only the rows of the event that woke it: an event
that was lost costs nothing. Where much waits (an import, a new model) `shards` first shares it out over mapped tasks
(queue and pool `gpu`: one slot per accelerator); a part that fails is tried again by itself, and `score` closes: it
takes what came meanwhile and alone makes a first model the active one. With little waiting no part is made, with
nothing no model is loaded.
The model lives in a process of its own, started fresh and not forked, because CUDA does not survive a fork; the task
process itself never loads it. Every task may run twice.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import TriggerRule, dag, task
from barograph_dags import ARTICLES, GPU, SCORES, barograph, promised, run_id


@dag(schedule=[ARTICLES], doc_md=__doc__, **promised(timedelta(hours=1), work="score"))
def score() -> None:
    @task
    def shards() -> list[str]:
        from pipeline import task as step

        return step.shards(run_id=run_id())

    @task(queue=GPU, pool=GPU, execution_timeout=timedelta(hours=2))
    def shard(part: str) -> Any:
        return barograph("score", "--shard", part)

    @task(
        queue=GPU,
        pool=GPU,
        inlets=[ARTICLES],
        outlets=[SCORES],
        trigger_rule=TriggerRule.NONE_FAILED,  # parts that were not needed are skipped
        execution_timeout=timedelta(hours=2),
    )
    def score(*, outlet_events: Any) -> dict[str, int]:
        from pipeline import task as step

        counts = step.score(run_id=run_id())
        outlet_events[SCORES].extra = counts
        return counts

    shard.expand(part=shards()) >> score()


score()
