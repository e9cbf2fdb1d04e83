"""Which texts are not English: the model reads nothing else, and foreign text is not neutral, it is unread."""

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

from models.status.lists import words_in

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

__all__ = ["is_foreign", "not_english"]

_LANGUAGES = words_in("languages.txt")
_ENGLISH = words_in("english.txt")
_PARTICLES = words_in("particles.txt")
_NOISE = re.compile(r"[$#@]\w+|\b(?:https?://|www\.)\S+|\b\w*\d[\w.,/%]*|\b[A-Z][A-Z.]{1,7}:")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
# Chinese, Japanese and Korean write a word in one or two letters.
_DENSE = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL")


@cache
def _detector() -> "LanguageIdentifier":
    # It unpacks 4.6 MB of weights: only who meets a doubtful text pays.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    detector = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    detector.set_languages([language for language in _LANGUAGES if language in detector.labels])
    return detector


def not_english(text: str) -> float:
    """Return how likely the text is in another language, from 0 to 1, by py3langid's naive Bayes over byte n-grams.

    Source: Lui and Baldwin, langid.py: An Off-the-shelf Language Identification Tool, ACL 2012.
    """
    return 1.0 - float(next((p for language, p in _detector().rank(text) if language == "en"), 0.0))


def _other_script(text: str) -> bool:
    other = latin = 0
    for character in text:
        if not character.isalpha():
            continue
        if character < "\u0250":
            latin += 1
            continue
        name = unicodedata.name(character, "")
        if name.startswith("LATIN"):
            latin += 1
        else:
            other += 3 if name.startswith(_DENSE) else 1
    return other > latin and other >= 3


def is_foreign(text: str, declared: str | None = None) -> bool:
    """Tell whether a cleaned text is in another language than English.

    `declared` is what its feed says (a tag such as "de" or "en-GB"): believed where the text itself is too short to
    tell. Names are in no language, so an English headline made of foreign names is to pass: an English word among them
    needs near certainty against it.
    """
    if not text.isascii() and _other_script(text):
        return True
    abroad = bool(declared) and not str(declared).lower().startswith("en")
    bare = _NOISE.sub(" ", text)
    words = [word for word in _WORD.findall(bare) if len(word) > 1]
    lower = [word.lower().replace("’", "'") for word in words]
    english = sum(word in _ENGLISH for word in lower)
    if english >= 2 and english >= 0.3 * len(words):
        return False
    shouting = sum(word.isupper() for word in words) > 0.6 * len(words)
    if len(words) < 3:
        return abroad and not english
    doubt = not_english(bare.lower() if shouting else bare)
    if abroad:
        return doubt >= 0.5 or english < 2
    if doubt >= 0.9995 and english <= 0.2 * len(words):
        return True
    if english:
        return False
    if shouting:
        return len(words) >= 4 and doubt >= 0.999
    # Of names alone nothing follows: some words must be written small, and be none of ours; the fewer, the surer.
    small = sum(word.islower() and word not in _PARTICLES for word in words)
    if small < 2:
        return small == 1 and len(words) <= 4 and doubt >= 0.99
    return doubt >= (0.975 if len(words) == 3 else 0.96 if len(words) == 4 else 0.925)
