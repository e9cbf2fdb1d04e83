"""From a recipe to an artifact: train, calibrate on the held-out rows, measure, draw, write the card and the files."""

import copy
import logging
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models import SENTIMENTS, Item, Prediction, artifacts
from models.calibrate import Calibration, Floats, HeldOut, Ints, fit, held_back, kind_of
from models.card import card
from models.data import UNLABELLED, file_sha256, read
from models.distil import distilling
from models.evaluate import Answered, Evaluation, answered, final_figures
from models.forgetting import challenge_rows, forgetting
from models.generator.written import SOURCE, WRITTEN, sha256_of
from models.losses import loss_of
from models.net import Network
from models.recipe import Recipe
from models.report import classes, draw
from models.resume import FILE
from models.scorer import Scorer, load
from models.start import Start, start_of
from models.train import Outcome, Prepared, Progress, Watch, logits, prepare, train

logger = logging.getLogger(__name__)
_BF16_ROWS = 200
_FEWEST_ROWS = 20
# Sentences written to be hard would make the answers to all others too modest.
_WRITTEN_SHARE = 1 / 3
"""As models.calibrate: from fewer rows nothing is fitted."""


@dataclass(frozen=True)
class Trained:
    """What a training left: the artifact's folder and version, its calibration and its measures."""

    folder: Path
    model_version: str
    calibration: Calibration
    metrics: dict[str, Any]


def train_and_write(
    recipe: Recipe,
    folder: Path,
    command: str,
    checkpoints: Path | None = None,
    progress: Progress | None = None,
    *,
    device: str = "cpu",
    watch: Watch | None = None,
    asked: Callable[[int, int], None] | None = None,
) -> Trained:
    """Train as the recipe says and write the artifact; the final sets are read once, after all is decided.

    `asked`: hears how many rows of how many the teacher has answered.
    """
    rows = [row for source in recipe.data for row in read(source)]
    dev = [row for source in recipe.dev for row in read(source)] if recipe.dev else None
    recipe = replace(recipe, final=tuple(replace(s, name=s.name or s.path.stem) for s in recipe.final))
    start = start_of(recipe.start, recipe.encoder, recipe.revision)
    seen = watch or Watch(progress, checkpoints=checkpoints)
    avoid = (*recipe.avoid, *recipe.dev, *recipe.final)
    teacher = load(recipe.teacher, device) if recipe.teacher else None
    loss = distilling(teacher, asked) if teacher else loss_of
    outcome = train(rows, recipe.settings, start=start, dev=dev, device=device, loss=loss, avoid=avoid, watch=seen)
    outcome = replace(outcome, teacher=teacher.model_version if teacher else "")
    trained = write_artifact(recipe, outcome, folder, command)
    if seen.runs is not None:
        (seen.runs / FILE).unlink(missing_ok=True)
    return trained


def write_artifact(recipe: Recipe, outcome: Outcome, folder: Path, command: str) -> Trained:
    """Calibrate and measure a trained network on its held-out rows, and write its artifact, report and card."""
    settings, network = outcome.settings, outcome.network
    dev = prepare(outcome.dev_rows, settings.max_length, outcome.tokenizer, settings.reading)
    calibration = calibrate(network, dev, outcome.start.artifact.calibration if outcome.start.artifact else None)
    training = _training(recipe, outcome, command)
    common: dict[str, Any] = {
        "name": recipe.name,
        "lora": settings.lora if network.method == settings.method else _kept_adapter(outcome.start),
        "max_length": settings.max_length,
        "reading": settings.reading,
        "training": training,
        "encoder": outcome.start.encoder,
        "base": outcome.start.artifact.config["encoder"] if outcome.start.artifact else None,
        "tokenizer": outcome.tokenizer,
    }
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        # Measured through the very code that will score, from files, not from the network in memory.
        draft = Path(scratch) / "draft"
        artifacts.write(draft, network, calibration, canaries=(), metrics={}, card="", **common)
        scorer = load(str(draft), "cpu", "exact")
        canaries = right_canaries(scorer)
        found = answered(scorer, outcome.dev_rows)
        metrics: dict[str, Any] = {
            "dev": {name: _lasting(part.to_json()) for name, part in by_source(found).items()},
            "classes": classes(found),
            "passes": list(outcome.passes),
            "best_pass": outcome.best,
            "final": {
                name: {view: _lasting(part) for view, part in views.items()}
                for name, views in final_figures(scorer, recipe).items()
            },
            "canaries": {"asked": len(artifacts.CANARIES), "right": len(canaries)},
            "forgetting": _forgetting(recipe, outcome.start, scorer),
        }
        drawn = draw(found, folder, "held-out", calibration.abstain_below)
        for source in recipe.final:
            drawn += draw(answered(scorer, read(source)), folder, source.name)
    if len(canaries) < len(artifacts.CANARIES):
        logger.warning(
            "%d canary sentences of %d come out wrong", len(artifacts.CANARIES) - len(canaries), len(artifacts.CANARIES)
        )
    text = card(recipe, outcome, calibration, metrics, training, drawn)
    version = artifacts.write(folder, network, calibration, canaries=canaries, metrics=metrics, card=text, **common)
    return Trained(folder, version, calibration, metrics)


