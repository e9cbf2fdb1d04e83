"""The model card, written from what was measured, so that no figure in it is typed by hand."""

from collections.abc import Mapping
from typing import Any

from models.calibrate import Calibration
from models.encoder import ENCODER_ID, ENCODER_REVISION
from models.recipe import Recipe

_CARD = """\
# {name}

Sentiment (negative, neutral, positive) and topic (20 labels) of a financial headline or post; with an entity as the
second segment of the input, the sentiment towards that entity.

Encoder: `{encoder}` at `{revision}` (Apache-2.0), not part of this folder. Here are a LoRA adapter ({lora}) and two
linear heads, licensed Apache-2.0.

## Data
{data}

{train} rows trained on, {dev} held out by a hash of the text without links, cashtags, digits and punctuation, so that
near twins stand on one side. A headline all of whose entities share a label is also a row without an entity.
No choice was made on the final sets.

## Made with

    {command}

Settings: {settings}.
{note}

## Final figures
Measured once, after the training, through the code that scores; repeat with

    barograph evaluate --recipe {name} --root DATA --model DIR

"Without near twins" leaves out the rows whose text, but for links, cashtags, digits and punctuation, stands in the
training data: the public splits leak. "Entities disagree" are the rows whose headline has entities of different
sentiment; with the entity withheld, the same rows show what reading the entity is worth.

{final}

## Held-out rows, used for the choices
{held_out}

Temperatures: sentiment {calibration.temperature_sentiment}, topic {calibration.temperature_topic}. A story counts as
negative from p_negative {calibration.negative_limit} on (best F1 on held-out headlines); under a highest probability
of {calibration.abstain_below} the model abstains.

Share of labels that stay the same in bf16: {calibration.bf16_agreement}.

## Limits
- English only, and short texts: headlines and posts. Longer ones are cut at {max_length} tokens and flagged.
- The training sets disagree about what is neutral: posts are two thirds neutral, headlines a good third. On wire
  headlines from neither source expect less than the figures above.
- The headlines are mostly Indian business news, the posts mostly American ones of a few years.
- A company's filing ("4 - Name (Reporting)") is no news; do not ask this model about it.
- Topics are learned from posts alone, so that a topic of a wire headline is less sure than its probability says.
- It is no advice to buy or sell anything.
"""
_HEAD = """\
| set | rows | head | n | accuracy | macro F1 | weighted F1 | recall of negative | calibration error |
|---|---|---|---|---|---|---|---|---|
"""


def _figures(name: str, view: str, part: Mapping[str, Any]) -> list[str]:
    rows = []
    for head in ("sentiment", "topic"):
        if found := part[head]:
            recall = found["recall"].get("negative") if head == "sentiment" else None
            cells = [f"{found[key]:.3f}" for key in ("accuracy", "macro_f1", "weighted_f1")]
            cells += ["" if recall is None else f"{recall:.3f}", f"{found['ece']:.3f}"]
            rows.append(" | ".join([f"| {name}", view.replace("_", " "), head, str(found["n"]), *cells]) + " |")
    return rows


def _table(rows: list[str]) -> str:
    return _HEAD + "\n".join(rows) if rows else "None were named."


def card(recipe: Recipe, calibration: Calibration, metrics: Mapping[str, Any], training: Mapping[str, Any]) -> str:
    """Return the card as Markdown, from the recipe and what `models.finish` measured."""
    final = [row for n, views in metrics["final"].items() for v, part in views.items() for row in _figures(n, v, part)]
    dev = [row for name, part in metrics["dev"].items() for row in _figures(name, "held out", part)]
    return _CARD.format(
        name=recipe.name,
        encoder=ENCODER_ID,
        revision=ENCODER_REVISION,
        lora=", ".join(f"{key} {value}" for key, value in recipe.settings.lora.items() if key != "target_modules"),
        data="\n".join(
            f"- {row['name']} ({row['licence'] or 'licence not stated'}), sha256 `{row['sha256']}`"
            for row in training["data"]
        ),
        train=training["rows"]["train"],
        dev=training["rows"]["dev"],
        command=training["command"],
        note=f"\n{recipe.note.strip()}\n" if recipe.note else "",
        settings=", ".join(f"{key} {value}" for key, value in training["settings"].items()),
        final=_table(final),
        held_out=_table(dev),
        calibration=calibration,
        max_length=recipe.settings.max_length,
    )
