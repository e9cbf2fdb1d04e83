"""What a training minimises: cross-entropy of each head over the rows that have its label.

Another loss takes this one's place by `train(…, loss=…)`: a module whose `forward` gives named parts, which are summed.
Parameters of its own (a bias per source, say) are trained, checkpointed and left behind at the end.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from models import SENTIMENTS
from models.batching import Batch
from models.data import UNLABELLED, Example
from models.errors import RecipeInvalid
from models.recipe import Settings
from models.taxonomy import taxonomy


class Loss(nn.Module):
    """Cross-entropy of both heads, each row weighing alike, with optional weights per class and label smoothing."""

    def __init__(self, sentiment: Tensor | None = None, topic: Tensor | None = None, smoothing: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("sentiment_weights", sentiment, persistent=False)
        self.register_buffer("topic_weights", topic, persistent=False)
        self.smoothing = smoothing

    def forward(self, answers: tuple[Tensor, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Return the loss of each head that has a label in the batch, as sums over its rows by rows of the step."""
        targets = {"sentiment": batch.sentiment, "topic": batch.topic}
        return {
            head: self.rows(head, logits, target).sum() / batch.step_rows
            for (head, target), logits in zip(targets.items(), answers, strict=True)
            if (target != UNLABELLED).any()
        }

    def rows(self, head: str, logits: Tensor, target: Tensor) -> Tensor:
        """Return each row's loss (rows,), 0 where it has no label."""
        weights = self.get_buffer(f"{head}_weights") if getattr(self, f"{head}_weights") is not None else None
        return cross_entropy(
            logits.float(), target, weights, ignore_index=UNLABELLED, reduction="none", label_smoothing=self.smoothing
        )


def loss_of(settings: Settings, examples: Sequence[Example]) -> Loss:
    """Return the loss that the settings ask for; `examples` are those trained on. Raises RecipeInvalid."""
    for label in settings.class_weights:
        if label not in (*SENTIMENTS, *taxonomy().labels):
            raise RecipeInvalid(f"class_weights: {label!r} is no label; sentiments are {', '.join(SENTIMENTS)}")
    sentiment, topic = (
        class_weights(labels, [getattr(row, head) for row in examples], settings.balance, settings.class_weights)
        for head, labels in (("sentiment", SENTIMENTS), ("topic", taxonomy().labels))
    )
    return Loss(sentiment, topic, settings.label_smoothing)


def class_weights(
    labels: Sequence[str], truth: Sequence[int], balance: float, given: Mapping[str, float]
) -> Tensor | None:
    """Return a weight for each label, None where all weigh alike.

    A label with n rows weighs n to the power of minus `balance` (0: alike; 1: all labels together alike), such that
    the mean over the rows is 1, times what is `given` for it by name.
    """
    counts = Counter(label for label in truth if label != UNLABELLED)
    if not counts or not (balance or any(label in given for label in labels)):
        return None
    raw = [max(counts[at], 1) ** -balance for at in range(len(labels))]
    mean = sum(raw[at] * n for at, n in counts.items()) / counts.total()
    return torch.tensor([weight / mean * given.get(label, 1.0) for label, weight in zip(labels, raw, strict=True)])
