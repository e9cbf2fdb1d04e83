"""From a finished training to an artifact: calibrate on the held-out rows, measure, write the card, write the files."""

import copy
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models import SENTIMENTS, Item, artifacts
from models.calibrate import Calibration, abstain_below, negative_limit, probabilities, temperature
from models.card import card
from models.data import UNLABELLED, Example, file_sha256, read, split, unique
from models.evaluate import Evaluation, evaluate, final_figures
from models.net import Network
from models.recipe import Recipe
from models.scorer import Scorer, load
from models.train import Prepared, Progress, logits, prepare, train

logger = logging.getLogger(__name__)
_BF16_ROWS = 200


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
    start_from: Path | None = None,
) -> Trained:
    """Train as the recipe says and write the artifact; the final sets are read once, after all is decided."""
    rows = [row for source in recipe.data for row in read(source)]
    outcome = train(rows, recipe.settings, checkpoints, progress, start_from)
    return write_artifact(recipe, outcome.network, rows, outcome.passes, folder, command)


def write_artifact(
    recipe: Recipe,
    network: Network,
    rows: Sequence[Example],
    passes: Sequence[dict[str, float]],
    folder: Path,
    command: str,
) -> Trained:
    """Calibrate and measure a trained network on the held-out part of rows, and write its artifact."""
    train_rows, dev_rows = split(unique(rows), recipe.settings.dev_share)
    dev = prepare(dev_rows, recipe.settings.max_length)
    calibration = calibrate(network, dev)
    training = {
        "settings": {key: value for key, value in asdict(recipe.settings).items() if key != "lora"},
        "data": [
            {"name": s.name or s.path.name, "licence": s.licence, "sha256": file_sha256(s.path)} for s in recipe.data
        ],
        "rows": {"train": len(train_rows), "dev": len(dev_rows)},
        "command": command,
    }
    common: dict[str, Any] = {
        "name": recipe.name,
        "lora": recipe.settings.lora,
        "max_length": recipe.settings.max_length,
        "training": training,
    }
    with tempfile.TemporaryDirectory() as scratch:
        # Measured through the very code that will score, from files, not from the network in memory.
        draft = Path(scratch) / "draft"
        artifacts.write(draft, network, calibration, canaries=(), metrics={}, card="", **common)
        scorer = load(str(draft), "cpu")
        canaries = right_canaries(scorer)
        if len(canaries) < len(artifacts.CANARIES):
            logger.warning(
                "%d canary sentences of %d come out wrong",
                len(artifacts.CANARIES) - len(canaries),
                len(artifacts.CANARIES),
            )
        metrics: dict[str, Any] = {
            "dev": {name: _lasting(part.to_json()) for name, part in by_source(scorer, dev_rows).items()},
            "passes": list(passes),
            "final": {
                name: {view: _lasting(part) for view, part in views.items()}
                for name, views in final_figures(scorer, recipe).items()
            },
            "canaries": {"asked": len(artifacts.CANARIES), "right": len(canaries)},
        }
    text = card(recipe, calibration, metrics, training)
    version = artifacts.write(folder, network, calibration, canaries=canaries, metrics=metrics, card=text, **common)
    return Trained(folder, version, calibration, metrics)


def _lasting(part: dict[str, Any]) -> dict[str, Any]:
    """The measures without the speed: equal trainings shall give equal artifacts, to the byte."""
    return {key: value for key, value in part.items() if key != "texts_per_s"}


def right_canaries(scorer: Scorer) -> list[tuple[str, str]]:
    """Return the canary sentences that come out right: those are checked at every load from now on."""
    answers = scorer.score([Item(text) for text, _ in artifacts.CANARIES]).sentiment.argmax(1)
    return [pair for pair, answer in zip(artifacts.CANARIES, answers, strict=True) if SENTIMENTS[answer] == pair[1]]


def by_source(scorer: Scorer, rows: Sequence[Example]) -> dict[str, Evaluation]:
    """Evaluate rows per data set, entity rows apart from whole texts."""
    parts: dict[str, list[Example]] = {}
    for row in rows:
        parts.setdefault(f"{row.source}{' (entity)' if row.entity else ''}", []).append(row)
    return {name: evaluate(scorer, part) for name, part in parts.items()}


def calibrate(network: Network, dev: Sequence[Prepared]) -> Calibration:
    """Fit the calibration on held-out rows: temperatures on all, the negative limit on whole news texts."""
    sentiment, topic = (answers.numpy() for answers in logits(network, dev))
    truth = np.array([row.example.sentiment for row in dev])
    topics = np.array([row.example.topic for row in dev])
    known, known_topic = truth != UNLABELLED, topics != UNLABELLED
    t_sentiment = temperature(sentiment[known], truth[known])
    t_topic = temperature(topic[known_topic], topics[known_topic])
    p = probabilities(sentiment, t_sentiment)
    whole = known & np.array([row.example.entity is None for row in dev], dtype=bool)
    news = whole & np.array([row.example.news for row in dev], dtype=bool)
    slice_ = news if news.any() else whole
    return Calibration(
        round(t_sentiment, 4),
        round(t_topic, 4),
        negative_limit(p[slice_, 0], truth[slice_] == 0),
        abstain_below(p[known], truth[known]) if known.any() else 0.4,
        bf16_agreement(network, dev[:_BF16_ROWS]),
    )


def bf16_agreement(network: Network, rows: Sequence[Prepared]) -> float | None:
    """Return the share of labels, of both heads, that stay the same in bf16; None without rows."""
    if not rows:
        return None
    plain = logits(network, rows)
    rounded = logits(copy.deepcopy(network).merged().to(torch.bfloat16), rows)
    same = [(a.argmax(1) == b.argmax(1)).float().mean().item() for a, b in zip(plain, rounded, strict=True)]
    return round(float(np.mean(same)), 5)
