"""The DAG `backfill`, started by hand: archives, days of kept answers, a model over the past.

```
            ┌ take archive ┐
parts ──────┼ take …       ┼──► link ──► fold ──► score ──► asset scores ──► DAG alert
            └ take days    ┘
```

`archives` are files that the worker can read (see `barograph import --help`); `first_day` and `last_day` take in again
what the feeds answered on those days (UTC), which `[store] raw_days` keeps; `model` scores the past with a model (a
name or a folder) that stays a candidate until it is promoted. What is there already is not added again: parts may run
in any order, side by side with `ingest` and with other back-fills, and twice. All days are one part, which takes the
oldest first: of an article that the store has in a later wording the earlier ones would be left out.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from airflow.sdk import Param, TriggerRule, dag, task
from airflow.sdk.exceptions import AirflowFailException
from barograph_dags import ARTICLES, FEEDS, GPU, SCORES, WRITER, any_failed, barograph, by_hand, run_id

PARAMS = {
    "archives": Param(
        [],
        type="array",
        items={"type": "string"},
        description="CSV, JSONL or Parquet files, packed or not; one a part.",
    ),
    "publisher": Param("", type="string", description="Who published it, where no column says so."),
    "map": Param("", type="string", description="Our fields and the file's columns: title=Headlines."),
    "tz": Param("UTC", type="string", description="The zone of times that name none."),
    "first_day": Param(None, type=["null", "string"], format="date", description="The first day of kept answers."),
    "last_day": Param(None, type=["null", "string"], format="date", description="The last one; the first, if empty."),
    "model": Param(None, type=["null", "string"], description="Score with this model; the active one, if empty."),
}


@dag(schedule=None, params=PARAMS, doc_md=__doc__, **by_hand(timedelta(hours=12), runs=3))
def backfill() -> None:
    @task
    def parts(*, params: dict[str, Any]) -> list[list[str]]:
        return commands(params)

    @task(pool=WRITER, inlets=[FEEDS], execution_timeout=timedelta(hours=4))
    def take(command: list[str]) -> Any:
        return barograph(*command)

    # ALL_DONE: what came goes on, whatever became of single days, and also where only a model is given.
    @task(pool=WRITER, trigger_rule=TriggerRule.ALL_DONE, execution_timeout=timedelta(hours=1))
    def link() -> dict[str, int]:
        from pipeline import task as step

        return step.run("link", run_id=run_id())

    @task(pool=WRITER, execution_timeout=timedelta(hours=1))
    def fold() -> dict[str, int]:
        from pipeline import task as step

        return step.run("fold", run_id=run_id())

    @task(queue=GPU, pool=GPU, inlets=[ARTICLES], outlets=[SCORES], execution_timeout=timedelta(hours=4))
    def score(*, params: dict[str, Any], outlet_events: Any) -> Any:
        counts = barograph("score", *(["--model", params["model"]] if params["model"] else []))
        outlet_events[SCORES].extra = {"score": counts}
        return counts

    planned = parts()
    taken = take.expand(command=planned)
    linked, folded, scored = link(), fold(), score()
    taken >> linked >> folded >> scored
    [planned, taken, linked, folded, scored] >> any_failed()


def commands(params: dict[str, Any]) -> list[list[str]]:
    """The commands that bring the past in, one a part.

    Raises:
        AirflowFailException: the days cannot be meant.
    """
    named = {"--publisher": params["publisher"], "--map": params["map"], "--tz": params["tz"]}
    how = [word for option, value in named.items() if value for word in (option, value)]
    parts = [["import", file, *how] for file in params["archives"]]
    if days := _days(params["first_day"], params["last_day"]):
        parts.append(["ingest", *(word for day in days for word in ("--from-raw", f"{day}"))])
    return parts


def _days(first_day: str | None, last_day: str | None) -> list[date]:
    if not first_day:
        if last_day:
            raise AirflowFailException(f"last_day is {last_day}, and first_day says not from when on")
        return []
    first, last = date.fromisoformat(first_day), date.fromisoformat(last_day or first_day)
    if last < first:
        raise AirflowFailException(f"last_day {last} is before first_day {first}")
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


backfill()
