"""The commands `models list|shadow|promote|retire`: which model version scores, and why it may."""

from __future__ import annotations

import getpass
import json
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.common import ConfigOption, JsonOption, emit, err, opened, out
from cli.labelled import LabelsOption, MapOption, sources
from models.errors import ModelError
from pipeline import promotion
from pipeline.context import Context
from pipeline.errors import InputError, WorkError
from pipeline.promotion import Known, Status

if TYPE_CHECKING:
    import duckdb

    from models.gates import Finding
    from models.scorer import Scorer

__all__ = ["register"]

NameArgument = Annotated[
    str, typer.Argument(help="A shipped model's name, the folder of an artifact, or a version the store knows.")
]
ReasonOption = Annotated[str, typer.Option(help="Why; kept with the change.")]
_COLUMNS = ("model_version", "status", "since", "scored", "agrees", "why")


def register(app: typer.Typer) -> None:
    """Add the group `models` to the application."""
    group = typer.Typer(
        no_args_is_help=True, help="Which model version scores: candidate, shadow, active, retired; switched by hand."
    )
    group.command("list")(_list)
    group.command("shadow")(_shadow)
    group.command("promote")(_promote)
    group.command("retire")(_retire)
    app.add_typer(group, name="models")


def _list(
    history: Annotated[bool, typer.Option("--history", help="Every change, not only how each version stands.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """The versions the store knows, the last change first, and how each agrees with the active one.

    "Agrees" is the share of articles and entities scored by both that have the same sentiment. The settings' and the
    shipped model are shown as candidates until they have scored.

    Example: barograph models list
    """
    with opened(config) as context:
        with context.warehouse.read() as con:
            rows = [_row(model) for model in promotion.history(con)] if history else _standing(con)
        if not history:
            rows += _unscored({row["model_version"] for row in rows}, context.settings.model.name)
    if not as_json:
        rows = [_shown(row) for row in rows]
    emit(rows, _COLUMNS, as_json=as_json, empty="nothing was ever scored here: `barograph score` makes a first model")


def _standing(con: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    active = promotion.active_model(con)
    rows: list[dict[str, Any]] = []
    for model in promotion.known_models(con):
        row = _row(model)
        if active is not None:
            row |= asdict(promotion.agreement(con, active, model))
        rows.append(row)
    return rows


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """What fits a terminal; --json has the rest."""
    agrees = f"{row['same_label']:.1%} of {row['overlap']:,}" if row.get("overlap") else ""
    forced = "FORCED: " if row.get("forced") else ""
    by = f" ({row['actor']})" if row.get("actor") else ""
    return {
        "model_version": row["model_version"],
        "status": row["status"],
        "since": row.get("since"),
        "scored": row.get("scored"),
        "agrees": "" if row["status"] == Status.ACTIVE else agrees,
        "why": f"{forced}{row.get('reason') or ''}{by}",
    }


def _row(model: Known) -> dict[str, Any]:
    return {
        "model_version": model.model_version,
        "status": str(model.status),
        "since": model.since,
        "actor": model.actor,
        "reason": model.reason,
        "forced": model.forced,
        "negative_limit": model.negative_limit,
        "artifact": model.artifact,
        "gates": json.loads(model.gates) if model.gates else None,
    }


def _unscored(known: set[str], configured: str) -> list[dict[str, Any]]:
    """The shipped models and the settings' one, where the store has never heard of them."""
    from models.artifacts import open_artifact
    from models.scorer import DEFAULT

    rows: list[dict[str, Any]] = []
    for name in dict.fromkeys((configured, DEFAULT)):
        try:
            artifact = open_artifact(name)
        except ModelError:
            # A listing tells what stands in the store; `doctor` and `promote` say what is wrong with a model.
            continue
        if artifact.model_version not in known:
            reason = "the settings name it" if name == configured else "shipped"
            row = {"model_version": artifact.model_version, "status": str(Status.CANDIDATE), "reason": reason}
            rows.append({**row, "negative_limit": artifact.calibration.negative_limit, "artifact": name})
            known.add(artifact.model_version)
    return rows


def _shadow(
    name: NameArgument, reason: ReasonOption = "", config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Score every article with this model beside the active one, from the next `score` on; it counts nowhere.

    Example: barograph models shadow ./my-model --reason "trained on our own labels"
    """
    with opened(config) as context:
        scorer, place = _load(context, name)
        changed = context.warehouse.transact(
            "models",
            partial(
                promotion.shadow, model_version=scorer.model_version, negative_limit=scorer.negative_limit,
                actor=getpass.getuser(), reason=reason, artifact=place,
            ),
        )  # fmt: skip
    _told(scorer.model_version, Status.SHADOW, changed, as_json)


def _promote(
    name: NameArgument,
    data: Annotated[
        list[Path] | None,
        typer.Option("--data", help="Labelled file to measure on, instead of what the artifact says of itself."),
    ] = None,
    columns: MapOption = "",
    labels: LabelsOption = "",
    force: Annotated[bool, typer.Option("--force", help="Promote although a gate is shut; needs --reason.")] = False,
    reason: ReasonOption = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what the gates find.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a model the active one: hold it against its gates, score the history with it, then switch.

    The gates: bearish recall, calibration, the challenge suite, and with --data not being worse than the active model.
    Until the switch, series and alerts rest on the old one; a promotion that was stopped goes on when called again.

    Example: barograph models promote ./my-model --data labels.csv --reason "better on our desk's headlines"
    """
    if force and not reason.strip():
        raise typer.BadParameter("--force needs --reason: it is kept with the promotion", param_hint="--reason")
    with opened(config) as context:
        scorer, place = _load(context, name)
        findings = _findings(context, scorer, place, data or [], columns, labels)
        shut = [finding for finding in findings if not finding.passed]
        if not as_json:
            for finding in findings:
                out.print(f"{'passed' if finding.passed else 'FAILED'}  {finding.gate} ({finding.on}): {finding.says}")
        if shut and not force and not dry_run:
            raise WorkError(
                f"{scorer.model_version} fails {', '.join(sorted({f.gate for f in shut}))} and was not promoted; train "
                'a better one, or overrule with --force --reason "…"'
            )
        changed = not dry_run and _switch(context, scorer, place, findings, reason, forced=bool(shut))
    if as_json:
        answer = {"model_version": scorer.model_version, "promoted": changed, "forced": bool(shut) and changed}
        sys.stdout.write(json.dumps({**answer, "gates": [f.to_json() for f in findings]}, indent=2) + "\n")
    elif not dry_run:
        _told(scorer.model_version, Status.ACTIVE, changed, as_json)


def _switch(
    context: Context, scorer: Scorer, place: str, findings: list[Finding], reason: str, *, forced: bool
) -> bool:
    from pipeline.score import backfill

    # First the history, then the switch: no series is ever half old and half new.
    backfill(context, scorer)
    return context.warehouse.transact(
        "models",
        partial(
            promotion.activate, model_version=scorer.model_version, negative_limit=scorer.negative_limit,
            actor=getpass.getuser(), reason=reason or "passed its gates", artifact=place, forced=forced,
            gates=json.dumps([finding.to_json() for finding in findings]),
        ),
    )  # fmt: skip


def _retire(
    name: NameArgument, reason: ReasonOption = "", config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Score no more with a shadow or candidate; what it has scored stays.

    Example: barograph models retire my-model@0123456789ab
    """
    with opened(config) as context:
        with context.warehouse.read() as con:
            known = promotion.known_models(con)
        version = next((model.model_version for model in known if name in (model.model_version, model.artifact)), None)
        version = version or _by_folder(name, known)
        changed = context.warehouse.transact(
            "models", partial(promotion.retire, model_version=version, actor=getpass.getuser(), reason=reason)
        )
    _told(version, Status.RETIRED, changed, as_json)


def _by_folder(name: str, known: list[Known]) -> str:
    """A version by the folder it was taken from, though its files be gone."""
    for model in known:
        if model.artifact is not None and Path(model.artifact) == Path(name).resolve():
            return model.model_version
    return name


def _load(context: Context, name: str) -> tuple[Scorer, str]:
    """The scorer of a name, folder or version of the store, and where its artifact can be found again."""
    from models.scorer import load
    from pipeline.score.choose import place_of

    with context.warehouse.read() as con:
        known = {model.model_version: model for model in promotion.known_models(con)}
    if name not in known:
        return load(name, context.settings.model.device), place_of(name)
    place = known[name].artifact
    if place is None:
        raise InputError(f"the store does not know where {name} is; name its folder instead.")
    scorer = load(place, context.settings.model.device)
    if scorer.model_version != name:
        raise InputError(f"{place} is {scorer.model_version} now, not {name}; name a folder with that version.")
    return scorer, place


def _findings(
    context: Context, scorer: Scorer, place: str, data: list[Path], columns: str, labels: str
) -> list[Finding]:
    from models.artifacts import find
    from models.examine import examine

    active = _active(context, scorer) if data else None
    return examine(scorer, find(place), sources(data, columns, labels), active)


def _active(context: Context, candidate: Scorer) -> Scorer | None:
    """The active model, where there is another and it can still be loaded."""
    from models.scorer import load

    with context.warehouse.read() as con:
        active = promotion.active_model(con)
    if active is None or active.artifact is None or active.model_version == candidate.model_version:
        return None
    try:
        found = load(active.artifact, context.settings.model.device)
    except ModelError as problem:
        err.print(f"not compared with the active {active.model_version}: {problem}")
        return None
    return found if found.model_version == active.model_version else None


def _told(version: str, status: Status, changed: bool, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps({"model_version": version, "status": str(status), "changed": changed}) + "\n")
        return
    out.print(f"{version} is {'now' if changed else 'already'} {status}")
    if changed and status is Status.ACTIVE:
        out.print("Its series are built by the next `barograph aggregate` or `barograph run`.")
