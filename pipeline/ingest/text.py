"""Titles and summaries as plain text: markup, entities, control characters and writing tricks gone."""

from __future__ import annotations

import html
import re
import unicodedata

import nh3

__all__ = ["SUMMARY_LIMIT", "TITLE_LIMIT", "UNWANTED", "plain_text", "was_cut"]

TITLE_LIMIT = 1_000
SUMMARY_LIMIT = 4_000
_CUT = "…"
# Markup is cut before it is cleaned: a summary that holds a whole page costs no more than this.
_RAW_FACTOR = 20
_ROUNDS = 20

_BLOCKS = re.compile(r"<(?=/?(?:p|br|div|li|ul|ol|tr|td|th|h[1-6]|blockquote)\b)", re.IGNORECASE)
# Lone surrogates (the store refuses them), C0 and C1 controls, direction marks and overrides, invisible spaces, soft
# hyphens, fillers, the tag characters that spell hidden text, and what Unicode says is no character.
UNWANTED = re.compile(
    "[\ud800-\udfff\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufdd0-\ufdef\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U000e0000-\U000e0fff]"
)
# Joiners belong to Indic and Persian words and to emoji; beside Latin letters they hide a name from who looks for it.
_JOINERS = re.compile("(?<=[\x00-\u024f])[\u200c\u200d]+|[\u200c\u200d]+(?=[\x00-\u024f])")
# More marks on one letter than any language writes; the rest is drawing.
_MARK = "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
_MARKS = re.compile(f"({_MARK}{{4}}){_MARK}+")


def plain_text(markup: str | None, limit: int) -> str:
    """`markup` as one line of at most `limit` characters, in Unicode's NFC.

    Cleaned and unescaped until nothing changes, since feeds escape twice and hide tags behind entities.
    """
    if not markup:
        return ""
    text = _bare(markup[: limit * _RAW_FACTOR])
    for _ in range(_ROUNDS):
        if "<" not in text and "&" not in text:
            break
        before = text
        # Unwanted characters go in every round: an invisible one inside a tag hides it from the cleaner.
        text = _bare(html.unescape(nh3.clean(_BLOCKS.sub(" <", text), tags=set())))
        if text == before:
            break
    else:
        text = text.replace("<", " ").replace("&", " ")
    text = unicodedata.normalize("NFC", _MARKS.sub(r"\1", text))
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + _CUT


def _bare(text: str) -> str:
    return _JOINERS.sub("", UNWANTED.sub("", text))


def was_cut(text: str, limit: int) -> bool:
    """Whether `plain_text` had to cut this text to `limit`."""
    return len(text) >= limit - 1 and text.endswith(_CUT)
