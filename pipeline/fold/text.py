"""What a headline says, made comparable: words brought to one form, names, figures, and how the news is meant."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.fold.figures import figures, roles
from pipeline.fold.lexicon import lexicon
from pipeline.fold.places import places

__all__ = ["Gist", "gist", "opposed"]

OPENING_WORDS = 3  # series and columns have a name that long before each title
SUMMARY_WORDS = 40  # of a summary's beginning; copies differ in what follows

_PREFIX = re.compile(
    r"^\W*(?:(?:update \d+|breaking(?: news)?|exclusive|correct(?:ed|ion)(?: \([^)]*\))?|refile|wrapup \d+|live|watch"
    r"|video|factbox|explainer|just in|alert|brief|analysis|insight|dj)\s*[-:–—|]\s*)+",
    re.IGNORECASE,
)
_CORRECTED = re.compile(r"^\W*(?:[\w ]+-)?correct(?:ed|ion)\b|\bcorrect(?:ed|ion)\)?\W*$", re.IGNORECASE)
# Who printed it, or whom a wire credits, at the end: "| Daily Ledger", "- Reuters", "(AP)", ", sources say".
_SUFFIX = re.compile(
    r"(?:\s+(?:[|–—]|-)\s+(?:[A-Z][\w.&']*\s?){1,4})+$|\s+\((?:[A-Z][A-Za-z.&]{1,12}|dpa)\)$"
    r"|(?:,|\s[-–—])\s+sources?(?: say)?$"
)
_BRACKETS = re.compile(r"\s*\([^)]*\)\s*$")  # "(corrects headline)"
_WORD = re.compile(r"[^\W_]+(?:['’.&-][^\W_]+)*")


@dataclass(frozen=True, slots=True)
class Gist:
    """What is compared. `words` and `summary` are in one form; `lead` is the first word; `names` the capitalised
    ones, None where every word is capitalised; `numbers` are the figures of the title, `all_numbers` of all of it, and
    `roles` what each amount of the title belongs to.
    `ahead`: something is expected or open; `forecast`: a forecast is the news; `denial`; `stages`: what
    steps are told; `column`: it comes back day by day; `comment`: it is about news; `opening`: its first words;
    `corrected`: it mends an earlier one.
    `text` is what a sentence encoder reads; `places` are those it names; `things` the members of classes
    (illnesses, vehicles, …) that its title names; `poles` its words that have an opposite, `singles` those that tell an
    event by themselves, `actors` the offices and trades of people."""

    title_key: str
    text_key: str
    words: frozenset[str]
    summary: frozenset[str]
    lead: str
    names: frozenset[str] | None
    numbers: frozenset[str]
    all_numbers: frozenset[str]
    roles: tuple[tuple[str, str], ...]
    ahead: bool
    forecast: bool
    denial: bool
    stages: frozenset[str]
    column: bool
    comment: bool
    opening: str
    corrected: bool
    text: str
    places: frozenset[str]
    things: frozenset[tuple[str, int]]
    poles: frozenset[str]
    singles: frozenset[str]
    actors: frozenset[str]


def gist(title: str, summary: str | None) -> Gist:
    """The gist of one article; empty sets for an empty title."""
    known = lexicon()
    plain = unicodedata.normalize("NFKC", title)
    corrected = bool(_CORRECTED.search(plain))
    plain = _SUFFIX.sub("", _PREFIX.sub("", _BRACKETS.sub("", plain) if corrected else plain))
    head = " ".join((summary or "").split()[:SUMMARY_WORDS])
    spelled = list(_forms(plain))
    words = [form for form, _ in spelled]
    told = figures(plain)
    all_words = frozenset(words) | told
    lower = plain.lower()
    text = f"{plain}. {head}" if head else plain
    return Gist(
        (title_key := _key(plain)),
        _key(f"{plain}\n{head}") if head else title_key,
        all_words,
        frozenset(form for form, _ in _forms(head)) if head else frozenset(),
        words[0] if words else "",
        None if _capitalises_all(plain) else frozenset(form for form, capital in spelled[1:] if capital),
        told,
        told | figures(head) if head else told,
        roles(plain) if len(told) > 1 else (),
        known.ahead.found(plain, lower),
        known.forecast.found(plain, lower),
        known.denial.found(plain, lower),
        frozenset(stage for stage, patterns in known.stages.items() if patterns.found(plain, lower)),
        known.column.found(plain, lower),
        known.comment.found(plain, lower),
        " ".join(lower.split()[:OPENING_WORDS]),
        corrected,
        text,
        places(text),
        frozenset(thing for word in words for thing in known.things.get(word, ())),
        frozenset(word for word in words if word in known.opposites),
        all_words & known.single,
        all_words & known.roles,
    )


def opposed(a: Gist, b: Gist) -> bool:
    """Whether two headlines tell opposite news: one has a word, the other only its opposite."""
    if not a.poles or not b.poles:
        return False
    known = lexicon().opposites
    return any(
        other in b.poles and other not in a.poles for one in a.poles if one not in b.poles for other in known[one]
    )


def _forms(text: str) -> Iterator[tuple[str, bool]]:
    known = lexicon()
    lower = text.lower().replace("’", "'")
    if len(lower) == len(text):
        # A phrase becomes its one word, which no longer tells whether it was a name.
        spoken = known.phrase.sub(lambda match: known.phrases[match[0]], lower) if known.phrase.search(lower) else None
        text = text if spoken is None else _recased(text, lower, known.phrase, known.phrases)
    for match in _WORD.finditer(text):
        word = match[0].lower().replace("’", "'").removesuffix("'s").removesuffix("'")
        if word in known.stop or not word or word[0].isdigit():
            continue
        yield known.form(word), match[0][0].isupper()


def _recased(text: str, lower: str, phrase: re.Pattern[str], forms: dict[str, str]) -> str:
    parts, at = [], 0
    for match in phrase.finditer(lower):
        parts += [text[at : match.start()], forms[match[0]]]
        at = match.end()
    return "".join([*parts, text[at:]])


def _capitalises_all(text: str) -> bool:
    longer = [word for word in text.split()[1:] if len(word) > 3 and word[0].isalpha()]
    return len(longer) > 1 and sum(word[0].isupper() for word in longer) > 0.6 * len(longer)


def _key(text: str) -> str:
    # Signs stay: "up 5%" and "up 5" differ.
    plain = " ".join(re.findall(r"[^\W_]+|[%$£€+&.]", text.casefold()))
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()[:32]
