"""From labelled rows to tensors and back: tokens, batches of similar length, and the answers to held-out rows."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from models import SENTIMENTS
from models.data import UNLABELLED, Example
from models.encoder import load_tokenizer
from models.measure import measures
from models.net import Network, pad
from models.reading import Reading
from models.taxonomy import taxonomy
from models.tokens import Encoded, encode

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class Prepared:
    """An example beside its tokens."""

    example: Example
    tokens: Encoded


@dataclass(frozen=True)
class Batch:
    """What goes through the network at once, as tensors on its device.

    `rows`: the same as examples (their `source`, `entity` …); `sentiment`, `topic`: (rows,) labels or UNLABELLED;
    `step_rows`: rows of the whole optimiser step, of which this may be a part (gradient accumulation).
    """

    rows: Sequence[Prepared]
    ids: Tensor
    mask: Tensor
    segments: Tensor
    sentiment: Tensor
    topic: Tensor
    step_rows: int


def prepare(
    rows: Sequence[Example],
    max_length: int,
    tokenizer: "Tokenizer | None" = None,
    reading: Reading = Reading.CLEAN,
) -> list[Prepared]:
    """Tokenise rows in their order; with the shipped encoder's tokenizer where none is given."""
    tokens = encode(tokenizer or load_tokenizer(), [(row.text, row.entity) for row in rows], max_length, reading)
    return [Prepared(row, encoded) for row, encoded in zip(rows, tokens, strict=True)]


def batches(rows: Sequence[Prepared], size: int, rng: random.Random) -> list[list[Prepared]]:
    """Return shuffled batches of rows of similar length: little padding, yet another mixture in every pass."""
    order = list(rows)
    rng.shuffle(order)
    pool = size * 40
    cut: list[list[Prepared]] = []
    for start in range(0, len(order), pool):
        chunk = sorted(order[start : start + pool], key=lambda row: len(row.tokens))
        cut.extend(chunk[at : at + size] for at in range(0, len(chunk), size))
    rng.shuffle(cut)
    return cut


def batch_of(rows: Sequence[Prepared], step_rows: int, device: str) -> Batch:
    """Return rows as tensors on a device; `step_rows`: rows of the step they are part of."""
    ids, mask, segments = pad([(row.tokens.ids, row.tokens.segments) for row in rows], device)
    sentiment, topic = (
        torch.tensor([getattr(row.example, head) for row in rows], device=device) for head in ("sentiment", "topic")
    )
    return Batch(rows, ids, mask, segments, sentiment, topic, step_rows)


@torch.inference_mode()
def logits(network: Network, rows: Sequence[Prepared], size: int = 64) -> tuple[Tensor, Tensor]:
    """Return (sentiment, topic) logits of rows in their order."""
    network.eval()
    device = next(network.parameters()).device
    order = sorted(range(len(rows)), key=lambda at: len(rows[at].tokens))
    sentiment = torch.zeros((len(rows), len(SENTIMENTS)))
    topic = torch.zeros((len(rows), len(taxonomy().labels)))
    for start in range(0, len(order), size):
        part = order[start : start + size]
        answers = network(*pad([(rows[at].tokens.ids, rows[at].tokens.segments) for at in part], device))
        sentiment[part], topic[part] = (answer.float().cpu() for answer in answers)
    return sentiment, topic


def accuracies(network: Network, rows: Sequence[Prepared]) -> dict[str, float]:
    """Return the share of right answers for each (task, source, with or without entity) among rows.

    `score` is the mean macro F1 of the heads that have labels, by which passes are compared; without rows nothing.
    """
    right: dict[str, list[bool]] = {}
    scores = []
    for head, answers in zip(("sentiment", "topic"), logits(network, rows), strict=True):
        truth = np.array([getattr(row.example, head) for row in rows], dtype=np.int64)
        known = truth != UNLABELLED
        if known.any():
            labels = SENTIMENTS if head == "sentiment" else taxonomy().labels
            scores.append(measures(truth[known], answers.softmax(1).numpy()[known], labels).macro_f1)
        for row, label, answer in zip(rows, truth.tolist(), answers.argmax(1).tolist(), strict=True):
            if label != UNLABELLED:
                view = "entity" if row.example.entity else "article"
                right.setdefault(f"{head}/{row.example.source}/{view}", []).append(answer == label)
    found = {key: float(np.mean(value)) for key, value in right.items()}
    return found | ({"score": float(np.mean(scores))} if scores else {})
