"""The command `explain`: which words of a text made its sentiment."""

from __future__ import annotations

import json
import sys
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from cli.common import JsonOption, out
from cli.labelled import DeviceOption, ModelOption
from models import DEFAULT, SENTIMENTS, Item
from models.status import status
from models.text import clean

if TYPE_CHECKING:
    from models.explanation import Explanation, Word

__all__ = ["page", "register"]

# Orange and blue differ for every eye; the sign stands beside them all the same.
_TOWARDS, _AWAY = (213, 94, 0), (0, 114, 178)
_FAINT = 0.02


def register(app: typer.Typer) -> None:
    """Add `explain` to the application."""
    app.command("explain")(_explain)


def _explain(
    text: Annotated[str, typer.Argument(help="The text.")],
    entity: Annotated[str | None, typer.Option(help="The name in the text towards which it is asked.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page with the coloured text here.")] = None,
    model: ModelOption = DEFAULT,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Which words made it so: what each adds to the probability of negative, and of the sentiment found.

    Example: barograph explain "Barclays plunges after a profit warning" --entity Barclays
    """
    if not clean(text):
        raise typer.BadParameter("the text is empty", param_hint="TEXT")
    from models.explain import load

    found = load(model, device).explain([Item(text, entity)])[0]
    if html is not None:
        html.write_text(page(found), "utf-8")
    if as_json:
        sys.stdout.write(json.dumps(_plain(found), ensure_ascii=False) + "\n")
        return
    out.print(_coloured(found))
    chances = ", ".join(f"{word} {p:.2f}" for word, p in zip(SENTIMENTS, found.probabilities, strict=True))
    out.print(f"{found.predicted} ({chances}); blanked: {found.blank[SENTIMENTS.index(found.predicted)]:.2f}")
    for word in _strongest(found):
        out.print(
            f"  {word.predicted:+.2f} towards {found.predicted}  {word.negative:+.2f} towards negative  {word.text}"
        )
    for line in _remarks(found):
        out.print(line)
    if html is not None:
        out.print(f"written to {html}")


def _plain(found: Explanation) -> dict[str, Any]:
    stopped = status(found.item.text)
    return {
        "text": found.item.text,
        "entity": found.item.entity,
        "model_version": found.model_version,
        "sentiment": found.predicted,
        **{f"p_{word}": round(p, 6) for word, p in zip(SENTIMENTS, found.probabilities, strict=True)},
        "blank": {word: round(p, 6) for word, p in zip(SENTIMENTS, found.blank, strict=True)},
        "words": [
            {
                "text": word.text,
                "start": word.start,
                "end": word.end,
                "negative": round(word.negative, 6),
                "predicted": round(word.predicted, 6),
            }
            for word in found.words
        ],
        "gap": {"negative": round(found.gap_negative, 6), "predicted": round(found.gap_predicted, 6)},
        "complete": found.complete,
        "steps": found.steps,
        "truncated": found.truncated,
        "status": str(stopped) if stopped else None,
    }


def _strongest(found: Explanation, most: int = 6) -> list[Word]:
    ranked = sorted(found.words, key=lambda word: -max(abs(word.predicted), abs(word.negative)))
    return [word for word in ranked[:most] if max(abs(word.predicted), abs(word.negative)) >= _FAINT]


def _remarks(found: Explanation) -> list[str]:
    remarks = []
    stopped = status(found.item.text)
    if stopped:
        remarks.append(f"The pipeline would not score this text: {stopped}.")
    if found.truncated:
        remarks.append("The text is too long: its end was not read.")
    if not found.complete:
        gap = max(abs(found.gap_negative), abs(found.gap_predicted))
        remarks.append(f"The weights miss what they explain by {gap:.3f}: take them for rough.")
    return remarks


def _shade(word: Word, strongest: float) -> tuple[tuple[int, int, int], float]:
    """The colour of a word and how strong it is, 0 to 1."""
    share = abs(word.predicted) / strongest if strongest else 0.0
    return (_TOWARDS if word.predicted > 0 else _AWAY), share if abs(word.predicted) >= _FAINT else 0.0


def _coloured(found: Explanation) -> Text:
    line = Text()
    strongest = max((abs(word.predicted) for word in found.words), default=0.0)
    for word in found.words:
        (red, green, blue), share = _shade(word, strongest)
        style = f"rgb({red},{green},{blue})" + (" bold underline" if share >= 0.5 else "") if share >= 0.1 else ""
        line.append(word.text, style).append(" ")
    return line


def page(found: Explanation) -> str:
    """Return a page of its own, without scripts: the coloured text and what each word adds. Texts are escaped."""
    strongest = max((abs(word.predicted) for word in found.words), default=0.0)
    words, rows, also = [], [], found.predicted != SENTIMENTS[0]
    for word in found.words:
        (red, green, blue), share = _shade(word, strongest)
        text, told = escape(word.text), f"{word.predicted:+.3f}"
        words.append(
            f'<span style="background:rgba({red},{green},{blue},{0.75 * share:.2f})" title="{told}">{text}</span>'
        )
        rows.append(f"<tr><td>{text}<td>{told}" + (f"<td>{word.negative:+.3f}" if also else ""))
    chances = ", ".join(f"{name} {p:.2f}" for name, p in zip(SENTIMENTS, found.probabilities, strict=True))
    towards = f" towards {escape(found.item.entity)}" if found.item.entity else ""
    remarks = "".join(f"<p>{escape(line)}" for line in _remarks(found))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        "<title>Which words made it so</title><style>body{font:1rem/1.6 system-ui;margin:2rem auto;max-width:44rem;"
        "padding:0 1rem}.text{font-size:1.4rem}span{border-radius:.2rem;padding:0 .1em}td{padding:0 1rem 0 0;"
        "font-variant-numeric:tabular-nums}</style>"
        f'<p class="text">{" ".join(words)}<p><b>{found.predicted}</b>{towards} ({chances}). Orange words add to '
        f"{found.predicted}, blue ones take from it; without the words it would be "
        f"{found.blank[SENTIMENTS.index(found.predicted)]:.2f}.{remarks}"
        f"<table><tr><th>word<th>{found.predicted}{'<th>negative' if also else ''}{''.join(rows)}</table>"
        f"<p><small>{escape(found.model_version)}, integrated gradients, {found.steps} steps</small></html>\n"
    )
