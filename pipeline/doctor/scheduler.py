"""Airflow, where one is configured here: its version, our pools, our DAGs and whether they can be read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pipeline.doctor.check import Check, State

__all__ = ["DAGS", "POOLS", "answered", "checks", "judge_dags", "judge_pools"]

POOLS = ("duckdb_writer", "gpu")
DAGS = ("ingest", "score", "alert", "maintain", "report")
"""Those that run by themselves: paused, no backup is made either."""
_TIMEOUT_S = 120

Rows = list[dict[str, Any]]


def checks(environment: Mapping[str, str]) -> Iterator[Check]:
    """Nothing where Airflow is not configured; the questions are asked through its own command line."""
    if not any(name == "AIRFLOW_HOME" or name.startswith("AIRFLOW__") for name in environment):
        return
    yield _asked("airflow: pools", ("pools", "list", "--output", "json"), judge_pools, environment)
    yield _asked("airflow: dags", ("dags", "list", "--output", "json"), judge_dags, environment)


def judge_pools(rows: Rows) -> Check:
    """Whether the pools that our tasks name exist: a task whose pool is missing is never scheduled. Pure."""
    slots = {str(row["pool"]): int(row["slots"]) for row in rows}
    missing = [pool for pool in POOLS if slots.get(pool, 0) < 1]
    if missing:
        todo = "airflow pools import docker/pools.json"
        return Check("airflow: pools", State.WRONG, f"not there, or without a slot: {', '.join(missing)}", todo)
    return Check("airflow: pools", State.OK, ", ".join(f"{pool} {slots[pool]}" for pool in POOLS))


def judge_dags(rows: Rows) -> Check:
    """Whether our DAGs are known and not paused. Pure."""
    paused = {str(row["dag_id"]): str(row["is_paused"]).lower() == "true" for row in rows}
    missing = [dag for dag in DAGS if dag not in paused]
    if missing:
        todo = "airflow dags list-import-errors says why; is `dags/` the folder that Airflow reads?"
        return Check("airflow: dags", State.WRONG, f"not known: {', '.join(missing)}", todo)
    resting = [dag for dag in DAGS if paused[dag]]
    if resting:
        return Check("airflow: dags", State.WARN, f"paused: {', '.join(resting)}", f"airflow dags unpause {resting[0]}")
    return Check("airflow: dags", State.OK, f"{', '.join(DAGS)} are known and not paused")


def answered(said: str) -> Rows:
    """The rows in what Airflow wrote on stdout, where lines of its log may stand around them. Pure.

    Raises:
        ValueError: there are none.
    """
    lines = said.splitlines(keepends=True)
    # The last first: its log comes before its answer, and begins its lines with a bracket, too.
    for start in reversed(range(len(lines))):
        if not lines[start].startswith("["):
            continue
        try:
            rows, _ = json.JSONDecoder().raw_decode("".join(lines[start:]))
        except ValueError:
            continue
        if all(isinstance(row, dict) for row in rows):
            return list(rows)
    raise ValueError("no rows were answered")


def _asked(
    name: str, question: tuple[str, ...], judge: Callable[[Rows], Check], environment: Mapping[str, str]
) -> Check:
    command = [sys.executable, "-m", "airflow", *question]
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments
            command, env=dict(environment), capture_output=True, text=True, timeout=_TIMEOUT_S, check=True
        )
        return judge(answered(done.stdout))
    except subprocess.TimeoutExpired:
        return Check(
            name, State.WRONG, f"`airflow {' '.join(question)}` took over {_TIMEOUT_S} s", "Is its database up?"
        )
    except (subprocess.CalledProcessError, ValueError, KeyError):
        # What it wrote is not shown: an address in it may hold a password.
        todo = "Run it by hand with the same environment; is its database up, and Airflow installed here?"
        return Check(name, State.WRONG, f"`airflow {' '.join(question)}` failed", todo)
