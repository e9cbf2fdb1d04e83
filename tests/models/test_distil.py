"""Tests of learning from a teacher: whose answer counts where, and that nothing else of the loss changes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from models import Item, Prediction
from models.batching import Batch, Prepared
from models.data import Example
from models.distil import distilling
from models.losses import loss_of
from models.mixture import swapped
from models.recipe import Settings
from models.taxonomy import taxonomy
from models.tokens import Encoded

TOPICS = len(taxonomy().labels)
SETTINGS = Settings(teacher_weight=0.25)


@dataclass
class SureTeacher:
    """Says positive, and the topic 3, of everything; remembers what it was asked."""

    asked: list[Item] = field(default_factory=list)

    def score(self, items: Sequence[Item], progress: Callable[[int], None] | None = None) -> Prediction:
        self.asked += items
        if progress is not None:
            progress(len(items))
        sentiment, topic = np.zeros((len(items), 3), np.float32), np.zeros((len(items), TOPICS), np.float32)
        sentiment[:, 2], topic[:, 3] = 1, 1
        return Prediction(sentiment, topic, np.zeros(len(items), np.bool_))


def batch(rows: Sequence[Example]) -> Batch:
    prepared = [Prepared(row, Encoded([1], [0], False)) for row in rows]
    ones = torch.ones((len(rows), 1), dtype=torch.long)
    labels = [torch.tensor([getattr(row, head) for row in rows]) for head in ("sentiment", "topic")]
    return Batch(prepared, ones, ones, ones, *labels, step_rows=len(rows))


def answers(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(3)
    return torch.randn(n, 3), torch.randn(n, TOPICS)


def test_a_label_and_the_teacher_share_the_say_and_each_text_is_asked_about_once() -> None:
    row = Example("Velmont shares fall", sentiment=0)
    teacher, told = SureTeacher(), []
    loss = distilling(teacher, lambda done, rows: told.append((done, rows)))(SETTINGS, [row, row])
    logits = answers(1)
    found = loss(logits, batch([row]))
    hard = cross_entropy(logits[0], torch.tensor([0]))
    soft = cross_entropy(logits[0], torch.tensor([2]))
    torch.testing.assert_close(found["sentiment"], 0.75 * hard + 0.25 * soft)
    # Nobody labelled the topic: the teacher alone speaks.
    torch.testing.assert_close(found["topic"], cross_entropy(logits[1], torch.tensor([3])))
    assert teacher.asked == [Item("Velmont shares fall")]
    assert told == [(1, 1)]


def test_a_row_the_teacher_never_saw_is_learned_from_its_label_alone() -> None:
    seen, made = Example("Velmont shares fall", sentiment=0), Example("Orrin profit jumps", sentiment=2, topic=5)
    loss = distilling(SureTeacher())(SETTINGS, [seen])
    logits = answers(1)
    usual = loss_of(SETTINGS, [seen])(logits, batch([made]))
    found = loss(logits, batch([made]))
    assert found.keys() == usual.keys()
    for head, value in found.items():
        torch.testing.assert_close(value, usual[head])


def test_another_name_keeps_the_answer_to_the_text_it_was_made_of() -> None:
    row = Example("Velmont shares fall", entity="Velmont", sentiment=0)
    (other,) = swapped([row], 1.0, Random("1"))
    assert other.text != row.text
    assert other.made_of == (row.text, row.entity)
    loss = distilling(SureTeacher())(SETTINGS, [row])
    logits = answers(1)
    torch.testing.assert_close(loss(logits, batch([other])), loss(logits, batch([row])))


def test_without_a_say_of_the_teacher_labelled_heads_are_the_usual_ones() -> None:
    rows = [Example("Velmont shares fall", sentiment=0, topic=1), Example("Orrin holds its meeting", sentiment=1)]
    silent = replace(SETTINGS, teacher_weight=0.0)
    logits = answers(2)
    found = distilling(SureTeacher())(silent, rows)(logits, batch(rows))
    usual = loss_of(silent, rows)(logits, batch(rows))
    torch.testing.assert_close(found["sentiment"], usual["sentiment"])
