"""Evaluation: each head where its label is known, honest subsets, groups of one text, comparisons and pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models import Item, Prediction
from models.data import Example
from models.evaluate import answered, compared, disagreeing, evaluate, pictures, without_twins
from models.taxonomy import taxonomy


class Always:
    """A scorer that always answers the same."""

    topics = taxonomy().labels

    def score(self, items: list[Item], progress: object = None) -> Prediction:
        n = len(items)
        sentiment = np.tile(np.array([0.6, 0.3, 0.1], np.float32), (n, 1))
        topic = np.full((n, 20), 0.05, np.float32)
        topic[:, 5] = 0.5
        return Prediction(sentiment, topic, np.zeros(n, bool))


def test_evaluate_takes_each_head_where_its_label_is_known() -> None:
    rows = [Example("a", None, 0, -1), Example("b", "B", 2, -1), Example("c", None, -1, 5), Example("d", None, 0, 4)]
    found = evaluate(Always(), rows)
    assert found.n == 4
    assert found.sentiment is not None
    assert found.topic is not None
    assert (found.sentiment.n, found.sentiment.accuracy) == (3, pytest.approx(2 / 3))
    assert (found.topic.n, found.topic.accuracy) == (2, 0.5)
    assert evaluate(Always(), rows[:2]).topic is None


def test_subsets_of_the_final_rows() -> None:
    rows = [Example("C gains on D 5", "C", 2), Example("C gains on D 5", "D", 0), Example("A falls", "A", 0)]
    assert disagreeing(rows) == rows[:2]
    assert without_twins(rows, {"c gains on d"}) == rows[2:]


def test_rows_of_one_text_are_one_group() -> None:
    rows = [Example("C gains on D", "C", 2), Example("other", None, -1, 5), Example("C gains on D", "D", 0)]
    sample = answered(Always(), rows).sample("sentiment")
    assert sample is not None
    assert sample.groups[0] == sample.groups[1]
    assert sample.truth.tolist() == [2, 0]


class Words:
    """A word list: labels without topics or probabilities, always negative."""

    topics: tuple[str, ...] = ()

    def score(self, items: list[Item], progress: object = None) -> Prediction:
        n = len(items)
        return Prediction(np.tile(np.float32([1, 0, 0]), (n, 1)), np.zeros((n, 0), np.float32), np.zeros(n, bool))


def test_a_model_without_topics_is_measured_on_sentiment_alone() -> None:
    rows = [Example("a", None, 0, 5), Example("b", None, 1, 4)]
    first, second = answered(Always(), rows), answered(Words(), rows, certain=True)
    found = second.evaluation()
    assert found.topic is None
    assert found.sentiment is not None
    assert found.sentiment.ece is None
    assert "ece" not in second.intervals()["sentiment"]
    assert set(first.intervals()) == {"sentiment", "topic"}
    both = compared(first, second)
    assert set(both) == {"sentiment"}
    assert both["sentiment"]["verdict"] == "no_difference"


def test_pictures_are_drawn_where_there_is_something_to_draw(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    rows = [Example("a", None, 0, 5), Example("b", None, 1, 4)]
    made = pictures(answered(Always(), rows), tmp_path / "ours", 0.5)
    assert sorted(path.name for path in made) == sorted(
        f"{what}-{head}.png" for what in ("confusion", "reliability", "coverage") for head in ("sentiment", "topic")
    )
    only = pictures(answered(Words(), rows, certain=True), tmp_path / "words")
    assert [path.name for path in only] == ["confusion-sentiment.png"]
    for path in (*made, *only):
        assert path.read_bytes().startswith(b"\x89PNG")
    again = pictures(answered(Always(), rows), tmp_path / "again", 0.5)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in made]
