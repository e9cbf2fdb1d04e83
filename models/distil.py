"""Learning from a larger model: its calibrated answers beside the labels, or in their place where there are none.

The texts of one set have labels of one head only; the teacher answers both for all of them, so that the student learns
topics from headlines and sentiment from posts that nobody labelled for it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from models import Item, Prediction
from models.batching import Batch
from models.data import UNLABELLED, Example
from models.losses import Loss, loss_of
from models.recipe import Settings

__all__ = ["Distilling", "distilling"]

Key = tuple[str, str | None]


class Teacher(Protocol):
    """What is needed of a loaded model."""

    def score(self, items: Sequence[Item], progress: Callable[[int], None] | None = None) -> Prediction:
        """Return probabilities for items in their order."""
        ...


class Distilling(torch.nn.Module):
    """The usual loss, and the cross-entropy to a teacher's probabilities where the row has any.

    `weight`: share of the teacher's say on a row that has a label too. Rows under other names keep the answer to the
    text they were made of: names must not matter. Rows the teacher did not answer are learned from their labels alone.
    Source: Hinton, Vinyals and Dean, Distilling the Knowledge in a Neural Network, 2015, section 2, at temperature 1.
    """

    def __init__(self, usual: Loss, answers: Mapping[Key, int], prediction: Prediction, weight: float) -> None:
        super().__init__()
        self.usual, self.answers, self.weight = usual, answers, weight
        self.register_buffer("sentiment", _tensor(prediction.sentiment), persistent=False)
        self.register_buffer("topic", _tensor(prediction.topic), persistent=False)

    def forward(self, answers: tuple[Tensor, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Return the loss of each head as sums over its rows by rows of the step."""
        places = [self.answers.get(_key(row.example), -1) for row in batch.rows]
        at = torch.tensor(places, device=batch.ids.device)
        parts: dict[str, Tensor] = {}
        targets = {"sentiment": batch.sentiment, "topic": batch.topic}
        for (head, target), logits in zip(targets.items(), answers, strict=True):
            labelled, taught = target != UNLABELLED, at >= 0
            hard = self.usual.rows(head, logits, target)
            soft = cross_entropy(logits.float(), self.get_buffer(head)[at.clamp(min=0)], reduction="none")
            share = torch.where(taught, torch.where(labelled, self.weight, 1.0), 0.0)
            parts[head] = (share * soft + (1 - share) * torch.where(labelled, hard, 0.0)).sum() / batch.step_rows
        return parts


def distilling(teacher: Teacher, progress: Callable[[int, int], None] | None = None) -> Callable[..., Distilling]:
    """Return a maker of the loss (models.train.MakeLoss) that first asks the teacher about every row trained on."""

    def make(settings: Settings, examples: Sequence[Example]) -> Distilling:
        keys = list(dict.fromkeys(_key(row) for row in examples))
        items = [Item(text, entity) for text, entity in keys]
        told = None if progress is None else lambda done: progress(done, len(items))
        found = teacher.score(items, told)
        return Distilling(
            loss_of(settings, examples), {key: at for at, key in enumerate(keys)}, found, settings.teacher_weight
        )

    return make


def _key(row: Example) -> Key:
    return row.made_of or (row.text, row.entity)


def _tensor(values: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values))
