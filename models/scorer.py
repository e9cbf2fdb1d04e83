"""Scoring at speed: equal texts once, sorted by length, batched by a token budget, never padded to a fixed length."""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from models import DEFAULT, SENTIMENTS, Item, Prediction
from models.calibrate import Calibration, kind_of
from models.engine import Engine, EngineName, Kind, choose, exact
from models.engines import Backend
from models.engines.ctranslate import CTranslate, agrees, fits, installed
from models.engines.eager import Eager
from models.engines.run import Runner, batches
from models.engines.threads import one_core_each
from models.errors import CanaryFailed
from models.net import Network
from models.reading import Reading
from models.tokens import Encoded, encode

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from models.artifacts import Artifact

__all__ = ["DEFAULT", "Item", "Prediction", "Scorer", "batches", "load"]

logger = logging.getLogger(__name__)
_CHUNK = 8_192
Pair = tuple[str, str | None]


class Scorer:
    """Scores texts with one loaded model. Made by `load`; deterministic, and safe to keep for the life of a process.

    `negative_limit`, `abstain_below`: probabilities to act on; `topics`: the labels in the order of `Prediction.topic`.
    """

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
        reading: Reading = Reading.CLEAN,
        runner: Runner | None = None,
    ) -> None:
        """`reading`: how the model reads texts; `runner`: runs the network; where None, torch does."""
        self.model_version = model_version
        self.topics = topics
        self.negative_limit = calibration.negative_limit
        self.abstain_below = calibration.abstain_below
        self._runner = runner or Runner(Eager(network, engine), engine, model_version)
        self._tokenizer = tokenizer
        self._calibration = calibration
        self._max_length = max_length
        self._reading = reading

    @property
    def engine(self) -> Engine:
        """What scores now, and why."""
        return self._runner.engine

    @property
    def fell_back(self) -> bool:
        """True once a GPU was lost and the CPU has taken over."""
        return self._runner.fell_back

    def score(self, items: Sequence[Item], progress: Callable[[int], None] | None = None) -> Prediction:
        """Return probabilities for items in their order; `progress` hears the number of items done so far.

        Raises BadLogits where the network answers NaN or infinity, TextTooLarge where one text alone does not fit,
        DeviceMissing where the GPU is lost and nothing may take its place.
        """
        pairs = [(_unicode(item.text), _unicode(item.entity or "") or None) for item in items]
        places: dict[Pair, list[int]] = {}
        for at, pair in enumerate(pairs):
            places.setdefault(pair, []).append(at)
        # Sorted by content, so that batches, and the last bits of the answers, do not depend on the order of arrival.
        distinct = sorted(places, key=lambda pair: (pair[0], pair[1] or ""))
        sentiment = np.zeros((len(items), len(SENTIMENTS)), dtype=np.float32)
        topic = np.zeros((len(items), len(self.topics)), dtype=np.float32)
        truncated = np.zeros(len(items), dtype=np.bool_)
        done = 0
        for chunk, rows in self._tokenised(distinct):
            order = sorted(range(len(rows)), key=lambda at: len(rows[at]))
            for begin, end, logits in self._runner.run([rows[at] for at in order]):
                part = order[begin:end]
                kinds = [kind_of(*chunk[at]) for at in part]
                texts = [kind_of(chunk[at][0], None) for at in part]
                p_sentiment = self._calibration.sentiment(logits[0], kinds)
                p_topic = self._calibration.topic(logits[1], texts)
                for row, at in enumerate(part):
                    into = places[chunk[at]]
                    sentiment[into], topic[into] = p_sentiment[row], p_topic[row]
                    truncated[into] = rows[at].truncated
                    done += len(into)
                if progress is not None:
                    progress(done)
        return Prediction(sentiment, topic, truncated)

    def _tokenised(self, distinct: Sequence[Pair]) -> Iterator[tuple[Sequence[Pair], list[Encoded]]]:
        """Yield chunks and their tokens; the next chunk is tokenised while the network is busy with this one."""
        chunks = [distinct[start : start + _CHUNK] for start in range(0, len(distinct), _CHUNK)]
        if len(chunks) == 1:
            yield chunks[0], self._encode(chunks[0])
            return
        with ThreadPoolExecutor(1) as ahead:
            waiting = [ahead.submit(self._encode, chunk) for chunk in chunks[:1]]
            for at, chunk in enumerate(chunks):
                rows = waiting.pop().result()
                if at + 1 < len(chunks):
                    waiting.append(ahead.submit(self._encode, chunks[at + 1]))
                yield chunk, rows

    def _encode(self, pairs: Sequence[Pair]) -> list[Encoded]:
        return encode(self._tokenizer, pairs, self._max_length, self._reading)


