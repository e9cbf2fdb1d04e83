"""The DAG `report`: every morning by the reader's clock, the report on the day before as a file and by mail.

```
                                          ┌ mail desk ┐
[report] at, zone ──► write ──► receivers ┼ mail risk ┼
                        │                 └ mail …    ┘
                        └──► asset reports
```

`write` makes `reports/report-DAY.html` beside the published snapshot, of which alone it reads: nothing waits for the
store. The day is the last UTC day that was over when the run was due, so that a run cleared later tells of the same
day. Each receiver of `[report] receivers` is a mapped task: one whose mail fails is tried again alone.
"""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, dag, get_current_context, task
from barograph_dags import REPORTS, SNAPSHOT, kept, promised, settings, told_as

reader = settings().report
hour, minute = reader.at.split(":")


@dag(
    schedule=CronTriggerTimetable(f"{int(minute)} {int(hour)} * * *", timezone=reader.zone),
    doc_md=__doc__,
    **promised(timedelta(minutes=30), work="report.write"),
)
def report() -> None:
    @task(inlets=[SNAPSHOT], outlets=[REPORTS])
    def write(*, outlet_events: Any) -> str:
        day = reported_day()
        file = settings().store.published.parent / "reports" / f"report-{day}.html"
        file.parent.mkdir(parents=True, exist_ok=True)
        kept("report.write", "report", "--date", day, "--to", str(file))
        outlet_events[REPORTS].extra = {"day": day, "file": str(file), "bytes": file.stat().st_size}
        return day

    @task
    def receivers() -> list[str]:
        return list(settings().report.receivers)

    @task(execution_timeout=timedelta(minutes=5), on_failure_callback=told_as("report.mail"))
    def mail(day: str, receiver: str) -> None:
        kept("report.mail", "report", "--date", day, "--receiver", receiver)

    written = write()
    to = receivers()
    written >> to
    mail.partial(day=written).expand(receiver=to)


def reported_day() -> str:
    """The day before that of the run, by UTC: the days of the series are UTC's."""
    due = get_current_context()["dag_run"].run_after
    return f"{due.astimezone(UTC).date() - timedelta(days=1)}"


report()
