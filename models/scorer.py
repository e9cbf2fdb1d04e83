"""Scoring at speed: equal texts once, sorted by length, batched by a token budget, never padded to a fixed length."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from models import DEFAULT, SENTIMENTS, Item, Prediction
from models.calibrate import Calibration, probabilities
from models.engine import Engine, choose
from models.errors import BadLogits, CanaryFailed, TextTooLarge
from models.net import Network, pad
from models.tokens import Encoded, encode

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["DEFAULT", "Item", "Prediction", "Scorer", "batches", "load"]

logger = logging.getLogger(__name__)
_CHUNK = 8_192
Logits = tuple[NDArray[np.float32], NDArray[np.float32]]


def batches(lengths: Sequence[int], budget: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) over ascending lengths with rows × longest row within the budget, one row at least."""
    start = 0
    for at in range(1, len(lengths) + 1):
        if at == len(lengths) or (at + 1 - start) * lengths[at] > budget:
            yield start, at
            start = at


class Scorer:
    """Scores texts with one loaded model. Made by `load`; deterministic, and safe to keep for the life of a process."""

    def __init__(
        self,
        network: Network,
        tokenizer: "Tokenizer",
        calibration: Calibration,
        engine: Engine,
        *,
        model_version: str,
        topics: tuple[str, ...],
        max_length: int,
    ) -> None:
        self.model_version = model_version
        self.topics = topics
        self.negative_limit = calibration.negative_limit
        self.abstain_below = calibration.abstain_below
        self.engine = engine
        self._network = network.to(device=engine.device, dtype=engine.dtype).eval()
        self._tokenizer = tokenizer
        self._calibration = calibration
        self._max_length = max_length
        self._budget = engine.token_budget

    def score(self, items: Sequence[Item], progress: Callable[[int], None] | None = None) -> Prediction:
        """Return probabilities for items in their order; `progress` hears the number of items done so far.

        Raises BadLogits where the network answers NaN or infinity, TextTooLarge where one text alone does not fit.
        """
        pairs = [(item.text, item.entity or None) for item in items]
        places: dict[tuple[str, str | None], list[int]] = {}
        for at, pair in enumerate(pairs):
            places.setdefault(pair, []).append(at)
        # Sorted by content, so that batches, and the last bits of the answers, do not depend on the order of arrival.
        distinct = sorted(places, key=lambda pair: (pair[0], pair[1] or ""))
        sentiment = np.zeros((len(items), len(SENTIMENTS)), dtype=np.float32)
        topic = np.zeros((len(items), len(self.topics)), dtype=np.float32)
        truncated = np.zeros(len(items), dtype=np.bool_)
        done = 0
        for start in range(0, len(distinct), _CHUNK):
            chunk = distinct[start : start + _CHUNK]
            rows = encode(self._tokenizer, chunk, self._max_length)
            order = sorted(range(len(rows)), key=lambda at: len(rows[at]))
            for part in self._parts([rows[at] for at in order]):
                begin, end, (sentiment_logits, topic_logits) = part
                p_sentiment = probabilities(sentiment_logits, self._calibration.temperature_sentiment)
                p_topic = probabilities(topic_logits, self._calibration.temperature_topic)
                for row, at in enumerate(order[begin:end]):
                    into = places[chunk[at]]
                    sentiment[into], topic[into] = p_sentiment[row], p_topic[row]
                    truncated[into] = rows[at].truncated
                    done += len(into)
                if progress is not None:
                    progress(done)
        return Prediction(sentiment, topic, truncated)

    def _parts(self, rows: Sequence[Encoded]) -> Iterator[tuple[int, int, Logits]]:
        """Yield (start, end, logits) over rows sorted by length."""
        lengths = [len(row) for row in rows]
        start = 0
        while start < len(rows):
            end = start + next(batches(lengths[start:], self._budget))[1]
            try:
                logits = self._logits(rows[start:end])
            except (MemoryError, RuntimeError) as problem:
                if not _is_out_of_memory(problem):
                    raise
                self._shrink(end - start)
                continue
            yield start, end, logits
            start = end

    def _shrink(self, rows: int) -> None:
        if rows == 1:
            raise TextTooLarge(
                "a single text does not fit into memory; free some memory, or score on the CPU"
            ) from None
        self._budget //= 2
        logger.warning("out of memory with %d texts; going on with %d tokens at once", rows, self._budget)
        if self.engine.device == "cuda":
            torch.cuda.empty_cache()

    @torch.inference_mode()
    def _logits(self, rows: Sequence[Encoded]) -> Logits:
        batch = pad([(row.ids, row.segments) for row in rows], self.engine.device)
        answers = tuple(head.float().cpu().numpy() for head in self._network(*batch))
        if not all(np.isfinite(answer).all() for answer in answers):
            raise BadLogits(
                f"the model {self.model_version} answered NaN or infinity; restore its artifact, or use device = cpu"
            )
        return answers[0], answers[1]


def _is_out_of_memory(problem: Exception) -> bool:
    # torch raises a plain RuntimeError where its CPU allocator fails.
    return isinstance(problem, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(problem)


def load(name_or_path: str = DEFAULT, device: str = "auto") -> Scorer:
    """Load an artifact by name or folder, once every sha256 is right and its canary sentences come out as they should.

    `device`: auto, cpu or cuda. Raises WeightsMissing, WeightsCorrupt, LabelsUnknown, DeviceMissing or CanaryFailed.
    """
    # The artifact knows how to build a network; it needs nothing of this module.
    from models import artifacts

    artifact = artifacts.open_artifact(name_or_path)
    network, tokenizer = artifacts.network_of(artifact)
    scorer = Scorer(
        network.merged(),
        tokenizer,
        artifact.calibration,
        choose(device, artifact.calibration.bf16_agreement),
        model_version=artifact.model_version,
        topics=artifact.topics,
        max_length=artifact.max_length,
    )
    check_canaries(scorer, artifact.canaries)
    return scorer


def check_canaries(scorer: Scorer, canaries: Sequence[tuple[str, str]]) -> None:
    """Raise CanaryFailed where a (sentence, sentiment) comes out wrong: labels mixed up, or other weights."""
    answers = scorer.score([Item(text) for text, _ in canaries]).sentiment.argmax(1)
    for (text, expected), answer in zip(canaries, answers, strict=True):
        if SENTIMENTS[answer] != expected:
            raise CanaryFailed(
                f"{scorer.model_version} finds {text!r} {SENTIMENTS[answer]}, not {expected}; "
                "restore the artifact or train it again"
            )
