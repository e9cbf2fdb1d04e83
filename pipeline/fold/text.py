"""What a headline says, made comparable: words brought to one form, numbers, names, and the direction of the news."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Gist", "gist", "numbers", "opposed", "other_event"]

SUMMARY_WORDS = 40  # of a summary's beginning; copies differ in what follows

_PREFIX = re.compile(
    r"^\W*(?:update \d+|breaking(?: news)?|exclusive|correct(?:ed|ion)|refile|wrapup \d+|press digest|live|watch|video"
    r"|factbox|explainer|just in|alert)\s*[-:–—|]\s*",
    re.IGNORECASE,
)
_SUFFIX = re.compile(r"\s+(?:[|–—]|-)\s+(?:[A-Z][\w.&']*\s?){1,4}$")
_WORD = re.compile(r"[^\W_]+(?:['’.&-][^\W_]+)*")
_NUMBER = re.compile(
    r"(?<![\w.])[$£€¥]?(\d[\d,]*(?:\.\d+)?)"
    r"\s?(%|per ?cent|pct|percent|tn|trn|trillion|bn|billion|mln|mn|m|million|k|thousand)?(?!\w)",
    re.IGNORECASE,
)
_PERIOD = re.compile(
    r"\b(?:(first|second|third|fourth|1st|2nd|3rd|4th)[\s-]+(quarter|half)|([qh])([1-4])|([1-4])([qh]))\b",
    re.IGNORECASE,
)
_SCALES = {"tn": 1e12, "trn": 1e12, "trillion": 1e12, "bn": 1e9, "billion": 1e9, "mln": 1e6, "mn": 1e6, "m": 1e6,
           "million": 1e6, "k": 1e3, "thousand": 1e3}  # fmt: skip
_ORDINALS = {"first": "1", "1st": "1", "second": "2", "2nd": "2", "third": "3", "3rd": "3", "fourth": "4", "4th": "4"}
_MONTHS = ("january", "february", "march", "april", "june", "july", "august", "september", "october", "november",
           "december")  # fmt: skip  # may is a verb far more often
_COUNTS = {
    w: i
    for i, w in enumerate(("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"), start=2)
}

_STOP = frozenset(
    {
        "a",
        "an",
        "the",
        "of",
        "to",
        "in",
        "on",
        "at",
        "by",
        "for",
        "from",
        "with",
        "and",
        "or",
        "as",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "its",
        "it",
        "that",
        "this",
        "after",
        "amid",
        "over",
        "into",
        "will",
        "has",
        "have",
        "had",
        "s",
        "says",
        "said",
        "say",
        "than",
        "but",
        "up",
        "down",
        "out",
        "about",
        "their",
        "his",
        "her",
        "our",
        "not",
        "more",
        "new",
    }
)
# One form for words that headlines exchange freely; the form is the first of each line.
_SAME = {
    word: line.split()[0]
    for line in """
    fall falls fell drop drops dropped slide slides slid slip slips slump slumps slumped plunge plunges plunged
    fall tumble tumbles tumbled sink sinks sank decline declines dive dives plummet plummets
    rise rises rose jump jumps jumped surge surges surged soar soars soared climb climbs climbed gain gains gained
    rise rally rallies advance advances rocket rockets
    cut cuts slash slashes slashed axe axes axed trim trims lower lowers lowered reduce reduces reduced shed sheds
    raise raises raised lift lifts lifted hike hikes hiked boost boosts boosted increase increases increased
    buy buys bought acquire acquires acquired purchase purchases takeover acquisition
    sell sells sold divest divests offload offloads
    quit quits resign resigns resigned depart departs leave leaves step steps stepping
    beat beats top tops topped exceed exceeds
    miss misses missed undershoot undershoots
    chief ceo boss
    job jobs staff worker workers employee employees position positions role roles post posts
    share shares stock stocks
    regulator regulators watchdog watchdogs authority authorities
    fine fines fined penalty penalties penalise penalised
    probe probes probed investigate investigates investigation inquiry investigated
    sue sues sued lawsuit lawsuits suit
    profit profits earnings
    revenue revenues turnover
    forecast forecasts outlook guidance
    close closes closed shut shuts shutting closure closures closing
    open opens opened opening
    approve approves approved clear clears cleared back backs backed
    reject rejects rejected block blocks blocked refuse refuses
    win wins won secure secures secured
    lose loses lost
    bankruptcy bankrupt insolvency insolvent
    deal agreement pact accord
    recall recalls recalled recalling
    upgrade upgrades upgraded
    downgrade downgrades downgraded
    hire hires hired
    talk talks negotiation negotiations
    warn warns warned warning
    withdraw withdraws withdrew withdrawn abandon abandons scrap scraps
    offer offers bid bids approach
    winner winners
    loser losers
    agree agrees agreed
    settle settles settled settlement
    appeal appeals
    us u.s america american
    uk britain british
    """.strip().splitlines()
    for word in line.split()
}
_OPPOSITES = (("fall", "rise"), ("cut", "raise"), ("beat", "miss"), ("approve", "reject"), ("buy", "sell"),
              ("win", "lose"), ("upgrade", "downgrade"), ("open", "close"), ("profit", "loss"), ("cut", "hire"),
              ("cut", "rise"), ("fall", "raise"), ("make", "withdraw"), ("agree", "reject"), ("agree", "withdraw"),
              ("winner", "loser"), ("settle", "sue"), ("approve", "withdraw"), ("deny", "confirm"))  # fmt: skip

# What makes an event of its own: a text that tells of it is no copy of one that does not.
_EVENTS = frozenset({"quit", "bankruptcy", "recall", "upgrade", "downgrade", "settle", "appeal", "withdraw"})


@dataclass(frozen=True, slots=True)
class Gist:
    """What is compared. `words` and `summary` are in one form; `lead` is the first word; `names` the capitalised
    ones, None where every word is capitalised; `figures` are numbers and periods, of the title and of all."""

    title_key: str
    text_key: str
    words: frozenset[str]
    summary: frozenset[str]
    lead: str
    names: frozenset[str] | None
    figures: frozenset[str]
    all_figures: frozenset[str]


def gist(title: str, summary: str | None) -> Gist:
    """The gist of one article; empty sets for an empty title."""
    plain = _SUFFIX.sub("", _PREFIX.sub("", unicodedata.normalize("NFKC", title)))
    head = " ".join((summary or "").split()[:SUMMARY_WORDS])
    spelled = list(_forms(plain))
    words = [form for form, _ in spelled]
    figures = numbers(plain)
    return Gist(
        (title_key := _key(plain)),
        _key(f"{plain}\n{head}") if head else title_key,
        frozenset(words) | figures,
        frozenset(form for form, _ in _forms(head)),
        words[0] if words else "",
        None if _capitalises_all(plain) else frozenset(form for form, capital in spelled[1:] if capital),
        figures,
        figures | numbers(head) if head else figures,
    )


def numbers(text: str) -> frozenset[str]:
    """The figures of a text, written one way: amounts (`1.2e+09`), shares (`5%`), periods (`q2`), months, counts."""
    found = set()
    lower = text.lower()
    for match in _PERIOD.finditer(lower):
        ordinal, unit, letter, digit, digit_first, letter_last = match.groups()
        found.add(f"{unit[0]}{_ORDINALS[ordinal]}" if unit else f"{letter or letter_last}{digit or digit_first}")
    for match in _NUMBER.finditer(lower):
        value = float(match[1].replace(",", "").rstrip("."))
        unit = (match[2] or "").replace(" ", "")
        share = unit in ("%", "percent", "pct")
        found.add(f"{value:.4g}%" if share else f"{value * _SCALES.get(unit, 1):.5g}")
    for match in _WORD.finditer(lower):
        if match[0] in _MONTHS:
            found.add(match[0])
        elif match[0] in _COUNTS:
            found.add(str(_COUNTS[match[0]]))
    return frozenset(found)


def opposed(a: frozenset[str], b: frozenset[str]) -> bool:
    """Whether two sets of words tell opposite news: one has a word, the other only its opposite."""
    for one, other in _OPPOSITES:
        if one in a and other in b and other not in a and one not in b:
            return True
        if other in a and one in b and one not in a and other not in b:
            return True
    return False


def other_event(a: frozenset[str], b: frozenset[str]) -> bool:
    """Whether only one of two sets of words tells of a resignation, a bankruptcy, a recall or the like."""
    return bool((a ^ b) & _EVENTS)


def _forms(text: str) -> Iterator[tuple[str, bool]]:
    for match in _WORD.finditer(text):
        word = match[0].lower().replace("’", "'").removesuffix("'s")
        if word in _STOP or word[0].isdigit() or word in _COUNTS:
            continue
        yield _SAME.get(word) or _stem(word), match[0][0].isupper()


def _stem(word: str) -> str:
    # A headline's inflections only; a real stemmer merges words that must stay apart (general, generali).
    if len(word) > 4 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    if len(word) > 6 and word.endswith("ing"):
        return word[:-3]
    return word[:-2] if len(word) > 5 and word.endswith("ed") else word


def _capitalises_all(text: str) -> bool:
    longer = [word for word in text.split()[1:] if len(word) > 3 and word[0].isalpha()]
    return len(longer) > 1 and sum(word[0].isupper() for word in longer) > 0.6 * len(longer)


def _key(text: str) -> str:
    # Signs stay: "up 5%" and "up 5" differ.
    plain = " ".join(re.findall(r"[^\W_]+|[%$£€+&.]", text.casefold()))
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()[:32]
