"""The DAG `score`: whenever there are new articles, on the worker with the accelerator; emits the asset `scores`.

```
asset articles ──► score (queue and pool gpu) ──► asset scores ──► DAG alert
```

Takes everything that the active model has not scored, not only the rows of the event that woke it: an event
that was lost costs nothing. The model lives in a process of its own, started fresh and not forked, because CUDA
does not survive a fork; the task process itself never loads it. May run twice.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task
from barograph_dags import ARTICLES, DAG_DEFAULTS, GPU, SCORES, run_id


@dag(schedule=[ARTICLES], doc_md=__doc__, **DAG_DEFAULTS)
def score() -> None:
    @task(queue=GPU, pool=GPU, outlets=[SCORES], execution_timeout=timedelta(hours=1))
    def score(*, outlet_events: Any) -> dict[str, int]:
        from pipeline import task as step

        counts = step.run_apart("score", run_id=run_id())
        outlet_events[SCORES].extra = counts
        return counts

    score()


score()
