"""Evaluation: a scorer's answers against labelled rows, and the final figures of a recipe with their honest subsets."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from models import SENTIMENTS, Item, Prediction, news
from models.compare import Sample, intervals, paired
from models.data import UNLABELLED, Example, article_rows, read
from models.measure import Measures, measures
from models.recipe import Recipe
from models.text import twin_key

HEADS = ("sentiment", "topic")


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


@dataclass(frozen=True)
class Answered:
    """A model's answers to labelled rows, in their order. `certain`: labels without a probability."""

    rows: Sequence[Example]
    prediction: Prediction
    topics: tuple[str, ...]
    texts_per_s: float
    certain: bool = False

    def sample(self, head: str) -> Sample | None:
        """Return the rows with a label of a head (sentiment, topic) and their answers; None where there are none."""
        sentiment = head == "sentiment"
        labels = SENTIMENTS if sentiment else self.topics
        truth = np.array([row.sentiment if sentiment else row.topic for row in self.rows], dtype=np.int64)
        known = truth != UNLABELLED
        if not labels or not known.any():
            return None
        answers = self.prediction.sentiment if sentiment else self.prediction.topic
        texts: dict[str, int] = {}
        # The entities of one text are no independent rows.
        groups = np.array([texts.setdefault(row.text, len(texts)) for row in self.rows], dtype=np.int64)
        return Sample(truth[known], answers[known], tuple(labels), groups[known], self.certain)

    def evaluation(self) -> Evaluation:
        """Return the measures of both heads."""
        found = {head: self.sample(head) for head in HEADS}
        sentiment, topic = (
            measures(part.truth, part.probabilities, part.labels, part.certain) if part else None
            for part in found.values()
        )
        return Evaluation(len(self.rows), sentiment, topic, self.texts_per_s)

    def intervals(self) -> dict[str, Any]:
        """Return 95% intervals of each head's measures, by head."""
        found = {head: self.sample(head) for head in HEADS}
        return {head: intervals(part) for head, part in found.items() if part is not None}


def answered(
    scorer: Answers, rows: Sequence[Example], progress: Callable[[int], None] | None = None, certain: bool = False
) -> Answered:
    """Score rows and keep the answers."""
    began = time.perf_counter()
    prediction = scorer.score([Item(row.text, row.entity) for row in rows], progress)
    seconds = time.perf_counter() - began
    return Answered(rows, prediction, scorer.topics, len(rows) / seconds if rows else 0.0, certain)


def evaluate(
    scorer: Answers, rows: Sequence[Example], progress: Callable[[int], None] | None = None, certain: bool = False
) -> Evaluation:
    """Score rows and measure the answers."""
    return answered(scorer, rows, progress, certain).evaluation()


def compared(first: Answered, second: Answered) -> dict[str, Any]:
    """Return the paired comparison of two models on the same rows, by head that both answer."""
    found: dict[str, Any] = {}
    for head in HEADS:
        one, two = first.sample(head), second.sample(head)
        if one is not None and two is not None and one.labels == two.labels:
            found[head] = paired(one, two).to_json()
    return found


def pictures(found: Answered, folder: Path, abstain_below: float | None = None) -> list[Path]:
    """Draw confusion, reliability and coverage of each head into `folder`; return the files.

    Raises PackageMissing without matplotlib. `abstain_below`: the sentiment threshold to mark.
    """
    from models import pictures as draw

    made: list[Path] = []
    for head in HEADS:
        part = found.sample(head)
        if part is None:
            continue
        answer = part.probabilities.argmax(1)
        made.append(draw.confusion(folder / f"confusion-{head}.png", part.truth, answer, part.labels, head))
        if part.certain:
            continue
        made.append(draw.reliability(folder / f"reliability-{head}.png", part.truth, part.probabilities))
        mark = abstain_below if head == "sentiment" else None
        made.append(draw.coverage_accuracy(folder / f"coverage-{head}.png", part.truth, part.probabilities, mark))
    return made


def disagreeing(rows: Sequence[Example]) -> list[Example]:
    """Return the rows whose text has entities of different sentiment: only who reads the entity gets all right."""
    labels: dict[str, set[int]] = {}
    for row in rows:
        labels.setdefault(row.text, set()).add(row.sentiment)
    return [row for row in rows if row.entity and len(labels[row.text]) > 1]


def without_twins(rows: Sequence[Example], train_keys: set[str]) -> list[Example]:
    """Return the rows that have no near twin in the training data."""
    return [row for row in rows if twin_key(row.text) not in train_keys]


def final_figures(
    scorer: Answers, recipe: Recipe, progress: Callable[[str], None] | None = None, certain: bool = False
) -> dict[str, Any]:
    """Evaluate a recipe's final sets: all rows, those without a near twin in training, and the entities' own test.

    The labelled news headlines come last, with intervals, where the recipe names their archives.
    """
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
        figures[source.name] = {name: evaluate(scorer, part, certain=certain).to_json() for name, part in views.items()}
    if recipe.news is not None:
        found = answered(scorer, news.read(recipe.news), certain=certain)
        figures["news"] = {"all": {**found.evaluation().to_json(), "intervals": found.intervals()}}
    return figures
