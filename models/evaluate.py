"""Evaluation: a scorer's answers against labelled rows, and the final figures of a recipe with their honest subsets."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from models import SENTIMENTS, Item, Prediction
from models.data import UNLABELLED, Example, article_rows, read
from models.measure import Measures, measures
from models.recipe import Recipe
from models.text import twin_key


class Answers(Protocol):
    """What evaluation needs of a scorer."""

    topics: tuple[str, ...]

    def score(self, items: Sequence[Item], progress: Callable[[int], None] | None = None) -> Prediction:
        """Return predictions for items in their order."""
        ...


@dataclass(frozen=True)
class Evaluation:
    """Measures of both heads, None where no row has such a label; `texts_per_s` is the rate of the whole call."""

    n: int
    sentiment: Measures | None
    topic: Measures | None
    texts_per_s: float

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name, as `barograph evaluate --json` prints them."""
        return asdict(self)


def evaluate(scorer: Answers, rows: Sequence[Example], progress: Callable[[int], None] | None = None) -> Evaluation:
    """Score rows and measure the answers."""
    began = time.perf_counter()
    prediction = scorer.score([Item(row.text, row.entity) for row in rows], progress)
    seconds = time.perf_counter() - began
    return measured(scorer.topics, rows, prediction, len(rows) / seconds if rows else 0.0)


def measured(
    topics: tuple[str, ...], rows: Sequence[Example], prediction: Prediction, texts_per_s: float
) -> Evaluation:
    """Measure answers that are there already; rows and answers are in the same order."""
    found: dict[str, Measures | None] = {}
    for head, labels, answers in (("sentiment", SENTIMENTS, prediction.sentiment), ("topic", topics, prediction.topic)):
        truth = np.array([row.sentiment if head == "sentiment" else row.topic for row in rows], dtype=np.int64)
        known = truth != UNLABELLED
        found[head] = measures(truth[known], answers[known], labels) if known.any() else None
    return Evaluation(len(rows), found["sentiment"], found["topic"], texts_per_s)


def disagreeing(rows: Sequence[Example]) -> list[Example]:
    """Return the rows whose text has entities of different sentiment: only who reads the entity gets all right."""
    labels: dict[str, set[int]] = {}
    for row in rows:
        labels.setdefault(row.text, set()).add(row.sentiment)
    return [row for row in rows if row.entity and len(labels[row.text]) > 1]


def without_twins(rows: Sequence[Example], train_keys: set[str]) -> list[Example]:
    """Return the rows that have no near twin in the training data."""
    return [row for row in rows if twin_key(row.text) not in train_keys]


def final_figures(scorer: Answers, recipe: Recipe, progress: Callable[[str], None] | None = None) -> dict[str, Any]:
    """Evaluate a recipe's final sets: all rows, those without a near twin in training, and the entities' own test."""
    train_keys = {twin_key(row.text) for source in recipe.data for row in read(source)}
    figures: dict[str, Any] = {}
    for source in recipe.final:
        if progress is not None:
            progress(source.name)
        rows = read(source)
        views: Mapping[str, Sequence[Example]] = {"all": rows, "without_near_twins": without_twins(rows, train_keys)}
        if any(row.entity for row in rows):
            split = disagreeing(rows)
            blind = [Example(row.text, None, row.sentiment) for row in split]
            views = {
                **views,
                "entities_disagree": split,
                "entities_disagree_entity_withheld": blind,
                "article_level": article_rows(rows),
            }
        figures[source.name] = {name: evaluate(scorer, part).to_json() for name, part in views.items()}
    return figures
