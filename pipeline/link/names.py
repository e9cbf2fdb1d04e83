"""How names are written: legal forms, ids, folding of case and accents, and the notes an alias may carry."""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from enum import Enum
from typing import NamedTuple

from pipeline.errors import InputError

__all__ = ["Name", "Needs", "core_name", "fold", "parse_name", "slug"]


class Needs(Enum):
    """What a name asks for before it counts; `ambiguous.toml` says which reasons each accepts."""

    NOTHING = ""
    PLAIN = "plain"  # nothing either, though it is short
    WORD = "word"  # it is also an ordinary word: Target
    NAME = "name"  # it is also a person, a place or another name: Ford, Phoenix
    MARKET = "market"  # it is also a thing of everyday life: gold, corn, pound
    CODE = "code"  # only a code, a legal form or the full name will do: City


class Name(NamedTuple):
    """One written form: valid from `since` (inclusive) until `until` (exclusive), None meaning always."""

    text: str
    since: date | None = None
    until: date | None = None
    needs: Needs | None = None


_LEGAL = (
    r"inc|incorporated|corp|corporation|co|company|companies|plc|p\.l\.c|ltd|limited|ltda|llc|l\.l\.c|lp|l\.p|ag|se|sa|"
    r"s\.a|s a|nv|n\.v|n v|b\.?v|aktiengesellschaft|kgaa|gmbh|oyj|oy|abp|ab|asa|a/s|a\.s|spa|s\.p\.a|kk|k\.k|bhd|"
    r"berhad|pjsc|jsc|sab|tbk|pcl|"
    r"pte|publ|public|adr|ads|class [a-c]|s\.?a\.?b\.? de c\.?v|de c\.?v"
)
_LEGAL_END = re.compile(rf"(?:,?\s+(?:&\s+)?(?:{_LEGAL})\.?|\s*\([^)]*\))$", re.IGNORECASE)
_LAST_WORDS = frozenset(re.sub(r"\\|\?|\.", "", _LEGAL).replace("class [a-c]", "a|b|c").replace(" ", "|").split("|"))
_NOTE = re.compile(r"\s*\[([^\[\]]*)\]$")
_SAME = {"’": "'", "‘": "'", "‐": "-", "‑": "-", "–": "-"}


def core_name(name: str) -> str:
    """The name people write: without legal forms, remarks in brackets and a leading "The"."""
    core = name.strip()
    while core.endswith(")") or core.rpartition(" ")[2].replace(".", "").lower() in _LAST_WORDS:
        shorter = _LEGAL_END.sub("", core).rstrip(" ,&")
        if shorter == core or not shorter:
            break
        core = shorter
    return (core[4:].lstrip() if core.startswith("The ") else core) or name.strip()


def slug(name: str) -> str:
    """`name` as the tail of an entity id: lower case, ASCII, hyphens."""
    plain = unicodedata.normalize("NFKD", name.replace("&", " and ")).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower().replace("'", "")).strip("-")


class _Folding(dict[int, str]):
    """Per character, so that the folded text is as long as the text and every position fits both."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        bare = unicodedata.normalize("NFKD", char)[:1].lower() or char
        self[code] = found = _SAME.get(char, bare if len(bare) == 1 else char)
        return found


_FOLDING = _Folding()


def fold(text: str) -> str:
    """`text` in lower case, without accents, with plain apostrophes and hyphens; its length is unchanged."""
    return text.lower() if text.isascii() else text.translate(_FOLDING)


def parse_name(written: str) -> Name:
    """An alias or ticker of an entity file: `Square [2009-02-01..2021-12-10]`, `Gap [word]`, `CBS [..2019-12-04 name]`.

    Raises:
        InputError: a note that is neither a span of dates nor a need.
    """
    note = _NOTE.search(written) if written.endswith("]") else None
    if not note:
        return Name(written)
    since = until = needs = None
    for part in note[1].split():
        try:
            if ".." in part:
                first, last = part.split("..")
                since, until = _day(first), _day(last)
            else:
                needs = Needs(part)
        except ValueError as error:
            known = ", ".join(need.value for need in Needs if need.value)
            raise InputError(
                f"the name {written!r}: {part!r} is neither dates such as 2015-10-02..2021-12-10 nor one of {known}."
            ) from error
    return Name(written[: note.start()], since, until, needs)


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None
