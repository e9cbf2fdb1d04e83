"""The command `classify`: topic and sentiment of a text, or of every row of a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.common import JsonOption, bars, out
from cli.labelled import DeviceOption, MapOption, ModelOption, sources
from models import DEFAULT, SENTIMENTS, Item, Prediction
from models.errors import DataInvalid

if TYPE_CHECKING:
    import pandas as pd

    from models.scorer import Scorer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add `classify` to the application."""
    app.command("classify")(_classify)


def _classify(
    text: Annotated[str | None, typer.Argument(help="The text; or use --file.")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="CSV with a column text, and optionally entity.")] = None,
    out_file: Annotated[Path | None, typer.Option("--out", help="Where to write the answers, as CSV.")] = None,
    entity: Annotated[
        str | None, typer.Option(help="The name in the text towards which the sentiment is asked.")
    ] = None,
    columns: MapOption = "",
    model: ModelOption = DEFAULT,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Topic and sentiment of a text, or of every row of a file.

    Example: barograph classify "Barclays plunges after a profit warning" --entity Barclays
    """
    if (text is None) == (file is None) or (file is None) != (out_file is None):
        raise typer.BadParameter("give either a TEXT, or --file IN and --out OUT")
    from models.text import clean

    if text is not None and not clean(text):
        raise typer.BadParameter("the text is empty", param_hint="TEXT")
    if file is not None and out_file is not None:
        _classify_file(file, out_file, columns, entity, model, device)
        return
    from models.scorer import load

    scorer = load(model, device)
    answer = _answers(scorer, scorer.score([Item(text or "", entity)]))[0]
    if as_json:
        sys.stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
        return
    chances = ", ".join(f"{word} {answer[f'p_{word}']:.2f}" for word in SENTIMENTS)
    out.print(f"{answer['sentiment']} ({chances}) · {answer['topic']} ({answer['p_topic']:.2f})", markup=False)
    if answer["truncated"]:
        out.print("The text is too long: its end was not read.")


def _classify_file(file: Path, out_file: Path, columns: str, entity: str | None, model: str, device: str) -> None:
    import pandas as pd

    from models.data import read_table
    from models.scorer import load
    from models.text import clean

    source = sources([file], columns, "")[0]
    table, names = read_table(source)
    texts = table[names["text"]].tolist()
    entities = table[names["entity"]].tolist() if "entity" in names else [entity] * len(table)
    if not out_file.parent.is_dir():
        raise DataInvalid(f"the folder {out_file.parent} is not there; make it, or choose another --out")
    scorer = load(model, device)
    items = [Item(text, towards or entity) for text, towards in zip(texts, entities, strict=True)]
    with bars() as progress:
        prediction = scorer.score(items, lambda done: progress("classify", done, len(items)))
    rows = _answers(scorer, prediction)
    for row, text in zip(rows, texts, strict=True):
        if not clean(text):
            # The network answers anything; of nothing there is nothing to say.
            row.update(dict.fromkeys(row, None), sentiment="empty", model_version=scorer.model_version)
    answers: pd.DataFrame = pd.DataFrame(rows, index=table.index)
    kept = table.drop(columns=[name for name in answers.columns if name in table.columns])
    pd.concat([kept, answers], axis=1).to_csv(out_file, index=False)
    out.print(f"{len(items)} texts classified with {scorer.model_version}: {out_file}", markup=False)


def _answers(scorer: Scorer, prediction: Prediction) -> list[dict[str, Any]]:
    """One plain row per item; a sentiment below the model's confidence limit is called "abstained"."""
    from models.taxonomy import taxonomy

    rows: list[dict[str, Any]] = []
    for sentiment, topic, cut in zip(prediction.sentiment, prediction.topic, prediction.truncated, strict=True):
        best = int(topic.argmax())
        sure = float(sentiment.max()) >= scorer.abstain_below
        rows.append(
            {
                "sentiment": SENTIMENTS[int(sentiment.argmax())] if sure else "abstained",
                **{f"p_{word}": round(float(p), 6) for word, p in zip(SENTIMENTS, sentiment, strict=True)},
                "topic": scorer.topics[best],
                "topic_key": taxonomy().key_of(scorer.topics[best]),
                "p_topic": round(float(topic[best]), 6),
                "truncated": bool(cut),
                "model_version": scorer.model_version,
            }
        )
    return rows
