"""The model card, written from what was measured, so that no figure in it is typed by hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.calibrate import Calibration
from models.encoder import ENCODER_ID
from models.recipe import Recipe, Settings
from models.report import table

if TYPE_CHECKING:
    from models.train import Outcome

_CARD = """\
# {name}

Sentiment (negative, neutral, positive) and topic (20 labels) of a financial headline or post; with an entity as the
second segment of the input, the sentiment towards that entity.

{encoder} {form}

## Data
{data}

{train} rows trained on{besides}, {dev} held out{how_held_out}.
A headline all of whose entities share a label is also a row
without an entity where the recipe says so. No choice was made on the final sets.

## Made with

    {command}

{start} Method: {method}, in {precision}. Settings: {settings}.

Of {passes} passes, pass {best} was kept{blended}.
{note}

## Final figures
{final}

## Held-out rows, used for the choices
{held_out}

{classes}

{pictures}

Temperatures: sentiment {calibration.temperature_sentiment}, topic {calibration.temperature_topic}. A story counts as
negative from p_negative {calibration.negative_limit} on (best F1 on held-out headlines); under a highest probability
of {calibration.abstain_below} the model abstains.

Share of labels that stay the same in bf16: {calibration.bf16_agreement}.
{forgetting}
## Limits
- English only, and short texts: headlines and posts. Longer ones are cut at {max_length} tokens and flagged.
{limits}- A company's filing ("4 - Name (Reporting)") is no news; do not ask this model about it.
- It is no advice to buy or sell anything.
"""
_LIMITS = """\
- The training sets disagree about what is neutral: posts are two thirds neutral, headlines a good third. On wire
  headlines from neither source expect less than the figures above.
- The headlines are mostly Indian business news, the posts mostly American ones of a few years.
- Topics are learned from posts{and_written}, so that a topic of a wire headline is less sure than its probability says.
"""
_BY_HASH = """ by a hash of the text without links, cashtags, digits and punctuation, so that
near twins stand on one side"""
_OF_THE_SHIPPED = "pyRis/SEntFiN"
_FINAL = """\
Measured after the training, through the code that scores; repeat with

    {command}

"Without near twins" leaves out the rows whose text, but for links, cashtags, digits and punctuation, stands in the
training data. "Entities disagree" are the rows whose headline has entities of different sentiment; with the entity
withheld, the same rows show what reading the entity is worth.

{figures}"""
_FORGETTING = """
## What was forgotten
The training went on from `{model}`. Both on the same {n} rows ({set}):

| head | n | accuracy before | after | macro F1 before | after |
|---|---|---|---|---|---|
{rows}
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
            ece = found["ece"]
            cells += ["" if recall is None else f"{recall:.3f}", "" if ece is None else f"{ece:.3f}"]
            rows.append(" | ".join([f"| {name}", view.replace("_", " "), head, str(found["n"]), *cells]) + " |")
    return rows


def _table(rows: list[str]) -> str:
    return _HEAD + "\n".join(rows) if rows else "None were named."


def card(
    recipe: Recipe,
    outcome: "Outcome",
    calibration: Calibration,
    metrics: Mapping[str, Any],
    training: Mapping[str, Any],
    drawn: Sequence[Path] = (),
) -> str:
    """Return the card as Markdown, from the recipe, its training and what `models.finish` measured.

    `drawn`: pictures, relative to the artifact's folder.
    """
    final = [row for n, views in metrics["final"].items() for v, part in views.items() for row in _figures(n, v, part)]
    dev = [row for name, part in metrics["dev"].items() for row in _figures(name, "held out", part)]
    known = any(row["name"] == _OF_THE_SHIPPED for row in training["data"]) or outcome.start.artifact is not None
    return _CARD.format(
        name=recipe.name,
        encoder=_encoder(outcome),
        form=_form(outcome),
        data="\n".join(
            f"- {row['name']} ({row['licence'] or 'licence not stated'}), sha256 `{row['sha256']}`"
            for row in training["data"]
        ),
        train=training["rows"]["train"],
        dev=training["rows"]["dev"],
        how_held_out=" in files of their own" if recipe.dev else _BY_HASH,
        command=training["command"],
        start=f"Went on from `{training['from']}`." if outcome.start.artifact else "Started from the encoder.",
        method=outcome.settings.method,
        precision=outcome.precision,
        settings=", ".join(
            f"{key} {value}" for key, value in training["settings"].items() if key != "method" and value != {}
        ),
        passes=len(outcome.passes),
        best=outcome.best,
        note=f"\n{recipe.note.strip()}\n" if recipe.note else "",
        final=_FINAL.format(command=_repeat(recipe), figures=_table(final)) if final else "No final set was named.",
        held_out=_table(dev),
        classes=table(metrics["classes"]),
        pictures="\n".join(f"![{path.stem} of {path.parent.name}]({path.as_posix()})" for path in drawn),
        calibration=calibration,
        forgetting=_forgotten(metrics["forgetting"]),
        max_length=outcome.settings.max_length,
        limits=_LIMITS.format(and_written=" and written sentences" if outcome.settings.written else "")
        if known
        else "",
        besides=_besides(outcome.settings),
        blended=_blended(outcome.settings.start_share),
    )


def _besides(settings: Settings) -> str:
    said = [f"{settings.generated} generated ones"] if settings.generated else []
    if settings.written:
        said.append(f"{settings.written:g} times the written sentences")
    return f", in each pass besides them {' and '.join(said)}" if said else ""


def _blended(share: float) -> str:
    if not share:
        return ""
    return (
        f", and averaged with the weights that it went on from: {share:.0%} of those, {1 - share:.0%} of the new ones"
    )


def _encoder(outcome: "Outcome") -> str:
    artifact, files = outcome.start.artifact, outcome.start.encoder
    kept: Mapping[str, str] = artifact.config["encoder"] if artifact else files.to_json() if files else {}
    at = f" at `{kept['revision']}`" if kept["revision"] else f", sha256 `{kept['sha256']}`"
    licence = " (Apache-2.0)" if kept["id"] == ENCODER_ID else ""
    return f"Encoder: `{kept['id']}`{at}{licence}."


def _form(outcome: "Outcome") -> str:
    form = outcome.network.method
    if form == "full":
        return "Here are the whole encoder, fine-tuned, and two linear heads."
    if form == "head":
        return "It is not part of this folder. Here are two linear heads."
    kept = outcome.settings.lora.items()
    shown = ", ".join(f"{key} {value}" for key, value in kept if key not in ("target_modules", "rank_pattern"))
    names = {"lora": "LoRA", "dora": "DoRA", "adalora": "AdaLoRA", "vera": "VeRA", "ia3": "IA³", "loha": "LoHa"}
    return (
        f"It is not part of this folder. Here are an adapter ({names.get(form, form)}{', ' if shown else ''}{shown}) "
        "and two linear heads."
    )


def _repeat(recipe: Recipe) -> str:
    if all(source.sha256 for source in recipe.final):
        return f"barograph evaluate --recipe {recipe.name} --root DATA --model DIR"
    return "barograph evaluate --model DIR " + " ".join(f"--data {source.path.name}" for source in recipe.final)


def _forgotten(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    rows = [
        f"| {head} | {part['n']} | {part['before']['accuracy']:.3f} | {part['after']['accuracy']:.3f} "
        f"| {part['before']['macro_f1']:.3f} | {part['after']['macro_f1']:.3f} |"
        for head in ("sentiment", "topic")
        if (part := found.get(head))
    ]
    return _FORGETTING.format(model=found["from"], n=found["n"], set=found["set"], rows="\n".join(rows))
