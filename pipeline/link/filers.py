"""From the SEC's filers to entities: which are companies, how people write them, and which names need a reason."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from pipeline.link.names import Needs, core_name, fold
from pipeline.link.sources import Filer

__all__ = ["common_words", "is_company", "needs_of", "own_tickers", "short_forms", "written", "written_all"]

_VEHICLE = re.compile(
    r"\b(?:funds?|etf|etn|etns|spdr|ishares|proshares|grayscale|muni\w*|municipal|spac|blank check|merger|"
    r"(?:income|term|strategic|premium|high|equity|bitcoin|ethereum|gold|silver|euro|yen|dollar|currency|royalty|"
    r"dividend|preferred|opportunities|securities|liquidating|linked|grantor|mortgage-backed) trust|"
    r"acquisitions? (?:corp\w*|co|company|inc|ltd|limited|holdings?|group|[ivx\d]+)\b|"
    r"acquisitions?$|backed certificates|depositor|strats|asset[- ]backed|index|portfolio)\b",
    re.IGNORECASE,
)
# "(DE)", "/DE/", "\NEW\", "/ADR": where it was registered, not what it is called.
_REGISTERED = re.compile(r"\s*(?:[/\\]\s*[A-Za-z., ]{2,9}[/\\]?|\([A-Z]{2}\))\s*$")
_GROUP_END = re.compile(r"\s+(?:group|holdings?|international|worldwide|global)$", re.IGNORECASE)
# What papers leave off behind a telling word: Palantir Technologies is Palantir.
_TRADE_END = re.compile(
    r"\s+(?:technologies|technology|interactive|software|systems|platforms?|labs|usa|therapeutics|pharmaceuticals?|pharma|"
    r"biosciences|sciences|networks|communications|entertainment|brands|industries|health|wireless|solutions|motors?|"
    r"semiconductors?|healthcare|oncology|bio|games|beauty|foods|pictures|studios|robotics|aerospace|automotive)$",
    re.IGNORECASE,
)
_PHARMA = re.compile(r"\s+(?:pharmaceuticals?(?: industries)?|biopharma(?:ceuticals?)?)$", re.IGNORECASE)
# Two ordinary words and one of these behind them are a company and nothing else.
_COMPANY_LIKE = frozenset({
    "therapeutics", "biosciences", "bioscience", "pharmaceuticals", "pharma", "biopharma", "bancorp", "bancshares",
    "bankshares", "technologies", "holdings", "semiconductor", "semiconductors", "logistics", "realty", "petroleum",
    "biotherapeutics", "biologics", "genomics", "diagnostics", "financial", "resources", "properties", "industries",
    "outfitters", "airlines", "airways", "motors",
})  # fmt: skip
_SHARES = re.compile(r"[A-Z]{1,4}-[AB]")
_LOWER = frozenset({"and", "of", "the", "for", "de", "du", "la", "von", "van", "in", "on", "der", "y", "e", "et"})
_SHORT = 4  # a name of so few letters in capitals is taken for an abbreviation
_RARE = 9_000  # rank in the vocabulary from which a word makes a longer name recognisable
_EVERYDAY = 8_000  # rank up to which a word alone never names a small company


def is_company(title: str) -> bool:
    """Whether a filer's title is that of a company rather than a fund, a trust or a shell to buy one."""
    return not _VEHICLE.search(title)


def own_tickers(tickers: Sequence[str]) -> tuple[str, ...]:
    """The shares among a filer's tickers, `BRK-B` as `BRK.B`: no preferred shares, units, rights or warrants."""
    kept = []
    for ticker in tickers:
        if "-" in ticker:
            if _SHARES.fullmatch(ticker):
                kept.append(ticker.replace("-", "."))
        elif not any(len(ticker) > 3 and ticker[:-1] == other for other in tickers if other != ticker):
            kept.append(ticker)
    return tuple(kept[:3] or tickers[:1])


def written(filer: Filer, listings: Mapping[str, str], common: Mapping[str, int]) -> str:
    """The name as people write it: legal forms dropped, capitals from the exchange's list or, failing that, guessed."""
    title = re.sub(r"\s+", " ", _REGISTERED.sub("", _REGISTERED.sub("", filer.title))).strip(" .,/")
    core = core_name(title)
    listed = core_name(re.split(r" - |, (?=Inc|Ltd|Corp)", listings.get(filer.tickers[0], ""))[0])
    if listed and fold(listed) == fold(core) and not listed.isupper():
        return listed
    return core if core != core.upper() else " ".join(_cased(word, i, common) for i, word in enumerate(core.split()))


