"""Fine-tuning: LoRA and both heads on all labelled texts together, each loss taken only where its label is known."""

import json
import logging
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import cross_entropy

from models import SENTIMENTS
from models.artifacts import ADAPTER, HEADS, save_weights
from models.data import UNLABELLED, Example, split, unique
from models.encoder import load_encoder, load_tokenizer
from models.errors import BadLogits, DataInvalid
from models.net import Network, build, pad
from models.recipe import Settings
from models.taxonomy import taxonomy
from models.tokens import Encoded, encode

logger = logging.getLogger(__name__)
Progress = Callable[[int, int, float], None]
"""Called after each step with (steps done, all steps, loss)."""


@dataclass(frozen=True)
class Prepared:
    """An example beside its tokens."""

    example: Example
    tokens: Encoded


@dataclass(frozen=True)
class Outcome:
    """A finished training: the network, the loss of every step, and the dev accuracies after each pass."""

    network: Network
    losses: list[float]
    passes: list[dict[str, float]]


@contextmanager
def repeatable(seed: int) -> Iterator[None]:
    """Make a training repeatable on one machine; what it sets for the whole process is set back at the end."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    deterministic = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    # Repeatability does not need it, and it costs a pass over every new tensor.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    # Left on, it would flush the small probabilities of everybody else in this process to zero.
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.use_deterministic_algorithms(deterministic)


def prepare(rows: Sequence[Example], max_length: int) -> list[Prepared]:
    """Tokenise rows in their order."""
    tokens = encode(load_tokenizer(), [(row.text, row.entity) for row in rows], max_length)
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


def rate(step: int, steps: int, warmup: float) -> float:
    """Return the factor on the learning rate: linear warm-up, then half a cosine to a fiftieth."""
    rise = max(1, round(steps * warmup))
    if step < rise:
        return (step + 1) / rise
    done = (step - rise) / max(1, steps - rise)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done))


def _loss(network: Network, batch: Sequence[Prepared]) -> Tensor:
    ids, mask, segments = pad([(row.tokens.ids, row.tokens.segments) for row in batch])
    sentiment, topic = network(ids, mask, segments)
    total = torch.zeros(())
    for logits, labels in (
        (sentiment, [row.example.sentiment for row in batch]),
        (topic, [row.example.topic for row in batch]),
    ):
        target = torch.tensor(labels)
        if (target != UNLABELLED).any():
            total = total + cross_entropy(logits, target, ignore_index=UNLABELLED, reduction="sum") / len(batch)
    return total


@torch.inference_mode()
def logits(network: Network, rows: Sequence[Prepared], size: int = 64) -> tuple[Tensor, Tensor]:
    """Return (sentiment, topic) logits of rows in their order."""
    network.eval()
    order = sorted(range(len(rows)), key=lambda at: len(rows[at].tokens))
    sentiment = torch.zeros((len(rows), len(SENTIMENTS)))
    topic = torch.zeros((len(rows), len(taxonomy().labels)))
    for start in range(0, len(order), size):
        part = order[start : start + size]
        answers = network(*pad([(rows[at].tokens.ids, rows[at].tokens.segments) for at in part]))
        sentiment[part], topic[part] = (answer.float() for answer in answers)
    return sentiment, topic


def accuracies(network: Network, rows: Sequence[Prepared]) -> dict[str, float]:
    """Return the share of right answers for each (task, source, with or without entity) among rows."""
    right: dict[str, list[bool]] = {}
    for head, answers in zip(("sentiment", "topic"), logits(network, rows), strict=True):
        for row, answer in zip(rows, answers.argmax(1).tolist(), strict=True):
            label = row.example.sentiment if head == "sentiment" else row.example.topic
            if label != UNLABELLED:
                view = "entity" if row.example.entity else "article"
                right.setdefault(f"{head}/{row.example.source}/{view}", []).append(answer == label)
    return {key: float(np.mean(value)) for key, value in right.items()}


def train(
    rows: Sequence[Example],
    settings: Settings,
    checkpoints: Path | None = None,
    progress: Progress | None = None,
    start_from: Path | None = None,
) -> Outcome:
    """Fine-tune on rows, leaving out the dev share; keep a checkpoint after each pass under `checkpoints`.

    Raises DataInvalid where nothing is left to train on, BadLogits where the loss is no longer a number.
    """
    with repeatable(settings.seed):
        return _train(rows, settings, checkpoints, progress, start_from)


def _train(
    rows: Sequence[Example],
    settings: Settings,
    checkpoints: Path | None,
    progress: Progress | None,
    start_from: Path | None,
) -> Outcome:
    train_rows, dev_rows = split(unique(rows), settings.dev_share)
    if not train_rows:
        raise DataInvalid("no labelled row is left to train on; give more data or a smaller dev share")
    network = build(load_encoder(), settings.lora, len(SENTIMENTS), len(taxonomy().labels), settings.dropout)
    if start_from is not None:
        network.restore(load_file(start_from / ADAPTER), load_file(start_from / HEADS))
    prepared, dev = prepare(train_rows, settings.max_length), prepare(dev_rows, settings.max_length)
    logger.info("%d rows to train on, %d held out", len(prepared), len(dev))
    steps = math.ceil(len(prepared) / settings.batch_size) * settings.epochs
    steps = min(steps, settings.max_steps or steps)
    weights = [value for value in network.parameters() if value.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, steps, settings.warmup))
    rng = random.Random(settings.seed)  # noqa: S311 - it shuffles, it guards nothing
    losses: list[float] = []
    passes: list[dict[str, float]] = []
    for number in range(1, settings.epochs + 1):
        began = time.monotonic()
        network.train()
        for batch in batches(prepared, settings.batch_size, rng)[: steps - len(losses)]:
            loss = _loss(network, batch)
            if not torch.isfinite(loss):
                raise BadLogits(
                    f"the loss is {loss.item()} at step {len(losses) + 1}; train again with a lower learning rate"
                )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(weights, settings.clip_norm)
            optimizer.step()
            schedule.step()
            losses.append(float(loss.item()))
            if progress is not None:
                progress(len(losses), steps, losses[-1])
        passes.append(accuracies(network, dev))
        logger.info("pass %d: %.0f s, dev %s", number, time.monotonic() - began, json.dumps(passes[-1]))
        if checkpoints is not None:
            save_weights(network, checkpoints / f"pass-{number}")
            (checkpoints / "passes.json").write_text(json.dumps(passes, indent=1), "utf-8")
        if len(losses) >= steps:
            break
    return Outcome(network.eval(), losses, passes)
