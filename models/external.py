"""Other people's models for comparison: any Hugging Face sequence classifier of finance, and the word lists.

Only safetensors are read, nothing pickled, and no code that comes with a model is run. The order of its labels is read
from its config and mapped to our words.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from models import SENTIMENTS, Item, Prediction
from models.data import file_sha256
from models.errors import BadLogits, DeviceMissing, LabelsUnknown, TextTooLarge, WeightsCorrupt, WeightsMissing
from models.evaluate import Answers
from models.hub import fetched
from models.lexicons import LEXICONS, lexicon
from models.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Classifier", "Opened", "label_map", "open_model"]

_WORDS: Mapping[str, str] = {
    "negative": "negative", "neg": "negative", "bearish": "negative",
    "neutral": "neutral", "neu": "neutral",
    "positive": "positive", "pos": "positive", "bullish": "positive",
}  # fmt: skip
_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")
_LONGEST = 512
_TOKENS_AT_ONCE = 4_096


@dataclass(frozen=True)
class Opened:
    """A model that can be evaluated. `labels`: its words to ours, empty for our own; `certain`: no probabilities."""

    name: str
    answers: Answers
    labels: Mapping[str, str]
    certain: bool = False


def open_model(name: str, device: str = "auto", labels: Mapping[str, str] | None = None) -> Opened:
    """Open an artifact of ours, a word list, or a Hugging Face classifier by folder or hub name (owner/model).

    `labels`: what its words mean, where its config does not tell (LABEL_0 to negative).
    Raises WeightsMissing, WeightsCorrupt, LabelsUnknown, PackageMissing, DeviceMissing.
    """
    if name in LEXICONS:
        word_list = lexicon(name)
        return Opened(word_list.model_version, word_list, {}, certain=True)
    folder = Path(name).expanduser()
    if _is_classifier(folder) or (_is_hub_name(name) and not folder.exists()):
        place = folder if folder.is_dir() else fetched(name, None, _FILES)
        classifier = _classifier(place, name if place is not folder else folder.resolve().name, device, labels or {})
        return Opened(classifier.model_version, classifier, classifier.labels)
    from models.scorer import load

    scorer = load(name, device)
    return Opened(scorer.model_version, scorer, {})


def _is_classifier(folder: Path) -> bool:
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        # Not there, or damaged: whoever reads artifacts says what is wrong.
        return False
    return isinstance(config, dict) and "model_type" in config


def _is_hub_name(name: str) -> bool:
    return name.count("/") == 1 and not name.startswith(("/", ".", "~")) and not name.endswith("/")


def label_map(words: Sequence[str], given: Mapping[str, str], name: str) -> dict[str, str]:
    """Return what each of a model's words means in ours.

    Raises LabelsUnknown where a word means nothing to us and `given` does not say.
    """
    ours = {word.lower(): meaning for word, meaning in given.items()}
    found = {word: ours.get(word.lower(), _WORDS.get(word.lower(), "")) for word in words}
    strange = [word for word, meaning in found.items() if meaning not in SENTIMENTS]
    if strange:
        example = ",".join(f"{word}={SENTIMENTS[at % 3]}" for at, word in enumerate(strange))
        raise LabelsUnknown(
            f"{name} answers {', '.join(words)}, and what {strange[0]} means is not known; "
            f"look it up and name each, as --labels {example}"
        )
    if len(set(found.values())) < 2:
        raise LabelsUnknown(f"{name} answers only {', '.join(words)}; it is no classifier of sentiment")
    return found


class Classifier:
    """A Hugging Face sequence classifier behind the same face as our scorer. Entities are not read; no topics."""

    topics: tuple[str, ...] = ()

    def __init__(
        self,
        network: Any,
        tokenizer: Any,
        labels: Mapping[str, str],
        *,
        model_version: str,
        device: str,
    ) -> None:
        self.model_version = model_version
        self.labels = labels
        self._network = network.to(device).eval()
        self._tokenizer = tokenizer
        self._device = device
        meanings = [SENTIMENTS.index(labels[word]) for word in labels]
        # Two words of theirs may mean one of ours ("strongly negative"): their probabilities add up.
        self._to_ours: NDArray[np.float32] = np.eye(len(SENTIMENTS), dtype=np.float32)[meanings]
        # RoBERTa's first position is 2, so that its last two cannot be used; other networks do not miss them.
        room = int(getattr(network.config, "max_position_embeddings", None) or _LONGEST) - 2
        self._max_length = int(min(_LONGEST, room if room > 0 else _LONGEST, tokenizer.model_max_length))

    def score(self, items: Sequence[Item], progress: Callable[[int], None] | None = None) -> Prediction:
        """Return probabilities for items in their order, sorted by length within; raise BadLogits on NaN."""
        texts = [clean(item.text) for item in items]
        encoded = self._tokenizer(texts, truncation=True, max_length=self._max_length, verbose=False) if texts else {}
        lengths = [len(ids) for ids in encoded.get("input_ids", [])]
        order = sorted(range(len(texts)), key=lengths.__getitem__)
        sentiment = np.zeros((len(items), len(SENTIMENTS)), np.float32)
        start = 0
        while start < len(order):
            end = start + 1
            while end < len(order) and (end + 1 - start) * lengths[order[end]] <= _TOKENS_AT_ONCE:
                end += 1
            part = order[start:end]
            sentiment[part] = self._probabilities([{key: encoded[key][at] for key in encoded} for at in part])
            start = end
            if progress is not None:
                progress(start)
        cut = np.array([length >= self._max_length for length in lengths], np.bool_)
        return Prediction(sentiment, np.zeros((len(items), 0), np.float32), cut)

    def _probabilities(self, rows: list[dict[str, list[int]]]) -> NDArray[np.float32]:
        import torch

        batch = self._tokenizer.pad(rows, return_tensors="pt").to(self._device)
        try:
            with torch.inference_mode():
                logits = self._network(**batch).logits.float().cpu().numpy()
        except torch.OutOfMemoryError as problem:
            raise TextTooLarge(
                f"{self.model_version} does not fit into the GPU's memory; use --device cpu"
            ) from problem
        if not np.isfinite(logits).all():
            raise BadLogits(f"{self.model_version} answered NaN or infinity; fetch its weights again")
        return np.asarray(softmax(logits, axis=1) @ self._to_ours, np.float32)


def _classifier(folder: Path, name: str, device: str, given: Mapping[str, str]) -> Classifier:
    weights = _weights(folder, name)
    config = json.loads((folder / "config.json").read_text("utf-8")) if (folder / "config.json").is_file() else {}
    if "model_type" not in config:
        raise WeightsCorrupt(f"{name} has no config.json that says what kind of network it is; name another model")
    network, tokenizer = _network(folder, name)
    words = [str(network.config.id2label[at]) for at in range(int(network.config.num_labels))]
    # With the config: it says which label is which.
    parts = "".join(file_sha256(path) for path in [folder / "config.json", *weights])
    version = hashlib.sha256(parts.encode()).hexdigest()
    return Classifier(
        network,
        tokenizer,
        label_map(words, given, name),
        model_version=f"{name}@{version[:12]}",
        device=_device(device),
    )


def _weights(folder: Path, name: str) -> list[Path]:
    if (folder / "adapter_config.json").is_file():
        raise WeightsCorrupt(f"{name} is an adapter without its network; merge the two first and name that folder")
    found = sorted(folder.glob("*.safetensors"))
    if found:
        return found
    pickled = sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt") for path in folder.glob(pattern))
    if pickled:
        raise WeightsCorrupt(
            f"{name} has only pickled weights ({pickled[0]}), which may run code and are never loaded; "
            "save it as safetensors first"
        )
    raise WeightsMissing(f"{name} has no safetensors weights (pickled ones are never fetched); name another model")


def _network(folder: Path, name: str) -> tuple[Any, Any]:
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    safe: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        with _quiet():
            network, loading = AutoModelForSequenceClassification.from_pretrained(
                folder, use_safetensors=True, output_loading_info=True, dtype=torch.float32, **safe
            )
            tokenizer = AutoTokenizer.from_pretrained(folder, **safe)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as problem:
        reason = str(problem).strip().splitlines()[0][:160] if str(problem).strip() else type(problem).__name__
        raise WeightsCorrupt(
            f"{name} cannot be loaded as a text classifier ({reason}); name another model"
        ) from problem
    if loading["missing_keys"]:
        missing = sorted(loading["missing_keys"])[0]
        raise WeightsCorrupt(
            f"{name} has no trained classifier on top ({missing} is missing, it would be random); name another model"
        )
    return network, tokenizer


@contextmanager
def _quiet() -> Iterator[None]:
    """Loading draws progress bars and prints a report of its own; ours is one line."""
    logging: Any = import_module("transformers.utils.logging")
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _device(asked: str) -> str:
    import torch

    if asked not in ("auto", "cpu", "cuda"):
        raise DeviceMissing(f"the device {asked!r} is unknown; use auto, cpu or cuda")
    there = torch.cuda.is_available()
    if asked == "cuda" and not there:
        raise DeviceMissing("no CUDA device is there; set the device to cpu or auto")
    return "cuda" if there and asked != "cpu" else "cpu"
