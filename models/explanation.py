"""What an explanation says: the words of a text and what each adds to a probability. For readers: free of torch."""

from dataclasses import dataclass

from models import SENTIMENTS, Item

__all__ = ["TOLERANCE", "Explanation", "Word"]

TOLERANCE = 0.02
"""How far the weights of a text may miss the difference that they explain, before more steps are taken."""


@dataclass(frozen=True)
class Word:
    """One word of the text and what it adds to the probability of negative and of the predicted sentiment.

    `start`, `end`: its place in the text as given (characters, end excluded); -1 where cleaning changed it too much.
    """

    text: str
    start: int
    end: int
    negative: float
    predicted: float


@dataclass(frozen=True)
class Explanation:
    """The words behind one answer.

    `probabilities`, `blank`: of the text and of the text blanked, in the order of SENTIMENTS; `gap_*`: by how much the
    weights miss the difference of the two; `truncated`: the end of the text was not read and has no weights.
    """

    item: Item
    model_version: str
    probabilities: tuple[float, float, float]
    blank: tuple[float, float, float]
    words: tuple[Word, ...]
    gap_negative: float
    gap_predicted: float
    steps: int
    truncated: bool

    @property
    def predicted(self) -> str:
        """The likeliest sentiment."""
        return SENTIMENTS[self.probabilities.index(max(self.probabilities))]

    @property
    def complete(self) -> bool:
        """Whether the weights add up to what they explain, within TOLERANCE."""
        return max(abs(self.gap_negative), abs(self.gap_predicted)) <= TOLERANCE
