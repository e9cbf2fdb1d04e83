"""From cleaned texts to token ids: one place for training and scoring, so that both cut and join alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.text import clean

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class Encoded:
    """One text as the network reads it; `truncated` where something of it had to go."""

    ids: list[int]
    segments: list[int]
    truncated: bool

    def __len__(self) -> int:
        return len(self.ids)


def encode(tokenizer: "Tokenizer", pairs: Sequence[tuple[str, str | None]], max_length: int) -> list[Encoded]:
    """Tokenise (text, entity) pairs, cut to `max_length` tokens, in order. Of a pair the longer part is cut first."""
    tokenizer.enable_truncation(max_length=max_length, strategy="longest_first")
    cleaned: list[str | tuple[str, str]] = [
        clean(text) if not entity else (clean(text), clean(entity)) for text, entity in pairs
    ]
    return [Encoded(e.ids, e.type_ids, bool(e.overflowing)) for e in tokenizer.encode_batch(cleaned)]
