"""Run as a program by test_structure.py: loads dags/ as Airflow does and writes what is in them as JSON.

A process of its own, because Airflow wants its home in the environment before it is imported, and because what
Airflow itself warns about is not ours to turn into errors.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

HEAVY = ("torch", "transformers", "pandas", "plotly", "dash", "duckdb", "pyarrow", "sklearn", "httpx")
OURS = ("cli", "dashboards", "demo", "models", "pipeline")


def imports(folder: Path) -> dict[str, Any]:
    """What the files bring in once `airflow.sdk` is there: heavy packages, and modules of ours."""
    importlib.import_module("airflow.sdk").dag  # noqa: B018 - the package loads its names when they are first used
    before = set(sys.modules)
    sys.path.append(str(folder))
    files = [file.stem for file in sorted(folder.glob("*.py"))]
    for name in files:
        importlib.import_module(name)
    new = set(sys.modules) - before
    ours = sorted(name for name in new if name.partition(".")[0] in OURS)
    return {"files": files, "heavy": sorted(set(HEAVY) & new), "ours": ours}


def dags(folder: Path) -> dict[str, Any]:
    """What the policy tests look at, of every DAG and task."""
    from airflow.dag_processing.dagbag import DagBag
    from airflow.serialization.serialized_objects import DagSerialization

    bag = DagBag(folder, bundle_path=folder)
    return {"errors": bag.import_errors, "dags": {name: _dag(dag, DagSerialization) for name, dag in bag.dags.items()}}


def _dag(dag: Any, serialization: Any) -> dict[str, Any]:
    from pipeline.failures import work_of

    restored = serialization.from_dict(serialization.to_dict(dag))
    return {
        "catchup": dag.catchup,
        "deadlines": [deadline.callback.path for deadline in dag.deadline or []],
        "late_as": [deadline.callback.kwargs["work"] for deadline in dag.deadline or []],
        "doc_md": dag.doc_md,
        "max_active_runs": dag.max_active_runs,
        "run_timeout": dag.dagrun_timeout.total_seconds() if dag.dagrun_timeout else None,
        "tags": sorted(dag.tags),
        "timetable": type(dag.timetable).__name__,
        "restored_tasks": sorted(restored.task_ids),
        "steps": [node.node_id for node in dag.task_group.topological_sort()],
        "tasks": {
            t.task_id: {
                "owner": t.owner,
                "pool": t.pool,
                "queue": t.queue,
                "retries": t.retries,
                "backoff": t.retry_exponential_backoff,
                "policy": bool(t.retry_policy),
                "failures_as": [work_of(t.task_id, told.keywords["work"]) for told in _callbacks(t)],
                "timeout": t.execution_timeout.total_seconds() if t.execution_timeout else None,
                "trigger_rule": str(t.trigger_rule),
                "outlets": [asset.name for asset in t.outlets],
                "upstream": sorted(t.upstream_task_ids),
            }
            for t in dag.tasks
        },
    }


def _callbacks(task: Any) -> list[Any]:
    """What is called when the task has failed; a mapped task holds one callback bare."""
    told = task.on_failure_callback or []
    return [told] if callable(told) else list(told)


def decisions() -> dict[str, Any]:
    """What the DAGs started by hand decide, asked of their modules, which `imports` has loaded."""
    backfill, train = sys.modules["backfill"], sys.modules["train"]
    nothing = {name: param.value for name, param in backfill.PARAMS.items()}
    asked = {
        "archives": {"archives": ["a.csv", "b.csv"], "publisher": "Desk", "tz": ""},
        "days": {"first_day": "2026-02-27", "last_day": "2026-03-01"},
        "one day": {"first_day": "2026-02-27"},
        "model": {"model": "mine"},
        "both": {"archives": ["a.csv"], "first_day": "2026-02-27"},
    }
    senseless = {
        "no first day": {"last_day": "2026-03-01"},
        "backwards": {"first_day": "2026-03-01", "last_day": "2026-02-27"},
    }
    open_gate, shut_gate = (
        {"gate": "recall", "on": "x.csv", "says": "so", "passed": passed} for passed in (True, False)
    )
    row = {"model_version": "m@1", "status": "shadow", "overlap": 10}
    return {
        "parts": {name: backfill.commands(nothing | params) for name, params in asked.items()},
        "refused": {name: _refusal(backfill.commands, nothing | params) for name, params in senseless.items()},
        "worse": [
            _refusal(train.refuse_worse, {"model_version": "m@1", "gates": gates})
            for gates in ([open_gate], [open_gate, shut_gate])
        ],
        "different": [_refusal(train.refuse_different, row | {"same_label": same}, 0.8) for same in (0.9, 0.5, None)],
    }


def _refusal(decide: Any, *given: Any) -> str:
    """What a refusal said, '' where none came."""
    from airflow.sdk.exceptions import AirflowFailException

    try:
        decide(*given)
    except AirflowFailException as refused:
        return str(refused)
    return ""


if __name__ == "__main__":
    target = Path(sys.argv[1])
    found = imports(target)
    Path(sys.argv[2]).write_text(json.dumps({"imports": found, **decisions(), **dags(target)}), encoding="utf-8")
