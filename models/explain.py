"""Which words made the answer: integrated gradients from a text of blanks to the text, summed over each word's tokens.

Source: Sundararajan, Taly and Yan, Axiomatic Attribution for Deep Networks, ICML 2017; the integral is captum's. A
word's weight is in units of probability: the weights of a text add up to p(text) - p(the same text blanked), and how
far they miss it is told (`gap`). Always in torch and float32, whatever engine the scorer has.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from models import DEFAULT, Item
from models.calibrate import Calibration, Scaling, kind_of
from models.engines.threads import one_core_each
from models.errors import BadLogits, DeviceMissing, PackageMissing
from models.explanation import TOLERANCE, Explanation, Word
from models.net import Network, pad
from models.reading import Reading, read_as
from models.text import clean

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

__all__ = ["TOLERANCE", "Explainer", "Explanation", "Word", "load", "spans"]

_STEPS = (24, 48, 96, 192)
_TOKENS = 6_144
_BLANKS = ("[PAD]", "<pad>", "[MASK]", "<mask>")
_CHUNK = re.compile(r"\S+")
_EDGES = " \t\n.,;:!?\"'()[]{}“”‘’«»…-–—|"


def spans(given: str, cleaned: str) -> list[tuple[str, int, int, int, int]]:
    """Return (word, start, end in `cleaned`, start, end in `given`) of every word, without punctuation at its edges."""
    found: list[tuple[str, int, int, int, int]] = []
    at = 0
    for match in _CHUNK.finditer(cleaned):
        bare = match[0].strip(_EDGES) or match[0]
        start = match.start() + match[0].index(bare)
        place = given.find(bare, at)
        found.append((bare, start, start + len(bare), place, place + len(bare) if place >= 0 else -1))
        at = place + len(bare) if place >= 0 else at
    return found


def _method() -> Any:
    # captum brings matplotlib along: only who explains pays for it.
    try:
        from captum.attr import LayerIntegratedGradients
    except ImportError as problem:
        raise PackageMissing("explanations need the package captum; run: pip install captum") from problem
    return LayerIntegratedGradients


@dataclass(frozen=True)
class _Row:
    """One item, encoded. `words`: index of the word each token belongs to, -1 for none."""

    item: Item
    ids: list[int]
    segments: list[int]
    words: list[int]
    spans: list[tuple[str, int, int, int, int]]
    truncated: bool

    def __len__(self) -> int:
        return len(self.ids)


class Explainer:
    """Explains answers of one loaded model. Made by `load`; deterministic, keeps nothing between calls."""

    def __init__(
        self,
        network: Network,
        tokenizer: "Tokenizer",
        calibration: Calibration,
        *,
        model_version: str,
        max_length: int,
        reading: Reading = Reading.CLEAN,
        device: str = "cpu",
    ) -> None:
        self.model_version = model_version
        self._network = network.to(device=device, dtype=torch.float32).eval().requires_grad_(False)
        self._tokenizer = tokenizer
        self._calibration = calibration
        self._max_length = max_length
        self._reading = reading
        self._device = device
        known = [tokenizer.token_to_id(blank) for blank in _BLANKS]
        self._blank = next((token for token in known if token is not None), 0)

    def explain(
        self, items: Sequence[Item], *, predicted: bool = True, tolerance: float = TOLERANCE
    ) -> list[Explanation]:
        """Return an explanation per item, in order; without `predicted` only towards negative (half the work).

        Steps are doubled until the weights add up within `tolerance`, or the most steps are taken.

        Raises BadLogits where the network answers NaN or infinity.
        """
        with one_core_each(1) as pool:
            return pool.submit(self._explain, items, predicted, tolerance).result()

    def _explain(self, items: Sequence[Item], predicted: bool, tolerance: float) -> list[Explanation]:
        self._tokenizer.enable_truncation(max_length=self._max_length, strategy="longest_first")
        rows = [self._row(item) for item in items]
        order = sorted(range(len(rows)), key=lambda at: len(rows[at]))
        done: dict[int, Explanation] = {}
        # Only equal lengths share a batch: padding would be blank tokens that the integral runs over for nothing.
        for _, same in groupby(order, key=lambda at: len(rows[at])):
            places = list(same)
            for at, found in zip(
                places, self._explained([rows[at] for at in places], predicted, tolerance), strict=True
            ):
                done[at] = found
        return [done[at] for at in range(len(rows))]

    def _row(self, item: Item) -> _Row:
        text = read_as(item.text, item.entity, self._reading)
        encoding: Encoding = (
            self._tokenizer.encode(text, clean(item.entity)) if item.entity else self._tokenizer.encode(text)
        )
        places = spans(item.text, text)
        ends = [end for _, _, end, _, _ in places]
        words = []
        for (_, end), part in zip(encoding.offsets, encoding.sequence_ids, strict=True):
            # The word whose end comes first after the token's: punctuation goes with the word before the next one.
            here = next((at for at, limit in enumerate(ends) if end <= limit), len(ends) - 1)
            words.append(here if part == 0 and end > 0 else -1)
        return _Row(item, encoding.ids, encoding.type_ids, words, places, bool(encoding.overflowing))

    def _explained(self, rows: Sequence[_Row], predicted: bool, tolerance: float) -> list[Explanation]:
        ids, mask, segments = pad([(row.ids, row.segments) for row in rows], self._device)
        text = torch.tensor([[word >= 0 for word in row.words] for row in rows], device=self._device)
        blanks = torch.where(text, self._blank, ids)
        scalings = [self._scaling(row.item) for row in rows]
        inverse = torch.tensor([[1 / one.temperature] for one in scalings], device=self._device)
        bias = torch.tensor([one.bias for one in scalings], device=self._device)
        with torch.no_grad():
            full = self._chances(ids, mask, segments, inverse, bias)
            empty = self._blanked(blanks, ids, mask, segments, inverse, bias)
        if not (torch.isfinite(full).all() and torch.isfinite(empty).all()):
            raise BadLogits(f"the model {self.model_version} answered NaN or infinity; restore its artifact")
        negative = torch.zeros(len(rows), dtype=torch.long, device=self._device)
        best = full.argmax(1) if predicted else negative
        weights = torch.zeros((2, *ids.shape), device=self._device)
        gaps = torch.full((2, len(rows)), torch.inf, device=self._device)
        steps = [0] * len(rows)
        for count in _STEPS:
            open_ = (gaps.abs() > tolerance).any(0)
            if not open_.any():
                break
            batch = tuple(part[open_] for part in (ids, blanks, mask, segments, inverse, bias))
            for side, target in enumerate((negative, best)):
                again = side == 1 and bool((best[open_] == negative[open_]).all())
                found = weights[0][open_] if again else self._integral(*batch, target=target[open_], steps=count)
                weights[side, open_] = found
                aim = (full - empty).gather(1, target.unsqueeze(1)).squeeze(1)[open_]
                gaps[side, open_] = found.sum(1) - aim
            steps = [count if hit else before for hit, before in zip(open_.tolist(), steps, strict=True)]
        return [
            self._explanation(row, full[at], empty[at], weights[:, at], gaps[:, at], steps[at])
            for at, row in enumerate(rows)
        ]

    def _scaling(self, item: Item) -> Scaling:
        kind = kind_of(item.text, item.entity)
        return self._calibration.by_kind.get(kind) or Scaling(self._calibration.temperature_sentiment)

    def _chances(self, ids: Tensor, mask: Tensor, segments: Tensor, inverse: Tensor, bias: Tensor) -> Tensor:
        logits: Tensor = self._network(ids, mask, segments)[0]
        return torch.softmax(logits * inverse + bias, 1)

    def _embedding(self) -> torch.nn.Module:
        encoder = self._network.encoder
        layer: torch.nn.Module = encoder.get_input_embeddings()  # type: ignore[operator]
        return layer

    def _blanked(self, blanks: Tensor, ids: Tensor, *rest: Tensor) -> Tensor:
        """The answer to blanked texts. Blanked behind the embedding: some encoders count places by the ids they see."""
        layer = self._embedding()
        other = layer(blanks)
        handle = layer.register_forward_hook(lambda _module, _inputs, _output: other)
        try:
            return self._chances(ids, *rest)
        finally:
            handle.remove()

    def _integral(
        self, ids: Tensor, blanks: Tensor, mask: Tensor, segments: Tensor, inverse: Tensor, bias: Tensor,
        *, target: Tensor, steps: int,
    ) -> Tensor:  # fmt: skip
        """The weight of every token, (rows, tokens)."""
        method = _method()(self._chances, self._embedding())
        found: Tensor = method.attribute(
            ids,
            baselines=blanks,
            target=target,
            additional_forward_args=(mask, segments, inverse, bias),
            n_steps=steps,
            internal_batch_size=max(len(ids), _TOKENS // ids.shape[1]),
        )
        return found.sum(-1).detach()

    def _explanation(
        self, row: _Row, full: Tensor, empty: Tensor, weights: Tensor, gaps: Tensor, steps: int
    ) -> Explanation:
        sums = [[0.0] * len(row.spans) for _ in range(2)]
        for side in range(2):
            for word, weight in zip(row.words, weights[side].tolist(), strict=True):
                if word >= 0:
                    sums[side][word] += weight
        p, q = full.tolist(), empty.tolist()
        return Explanation(
            row.item,
            self.model_version,
            (p[0], p[1], p[2]),
            (q[0], q[1], q[2]),
            tuple(
                Word(text, start, end, negative, predicted)
                for (text, _, _, start, end), negative, predicted in zip(row.spans, *sums, strict=True)
            ),
            float(gaps[0]),
            float(gaps[1]),
            steps,
            row.truncated,
        )


def load(name_or_path: str = DEFAULT, device: str = "auto") -> Explainer:
    """Load an artifact for explaining, every sha256 checked. `device`: auto, cpu or cuda.

    Raises WeightsMissing, WeightsCorrupt, LabelsUnknown or DeviceMissing.
    """
    from models import artifacts

    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise DeviceMissing("no CUDA device is there; set the device to cpu or auto")
    artifact = artifacts.open_artifact(name_or_path)
    network, tokenizer = artifacts.network_of(artifact)
    return Explainer(
        network.merged(),
        tokenizer,
        artifact.calibration,
        model_version=artifact.model_version,
        max_length=artifact.max_length,
        reading=artifact.reading,
        device="cuda" if there and device != "cpu" else "cpu",
    )
