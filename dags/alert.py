"""The DAG `alert`: on new scores and every five minutes regardless, because silence must run the alarm too.

```
asset scores ──┐
               ├─► aggregate ──► detect ──► notify ──► publish
every 5 min ───┘
```

Runs on the asset, so that an alert follows its news at once, *and* on the clock: when `ingest` or `score` stand
still no asset comes, and that is what the blind-spot rules must tell. A task that fails does not keep the later
ones from what is already there (a message that waits is sent even if `detect` broke); `any_failed` then marks the
run. Each task takes everything not done yet and may run twice; a message is saved before it is sent.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import AssetOrTimeSchedule, TriggerRule, chain, dag, task
from barograph_dags import SCORES, SNAPSHOT, WRITER, any_failed, every_five_minutes, promised, run_id


# Three minutes after `ingest` starts: by then its own cycle is usually through and the clock finds it done.
@dag(
    schedule=AssetOrTimeSchedule(timetable=every_five_minutes(offset=3), assets=[SCORES]),
    doc_md=__doc__,
    **promised(timedelta(minutes=10), work="publish"),
)
def alert() -> None:
    @task(pool=WRITER, inlets=[SCORES])
    def aggregate() -> dict[str, int]:
        from pipeline import task as step

        return step.run("aggregate", run_id=run_id())

    @task(pool=WRITER, trigger_rule=TriggerRule.ALL_DONE)
    def detect() -> dict[str, int]:
        from pipeline import task as step

        return step.run("detect", run_id=run_id())

    @task(pool=WRITER, trigger_rule=TriggerRule.ALL_DONE)
    def notify() -> dict[str, int]:
        from pipeline import task as step

        return step.run("notify", run_id=run_id())

    @task(pool=WRITER, trigger_rule=TriggerRule.ALL_DONE, outlets=[SNAPSHOT])
    def publish(*, outlet_events: Any) -> dict[str, int]:
        from pipeline import task as step

        counts = step.run("publish", run_id=run_id())
        outlet_events[SNAPSHOT].extra = counts
        return counts

    steps = [aggregate(), detect(), notify(), publish()]
    chain(*steps)
    steps >> any_failed()


alert()
