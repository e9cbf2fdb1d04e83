"""From cleaned texts to token ids: one place for training and scoring, so that both cut and join alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.reading import Reading, read_as
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


def encode(
    tokenizer: "Tokenizer",
    pairs: Sequence[tuple[str, str | None]],
    max_length: int,
    reading: Reading = Reading.CLEAN,
) -> list[Encoded]:
    """Tokenise (text, entity) pairs, cut to `max_length` tokens, in order. Of a pair the longer part is cut first.

    `reading`: how the model reads texts, which its artifact says.
    """
    tokenizer.enable_truncation(max_length=max_length, strategy="longest_first")
    cleaned: list[str | tuple[str, str]] = [
        read_as(text, None, reading) if not entity else (read_as(text, entity, reading), clean(entity))
        for text, entity in pairs
    ]
    return [Encoded(e.ids, e.type_ids, bool(e.overflowing)) for e in tokenizer.encode_batch(cleaned)]
