"""The DAG `train`, started by hand: a model from one's own labels, through its gates, beside the active one, promoted.

```
train ──► evaluate ──► gate ──► shadow ──► watch ──► promote ──► asset models
                        │                    │          │
              worse: stops here     too different:   only with the
                                    stops here       parameter `promote`
```

Each step is a command that a person could run (`barograph train`, `evaluate`, `models shadow`, `models promote`).
`gate` refuses what fails bearish recall, calibration or the challenge suite, or is clearly worse than the active model
on the labelled test rows. `shadow` lets `score` score the candidate beside the active model from now on, where it
counts nowhere; `watch` does so for the last days and compares the two. Only then, and only where `promote` is set, the
history is scored and the switch made; else the candidate stays a shadow for a person to look at. A training that was
killed goes on where it stood. Every task may run twice.
"""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import Param, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from barograph_dags import GPU, MODELS, barograph, by_hand

PARAMS = {
    "data": Param([], type="array", items={"type": "string"}, minItems=1, description="Labelled files to learn from."),
    "test": Param([], type="array", items={"type": "string"}, minItems=1, description="Labelled files for the gates."),
    "map": Param("", type="string", description="Your columns, as text=headline,sentiment=label."),
    "labels": Param("", type="string", description="Your sentiment words, as 0=negative,1=positive,2=neutral."),
    "name": Param("my-model", type="string", pattern=r"^[A-Za-z0-9._-]+$", description="Name of the new model."),
    "folder": Param("models", type="string", description="Where models go, on storage that all workers see."),
    "options": Param([], type="array", items={"type": "string"}, description="More of `barograph train --help`."),
    "shadow_days": Param(7, type="integer", minimum=1, description="How many days both models are compared on."),
    "least_agreement": Param(0.8, type="number", minimum=0, maximum=1, description="Share with the same sentiment."),
    "promote": Param(False, type="boolean", description="Switch to it once it has passed everything."),
    "reason": Param("trained and examined by the DAG train", type="string", description="Kept with each change."),
}


@dag(
    schedule=None,
    params=PARAMS,
    doc_md=__doc__,
    **by_hand(timedelta(hours=24)),
)
def train() -> None:
    @task(queue=GPU, pool=GPU, execution_timeout=timedelta(hours=8))
    def train(*, params: dict[str, Any]) -> str:
        # Named after the run, so that a second try finds what the first one left.
        out = Path(params["folder"]).resolve() / f"{params['name']}-{run_after():%Y%m%dT%H%M%S}"
        train_into(out, params)
        return str(out)

    @task(queue=GPU, pool=GPU, execution_timeout=timedelta(hours=1))
    def evaluate(model: str, *, params: dict[str, Any]) -> Any:
        return barograph("evaluate", *labelled(params, "test"), "--model", model)

    @task(queue=GPU, pool=GPU, execution_timeout=timedelta(hours=1))
    def gate(model: str, *, params: dict[str, Any]) -> Any:
        found = barograph("models", "promote", model, *labelled(params, "test"), "--dry-run")
        refuse_worse(found)
        return found

    @task(queue=GPU, pool=GPU)
    def shadow(model: str, *, params: dict[str, Any]) -> Any:
        return barograph("models", "shadow", model, "--reason", params["reason"])["model_version"]

    @task(queue=GPU, pool=GPU, execution_timeout=timedelta(hours=4))
    def watch(model: str, version: str, *, params: dict[str, Any]) -> Any:
        since = run_after() - timedelta(days=params["shadow_days"])
        barograph("score", "--model", model, "--since", f"{since:%Y-%m-%dT%H:%M:%S}")
        found = next(row for row in barograph("models", "list") if row["model_version"] == version)
        refuse_different(found, params["least_agreement"])
        return {key: found.get(key) for key in ("overlap", "same_label", "same_negative", "difference")}

    @task(queue=GPU, pool=GPU, outlets=[MODELS], execution_timeout=timedelta(hours=8))
    def promote(model: str, *, params: dict[str, Any], outlet_events: Any) -> Any:
        if not params["promote"]:
            raise AirflowSkipException("`promote` is not set: the candidate stays a shadow")
        done = barograph("models", "promote", model, *labelled(params, "test"), "--reason", params["reason"])
        outlet_events[MODELS].extra = {"model_version": done["model_version"], "promoted": done["promoted"]}
        return done

    model = train()
    version = shadow(model)
    evaluate(model) >> gate(model) >> version
    watch(model, version) >> promote(model)


def run_after() -> datetime:
    """When the run was due: the same at every try."""
    moment: datetime = get_current_context()["dag_run"].run_after
    return moment


def train_into(out: Path, params: dict[str, Any]) -> None:
    """Train, go on with a training that was killed, or leave one that is done as it is."""
    state = out / "runs" / "resume.safetensors"
    if (out / "config.json").is_file():
        return
    if out.exists() and not state.is_file():
        shutil.rmtree(out)  # killed before its first state was kept: nothing is in it
    from pipeline.apart import run_module

    how = ["--name", params["name"], *params["options"], "--out", str(out), *(["--resume"] if state.is_file() else [])]
    run_module("cli.main", "--verbose", "train", *labelled(params, "data"), *how)


def refuse_worse(found: dict[str, Any]) -> None:
    """Fail where a gate is shut; trying again would not open it."""
    shut = [f"{gate['gate']} ({gate['on']}): {gate['says']}" for gate in found["gates"] if not gate["passed"]]
    if shut:
        raise AirflowFailException(f"{found['model_version']} is not good enough: {'; '.join(shut)}")


def refuse_different(found: dict[str, Any], least: float) -> None:
    """Fail where a candidate says something else than the active model too often: a person has to look."""
    same, overlap = found.get("same_label") or 0.0, found.get("overlap") or 0
    if found["status"] != "active" and same < least:
        raise AirflowFailException(
            f"{found['model_version']} has the sentiment of the active model in {same:.1%} of {overlap} rows, not in "
            f"{least:.0%} of them: look at the difference, then promote it by hand or retire it"
        )


def labelled(params: dict[str, Any], what: str) -> list[str]:
    """The options that name labelled files and say how to read them."""
    files = [word for file in params[what] for word in ("--data", file)]
    return files + [word for key in ("map", "labels") if params[key] for word in (f"--{key}", params[key])]


train()