def _unicode(text: str) -> str:
    """Half characters, as broken JSON brings them, become question marks: the tokenizer knows none of them."""
    return text.encode("utf-8", "replace").decode("utf-8")


def load(name_or_path: str = DEFAULT, device: str = "auto", engine: str = EngineName.AUTO) -> Scorer:
    """Load an artifact by name or folder, once every sha256 is right and its canary sentences come out as they should.

    `device`: auto, cpu or cuda; `engine`: one of models.engine.EngineName. With `auto` for the device a GPU that is
    lost later is replaced by the CPU.
    Raises WeightsMissing, WeightsCorrupt, LabelsUnknown, DeviceMissing, PackageMissing or CanaryFailed.
    """
    # The artifact knows how to build a network; it needs nothing of this module.
    from models import artifacts

    artifact = artifacts.open_artifact(name_or_path)
    network, tokenizer = artifacts.network_of(artifact)
    merged = network.merged()
    calibration = artifact.calibration
    chosen = choose(device, calibration.bf16_agreement, engine=engine, ctranslate2=installed() and fits(merged))
    backend: Backend | None = None
    if chosen.kind is Kind.CTRANSLATE2:
        chosen, backend = _checked(
            chosen, merged, encode(tokenizer, _probes(artifact), artifact.max_length, artifact.reading)
        )

    def spare(engine: Engine) -> Backend:
        return Eager(artifacts.network_of(artifact)[0].merged(), engine)

    scorer = Scorer(
        merged,
        tokenizer,
        calibration,
        chosen,
        model_version=artifact.model_version,
        topics=artifact.topics,
        max_length=artifact.max_length,
        reading=artifact.reading,
        runner=Runner(
            backend or Eager(merged, chosen), chosen, artifact.model_version, spare if device == "auto" else None
        ),
    )
    check_canaries(scorer, artifact.canaries)
    return scorer


def _checked(chosen: Engine, network: Network, rows: Sequence[Encoded]) -> tuple[Engine, Backend]:
    """The engine chosen where it can run the network and answers as torch does on this machine, else torch."""
    reference = Eager(network, exact())
    try:
        backend = CTranslate(network, chosen.streams)
        with one_core_each(1) as pool:
            if pool.submit(agrees, backend, reference, rows).result():
                return chosen, backend
        why = "answers otherwise than torch"
    except (RuntimeError, ValueError) as problem:
        why = f"cannot run this network ({str(problem).splitlines()[0]})"
    engine = replace(exact(), reason=f"fp32 on CPU: ctranslate2 {why}")
    logger.warning("scoring engine: %s", engine.reason)
    return engine, reference


def _probes(artifact: "Artifact") -> list[Pair]:
    """Texts of several lengths, alone and with an entity, at which engines are compared."""
    texts = [text for text, _ in artifact.canaries] or ["Shares fall after a profit warning"]
    return [*((text, None) for text in texts), (" ".join(texts * 8), None), (texts[0], texts[0].split()[0])]


def check_canaries(scorer: Scorer, canaries: Sequence[tuple[str, str]]) -> None:
    """Raise CanaryFailed where a (sentence, sentiment) comes out wrong: labels mixed up, or other weights."""
    answers = scorer.score([Item(text) for text, _ in canaries]).sentiment.argmax(1)
    for (text, expected), answer in zip(canaries, answers, strict=True):
        if SENTIMENTS[answer] != expected:
            raise CanaryFailed(
                f"{scorer.model_version} finds {text!r} {SENTIMENTS[answer]}, not {expected}; "
                "restore the artifact or train it again"
            )
