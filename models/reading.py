"""How a text is written before the network reads it: as it stands, or with what bears no meaning made alike."""

import re
from enum import StrEnum

from models.text import clean

__all__ = ["Reading", "is_post", "read_as"]


class Reading(StrEnum):
    """CLEAN: `models.text.clean`; PLAIN: also without source tags and codes, with one form of numbers and marks."""

    CLEAN = "clean"
    PLAIN = "plain"


_MARKS = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "−": "-", "\xa0": " ", "‑": "-"})
_WIRES = (
    "Reuters|Thomson Reuters|Bloomberg|Bloomberg News|Financial Times|FT|WSJ|(?:The )?Wall Street Journal"
    "|CNBC|CNBC-TV18|MarketWatch|Barron's|AP|AFP|PTI|IANS|Dow Jones|The Guardian|BBC|BBC News|CNN|The Economic Times|ET"
    "|Business Standard|Moneycontrol|Mint|Forbes|Seeking Alpha|Yahoo Finance|Benzinga|Nikkei|Xinhua|Axios|Sources?"
)
_TAIL = re.compile(rf"\s*(?:\s[-|]\s*|\s-|\(\s*|/)(?:{_WIRES})(?:\.com)?\s*\)?\s*$")
_HEAD = re.compile(
    r"^\s*(?:(?:UPDATE|WRAPUP|CORRECTED|REFILE|RPT|BRIEF|EXCLUSIVE|FACTBOX|TABLE|TEXT)(?:\s+\d+)?\s*-\s*"
    r"|(?:BREAKING|JUST IN|UPDATE|MARKETS|ALERT|EXCLUSIVE)\s*:\s*|\*(?=\S)"
    rf"|[A-Z][A-Z ./,]{{1,30}}\s*\((?:{_WIRES})\)\s*-\s*)"
)
_CODE = re.compile(
    r"\s*\(\s*(?:NYSE|NASDAQ|Nasdaq|AMEX|LSE|LON|TSX|ASX|NSE|BSE|OTC\w*|FRA|ETR|EPA|HKG|HKEX|SIX)\s*:\s*[\w.]{1,6}\s*\)"
    r"|\s*\(\s*[A-Z]{1,5}\.[A-Z]{1,2}\s*\)"
)
_BEHIND_A_NAME = re.compile(r"(?<=[\w.])\s\$[A-Za-z][A-Za-z.]{0,5}\b")
_CASHTAG = re.compile(r"\$[A-Za-z][A-Za-z.]{0,5}\b")
_CASHTAGS = re.compile(r"\$(?:\s+\$)+(?=\s|$)")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_DOLLARS = re.compile(r"\bUSD\s*(?=\d)|\bUS\$\s*(?=\d)")
_PERCENT = re.compile(r"(?<=\d)\s*(?:percent|per cent|per-cent|pct|pc)\b", re.IGNORECASE)
_SCALES = (
    (re.compile(r"(?<=\d)\s*(?:bn|bln|billions?)\b", re.IGNORECASE), " billion"),
    (re.compile(r"(?<=\d)\s*(?:mn|mln|mio|millions?)\b", re.IGNORECASE), " million"),
    (re.compile(r"(?<=\d)\s*(?:tn|trn|trillions?)\b", re.IGNORECASE), " trillion"),
    (re.compile(r"(?<=[\d$€£])(\d*\.?\d+)B\b"), r"\1 billion"),
    (re.compile(r"(?<=[\d$€£])(\d*\.?\d+)M\b"), r"\1 million"),
)
_MILLIONS = re.compile(r"\b(\d{4,6})(\.\d+)? million\b")
_PARTS = re.compile(r"(?<![\d.])0?(\.\d+) billion\b")
_POST = re.compile(r"\$[A-Za-z]{1,6}\b|https?://|\bpic\.twitter\.com/|(?:^|\s)[@#]\w", re.IGNORECASE)
_EDGES = re.compile(r"^[\s\"'\-]+|(?<!\b[A-Z])[\s\"'.\-]+$")


def is_post(text: str) -> bool:
    """Return whether a text as it arrived is a post rather than a headline: it has a cashtag, link, @ or #."""
    return _POST.search(text) is not None


def read_as(text: str, entity: str | None = None, reading: Reading = Reading.CLEAN) -> str:
    """Return the text as the network reads it. `entity`: who is asked about, whose own cashtag stays.

    What PLAIN takes away is never all of a text: where nothing would be left, the clean one is read.
    """
    cleaned = clean(text)
    return cleaned if reading is Reading.CLEAN else (_plain(cleaned, (entity or "").lstrip("$")) or cleaned)


def _plain(text: str, entity: str) -> str:
    found = text.translate(_MARKS)
    # Twice: "RPT-UPDATE 2-…" and "… (Bloomberg) - CNBC" are seen.
    for _ in range(2):
        found = _TAIL.sub("", _HEAD.sub("", found))
    found = _CODE.sub("", found)
    found = _BEHIND_A_NAME.sub(lambda match: match[0] if match[0][2:] == entity else "", found)
    found = _CASHTAG.sub(lambda match: match[0][1:] if match[0][1:] == entity else "$", found)
    found = _CASHTAGS.sub("$", found)
    found = _PERCENT.sub("%", _DOLLARS.sub("$", _THOUSANDS.sub("", found)))
    for pattern, word in _SCALES:
        found = pattern.sub(word, found)
    found = _PARTS.sub(_millions, _MILLIONS.sub(_billions, found))
    return _EDGES.sub("", found).strip()


def _billions(match: re.Match[str]) -> str:
    return f"{float(match[1] + (match[2] or '')) / 1000:g} billion"


def _millions(match: re.Match[str]) -> str:
    return f"{float(match[1]) * 1000:g} million"
