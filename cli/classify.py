"""The command `classify`: topic and sentiment of a text, or of every row of a file of any length."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.common import JsonOption, bars, err, out
from cli.labelled import DeviceOption, MapOption, ModelOption, pairs
from models import DEFAULT, SENTIMENTS, Item

if TYPE_CHECKING:
    from cli.bulk.run import Summary
    from models.scorer import Scorer

__all__ = ["EngineOption", "register"]

EngineOption = Annotated[
    str,
    typer.Option(
        "--engine",
        help="auto (the fastest that answers the same), exact (fp32 by torch), torch or ctranslate2.",
    ),
]
_WHY = {
    "empty": "there is no word in it",
    "filing": "it is a company's filing, not news",
    "language": "it is not English",
    "not_financial": "it is not about finance",
    "abstained": "the model is not sure enough",
}


def register(app: typer.Typer) -> None:
    """Add `classify` to the application."""
    app.command("classify")(_classify)


def _classify(
    text: Annotated[str | None, typer.Argument(help="The text; or use --file.")] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", help="CSV, JSONL (.gz too) or Parquet with a column text, and optionally entity, of any length."
        ),
    ] = None,
    out_file: Annotated[
        Path | None,
        typer.Option("--out", help="Where to write the answers: .csv, .jsonl (.gz too) or .parquet."),
    ] = None,
    entity: Annotated[
        str | None, typer.Option(help="The name in the text towards which the sentiment is asked.")
    ] = None,
    columns: MapOption = "",
    model: ModelOption = DEFAULT,
    device: DeviceOption = "auto",
    engine: EngineOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Topic and sentiment of a text, or of every row of a file.

    What cannot be scored has a status instead of probabilities. Of a file, rows that cannot be read go to
    OUT.rejects.csv. After an interruption the same command goes on where it stopped.

    Example: barograph classify "Barclays plunges after a profit warning" --entity Barclays
    """
    if (text is None) == (file is None) or (file is None) != (out_file is None):
        raise typer.BadParameter("give either a TEXT, or --file IN and --out OUT")
    mapping = pairs(columns, "--map")
    for name in sorted(set(mapping) - {"text", "entity"}):
        raise typer.BadParameter(f"{name!r} is none of text, entity", param_hint="--map")
    if text is not None and not text.strip():
        raise typer.BadParameter("the text is empty", param_hint="TEXT")
    if file is not None and out_file is not None:
        _file(file, out_file, mapping, entity, (model, device, engine), as_json)
        return
    from cli.bulk.answers import answers
    from models.scorer import load

    answer = answers(load(model, device, engine), [Item(text or "", entity)])[0]
    if as_json:
        sys.stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
    else:
        _print(answer)


def _print(answer: Mapping[str, Any]) -> None:
    status = str(answer["status"])
    if answer["p_negative"] is None:
        out.print(f"{status}: not scored, for {_WHY[status]}")
        return
    chances = ", ".join(f"{word} {answer[f'p_{word}']:.2f}" for word in SENTIMENTS)
    out.print(f"{answer['sentiment']} ({chances}) · {answer['topic']} ({answer['p_topic']:.2f})")
    if answer["truncated"]:
        out.print("The text is too long: its end was not read.")


def _file(
    file: Path, out_file: Path, mapping: dict[str, str], entity: str | None, chosen: tuple[str, str, str], as_json: bool
) -> None:
    from cli.bulk.run import Job, check, classify_file
    from models.scorer import load

    job = Job(file, out_file, mapping, entity)
    # Before the seconds that loading takes.
    check(job)
    scorer = load(*chosen)
    try:
        with bars() as progress:
            summary = classify_file(job, scorer, lambda done, total: progress("classify", done, total))
    except KeyboardInterrupt:
        err.print("the same command goes on where this one stopped")
        raise
    _report(summary, scorer, out_file, as_json)


def _report(summary: Summary, scorer: Scorer, out_file: Path, as_json: bool) -> None:
    from cli.bulk.run import rejects_of

    rejects = str(rejects_of(out_file)) if summary.rejected else None
    if as_json:
        told = {
            "rows": summary.rows,
            "statuses": dict(sorted(summary.statuses.items())),
            "rejected": summary.rejected,
            "out": str(out_file),
            "rejects": rejects,
            "model_version": scorer.model_version,
            "engine": scorer.engine.reason,
            "gpu_lost": scorer.fell_back,
        }
        sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
        return
    out.print(f"{summary.rows} texts classified with {scorer.model_version}: {out_file}")
    others = {status: n for status, n in sorted(summary.statuses.items()) if status != "scored"}
    if others:
        out.print("of them " + ", ".join(f"{n} {status}" for status, n in others.items()))
    if summary.resumed:
        out.print("an interrupted call had done part of it")
    if rejects:
        out.print(f"{summary.rejected} rows could not be used: {rejects}")
    if scorer.fell_back:
        out.print("the GPU was lost on the way; the CPU did the rest")