def _cased(word: str, place: int, common: Mapping[str, int]) -> str:
    lower = word.lower()
    if place and lower in _LOWER:
        return lower
    letters = [c for c in lower if c.isalpha()]
    if len(letters) <= _SHORT and lower not in common and (len(letters) < _SHORT or not set(letters) & set("aeiou")):
        return word
    return re.sub(r"[^\W\d_]+(?:'[a-z]+)?", lambda found: found[0].capitalize(), lower)


def written_all(
    companies: Iterable[Filer], listings: Mapping[str, str], common: Mapping[str, int]
) -> list[tuple[Filer, str, tuple[tuple[str, Needs], ...]]]:
    """Each filer with its name, and its forms with what they need, the full one first.

    A full name that two filers share needs a code; a short form that another filer has, or that is an everyday word
    alone (Capital Group), is none.
    """
    named = [(filer, written(filer, listings, common)) for filer in companies]
    full = Counter(fold(name) for _, name in named)
    short = Counter(fold(_GROUP_END.sub("", name)) for _, name in named)
    first = Counter(fold(name.split()[0]) for _, name in named)
    found = []
    for filer, name in named:
        forms = [(name, Needs.CODE if full[fold(name)] > 1 else needs_of(name, common))]
        shorter = _GROUP_END.sub("", name)
        if shorter != name and not full[fold(shorter)] and short[fold(shorter)] == 1:
            needs = needs_of(shorter, common)
            if needs is not Needs.CODE:
                forms.append((shorter, needs))
        for brand, needs in short_forms(shorter, common):
            if not full[fold(brand)] and not short[fold(brand)] and (" " in brand or first[fold(brand)] == 1):
                forms.append((brand, needs))
        found.append((filer, name, tuple(forms)))
    return found


def short_forms(name: str, common: Mapping[str, int]) -> list[tuple[str, Needs]]:
    """What papers make of a name: without the words of its trade, Pharma for Pharmaceuticals, its rare first word."""
    found: dict[str, Needs] = {}
    if (pharma := _PHARMA.sub(" Pharma", name)) != name:
        found[pharma] = Needs.NOTHING
    brand = name
    while (shorter := _TRADE_END.sub("", brand)) != brand:
        brand = shorter
        needs = needs_of(brand, common)
        if len(brand) > _SHORT and (" " in brand or needs is Needs.NOTHING):
            found.setdefault(brand, needs)
            break
    word = name.split()[0]
    if " " in name and len(word) > _SHORT and word.isalpha() and needs_of(word, common) is Needs.NOTHING:
        found.setdefault(word, Needs.NAME)
    return list(found.items())


def needs_of(name: str, common: Mapping[str, int]) -> Needs:
    """What a small company's name needs, from how ordinary its words are (`common`: word to rank, by frequency)."""
    words = re.findall(r"[^\W_]+(?:'[^\W_]+)?", fold(name))
    ranks = [_rank(word, common) for word in words]
    if len(words) == 1:
        if len(name) <= 3 and name.isupper():
            return Needs.NAME
        if len(name) <= 3 or (ranks[0] is not None and ranks[0] < _EVERYDAY):
            return Needs.CODE
        if ranks[0] is not None:
            return Needs.NAME
        return Needs.NAME if len(name) <= _SHORT else Needs.NOTHING
    if any(rank is None or rank >= _RARE for rank in ranks):
        return Needs.NOTHING
    return Needs.WORD if len(words) == 2 and words[1] not in _COMPANY_LIKE else Needs.NOTHING


def _rank(word: str, common: Mapping[str, int]) -> int | None:
    if word.isdigit() or len(word) < 3:
        return 0
    return common.get(word, common.get(word.removesuffix("'s")))


def common_words(vocabulary: Iterable[str], more: Iterable[str] = ()) -> dict[str, int]:
    """The whole words of the encoder's vocabulary with their rank by frequency, and `more`, ranked as rare ones."""
    found = {word: _RARE - 1 for word in more}
    words = (word.strip() for word in vocabulary)
    found.update((word, rank) for rank, word in enumerate(w for w in words if w.isalpha() and len(w) > 1))
    return found