def _training(recipe: Recipe, outcome: Outcome, command: str) -> dict[str, Any]:
    return {
        "settings": {key: value for key, value in asdict(outcome.settings).items() if key != "lora"},
        "data": [
            *(
                {"name": s.name or s.path.name, "licence": s.licence, "sha256": file_sha256(s.path)}
                for s in (*recipe.data, *recipe.dev)
            ),
            *([_written(outcome.settings.written_lines)] if outcome.settings.written else []),
        ],
        "rows": {"train": len(outcome.train_rows), "dev": len(outcome.dev_rows)},
        "from": outcome.start.version or "none",
        "teacher": outcome.teacher,
        "precision": outcome.precision,
        "command": command,
    }


def _written(lines: int) -> dict[str, str]:
    return {"name": WRITTEN.name, "licence": WRITTEN.licence, "sha256": sha256_of(lines)}


def _kept_adapter(start: Start) -> dict[str, Any]:
    """The adapter of a model gone on from of which only the heads were trained."""
    return dict(start.artifact.config["lora"]) if start.artifact else {}


def _forgetting(recipe: Recipe, start: Start, scorer: Scorer) -> dict[str, Any] | None:
    """What the model gone on from could do before; None where a training starts from an encoder."""
    if start.artifact is None:
        return None
    rows = [row for source in recipe.replay for row in read(source)] if recipe.replay else challenge_rows()
    name = ", ".join(source.path.name for source in recipe.replay) or "open half of the challenge suite"
    before = load(str(start.artifact.folder), "cpu", "exact")
    return {"from": start.version, "set": name, **forgetting(before, scorer, rows)}


def _lasting(part: dict[str, Any]) -> dict[str, Any]:
    """The measures without the speed: equal trainings shall give equal artifacts, to the byte."""
    return {key: value for key, value in part.items() if key != "texts_per_s"}


def right_canaries(scorer: Scorer) -> list[tuple[str, str]]:
    """Return the canary sentences that come out right: those are checked at every load from now on."""
    answers = scorer.score([Item(text) for text, _ in artifacts.CANARIES]).sentiment.argmax(1)
    return [pair for pair, answer in zip(artifacts.CANARIES, answers, strict=True) if SENTIMENTS[answer] == pair[1]]


def by_source(found: Answered) -> dict[str, Evaluation]:
    """Measure answers per data set, entity rows apart from whole texts."""
    places: dict[str, list[int]] = {}
    for at, row in enumerate(found.rows):
        places.setdefault(f"{row.source}{' (entity)' if row.entity else ''}", []).append(at)
    whole = found.prediction
    return {
        name: replace(
            found,
            rows=[found.rows[at] for at in part],
            prediction=Prediction(whole.sentiment[part], whole.topic[part], whole.truncated[part]),
        ).evaluation()
        for name, part in places.items()
    }


def calibrate(network: Network, dev: Sequence[Prepared], before: Calibration | None = None) -> Calibration:
    """Fit the calibration on held-out rows: a scaling per kind of text, and limits in which news weighs most.

    `before`: of the model gone on from; it stays for a head of which there are too few rows to fit one.
    """
    sentiment, topic = (answers.numpy() for answers in logits(network, dev))
    truth = np.array([row.example.sentiment for row in dev], dtype=np.int64)
    topics = np.array([row.example.topic for row in dev], dtype=np.int64)
    known, known_topic = truth != UNLABELLED, topics != UNLABELLED
    found = before or Calibration()
    # The topic is the text's, whoever is asked about.
    fitted = fit(
        _held(sentiment, truth, dev, [str(kind_of(row.example.text, row.example.entity)) for row in dev]),
        _held(topic, topics, dev, [str(kind_of(row.example.text, None)) for row in dev]),
    )
    if known_topic.sum() >= _FEWEST_ROWS:
        found = replace(found, temperature_topic=fitted.temperature_topic, topic_by_kind=fitted.topic_by_kind)
    if known.sum() >= _FEWEST_ROWS:
        found = replace(fitted, temperature_topic=found.temperature_topic, topic_by_kind=found.topic_by_kind)
    elif before is None:
        logger.warning(
            "only %d rows with a sentiment were held out, too few to calibrate on: name --dev or a larger --dev-share",
            known.sum(),
        )
    return replace(found, bf16_agreement=bf16_agreement(network, dev[:_BF16_ROWS]))


def _held(answers: Floats, truth: Ints, dev: Sequence[Prepared], kinds: Sequence[str]) -> HeldOut:
    known = np.flatnonzero(truth != UNLABELLED).tolist()
    of = [kinds[at] for at in known]
    weights = held_back(of, [dev[at].example.source == SOURCE for at in known], _WRITTEN_SHARE)
    return HeldOut(answers[known], truth[known], tuple(of), weights)


def bf16_agreement(network: Network, rows: Sequence[Prepared]) -> float | None:
    """Return the share of labels, of both heads, that stay the same in bf16; None without rows."""
    if not rows:
        return None
    plain = logits(network, rows)
    rounded = logits(copy.deepcopy(network).merged().to(torch.bfloat16), rows)
    same = [(a.argmax(1) == b.argmax(1)).float().mean().item() for a, b in zip(plain, rounded, strict=True)]
    return round(float(np.mean(same)), 5)
