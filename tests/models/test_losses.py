"""The loss counts labelled rows only, weighs and smooths as asked, and does not care how a step is divided."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from models.batching import Batch, Prepared
from models.data import UNLABELLED, Example, Source, read
from models.encoder import locate
from models.errors import RecipeInvalid
from models.losses import Loss, class_weights, loss_of
from models.recipe import Settings
from models.start import Start
from models.tokens import Encoded
from models.train import train

pytestmark = pytest.mark.usefixtures("one_thread")
ROW = Prepared(Example("Velmont", source="tweets"), Encoded([2, 3], [0, 0], False))


def batch(sentiment: list[int], topic: list[int], step_rows: int | None = None) -> Batch:
    none = torch.zeros(0)
    rows = [ROW] * len(sentiment)
    return Batch(rows, none, none, none, torch.tensor(sentiment), torch.tensor(topic), step_rows or len(rows))


def test_only_labelled_rows_count() -> None:
    sentiment, topic = torch.randn(3, 3), torch.randn(3, 20)
    found = Loss()((sentiment, topic), batch([0, UNLABELLED, 2], [UNLABELLED] * 3))
    expected = -(sentiment.log_softmax(1)[0, 0] + sentiment.log_softmax(1)[2, 2]) / 3
    assert set(found) == {"sentiment"}
    torch.testing.assert_close(found["sentiment"], expected)


def test_weights_and_smoothing() -> None:
    sentiment, topic = torch.randn(2, 3), torch.randn(2, 20)
    weights = torch.tensor([2.0, 1.0, 0.5])
    found = Loss(weights, smoothing=0.3)((sentiment, topic), batch([0, 2], [1, 1]))
    log_p = sentiment.log_softmax(1)
    rows = zip(log_p, (0, 2), strict=True)
    # Source: Szegedy et al., Rethinking the Inception Architecture, CVPR 2016, section 7, each term with its weight.
    expected = sum(-0.7 * weights[at] * row[at] - 0.1 * (weights * row).sum() for row, at in rows) / 2
    torch.testing.assert_close(found["sentiment"], torch.as_tensor(expected))
    assert found["topic"] > 0


def test_balance_makes_rare_classes_weigh_more() -> None:
    truth = [0] * 10 + [1] * 80 + [2] * 10 + [UNLABELLED] * 50
    labels = ("negative", "neutral", "positive")
    assert class_weights(labels, truth, 0.0, {}) is None
    full = class_weights(labels, truth, 1.0, {})
    assert full is not None
    # Each class has the same sum, and a row the mean weight 1.
    torch.testing.assert_close(full * torch.tensor([10.0, 80, 10]), torch.full((3,), 100 / 3))
    given = class_weights(labels, truth, 0.0, {"negative": 1.5})
    torch.testing.assert_close(given, torch.tensor([1.5, 1.0, 1.0]))
    with pytest.raises(RecipeInvalid, match="'bearish' is no label"):
        loss_of(Settings(class_weights={"bearish": 2.0}), [])


@pytest.fixture(scope="module")
def rows(sample: Path) -> list[Example]:
    return read(Source(sample))


def test_accumulated_batches_are_one_step(rows: list[Example], tiny_encoder: Path) -> None:
    whole = Settings(epochs=2, batch_size=16, dropout=0.0, max_length=32, dev_share=0.0, max_steps=6, lora={"r": 4})
    parts = replace(whole, batch_size=4, accumulate=4)
    start = Start(locate(str(tiny_encoder)))
    one, other, again = (train(rows, settings, start=start) for settings in (whole, parts, parts))
    assert other.losses == pytest.approx(one.losses, rel=1e-4)
    assert other.losses == again.losses
    for name, value in one.network.adapter().items():
        torch.testing.assert_close(other.network.adapter()[name], value, atol=1e-4, rtol=1e-3)


class PerSource(Loss):
    """A loss with parameters of its own: a bias on the sentiment logits for each source."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.ParameterDict({"labelled": nn.Parameter(torch.zeros(3))})

    def forward(self, answers: tuple[Tensor, Tensor], batch: Batch) -> dict[str, Tensor]:
        bias = torch.stack([self.bias[row.example.source] for row in batch.rows])
        return super().forward((answers[0] + bias, answers[1]), batch)


def test_another_loss_learns_its_own_parameters_too(rows: list[Example], tiny_encoder: Path) -> None:
    losses: list[PerSource] = []

    def make(settings: Settings, examples: object) -> Loss:
        losses.append(PerSource())
        return losses[-1]

    settings = Settings(max_steps=4, max_length=32, dev_share=0.0, lora={"r": 2})
    outcome = train(rows, settings, start=Start(locate(str(tiny_encoder))), loss=make)
    assert losses[0].bias["labelled"].abs().sum() > 0
    assert not any("bias" in name and "labelled" in name for name in outcome.network.state_dict())
