"""The DAG `maintain`, every night: what was kept long enough goes, the store is compacted, backed up, the backup tried.

```
02:17 UTC ──► maintain (pool duckdb_writer): retention ► compaction ► backup ► restored into a scratch folder
```

One task, because it is one command (`barograph warehouse maintain`), whose steps are transactions or may be begun
again: killed, it runs again. `[maintain]` says how long what is kept, and where the backups go. It holds the slot of
the writers, so that the stages wait for it in the pool and not at the lock of the store.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, dag, task
from barograph_dags import WRITER, kept, promised


@dag(
    schedule=CronTriggerTimetable("17 2 * * *", timezone="UTC"),
    doc_md=__doc__,
    **promised(timedelta(hours=3), work="maintain"),
)
def maintain() -> None:
    @task(pool=WRITER, execution_timeout=timedelta(hours=3))
    def maintain() -> Any:
        return json.loads(kept("maintain", "warehouse", "maintain", "--json"))

    maintain()


maintain()
