"""What one pass of a training reads: the labelled rows, some under other names, fresh generated text, written text."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from random import Random

from models.data import Example, Source, split
from models.generator import generate, leaks, written
from models.generator.lexicon import lexicon
from models.recipe import Settings

__all__ = ["added", "held_out", "mixture", "swapped"]

_CASHTAG = re.compile(r"\$[A-Z]{1,5}\b")
_GENERIC = frozenset((
    "bank", "banks", "bond", "bonds", "commodities", "currency", "dollar", "equities", "euro", "forex", "futures",
    "government", "gold", "index", "indices", "ipo", "market", "markets", "metal", "metals", "oil", "rupee", "sector",
    "share", "shares", "stock", "stocks", "silver", "yen",
))  # fmt: skip
_SPARE = 1.1
"""Generated rows are made with this much to spare for those that come near an evaluation set."""


def mixture(rows: Sequence[Example], settings: Settings, number: int, avoid: Sequence[Source] = ()) -> list[Example]:
    """Return the rows of pass `number` (from 1): a function of its arguments alone, so that a killed training goes on.

    A share `settings.swap_names` of the texts stands under other names, `settings.generated` rows are new in every
    pass, and the sentences written by hand that are not held out stand in it `settings.written` times; none of either
    comes near a text of `avoid` or of the challenge suite.
    """
    rng = Random(f"{settings.seed}:{number}")  # noqa: S311 - it varies texts, it guards nothing
    found = swapped(rows, settings.swap_names, rng) if settings.swap_names else list(rows)
    if settings.generated:
        made = generate(round(settings.generated * _SPARE), rng.getrandbits(32))
        found += leaks(made, avoid).rows[: settings.generated]
    if settings.written:
        kept = leaks(_by_hand(settings)[0], avoid).rows
        found += swapped(_drawn(kept, settings.written, rng), settings.swap_names, rng)
    return found


def added(settings: Settings) -> int:
    """Return how many rows a pass has besides those given; it has fewer where written ones come near those to avoid."""
    by_hand = len(_by_hand(settings)[0]) if settings.written else 0
    return settings.generated + round(settings.written * by_hand)


def held_out(settings: Settings) -> list[Example]:
    """Return the sentences written by hand that no pass reads: the share `settings.dev_share` of them, where used."""
    return _by_hand(settings)[1] if settings.written else []


def _by_hand(settings: Settings) -> tuple[list[Example], list[Example]]:
    # The file only grows: a recipe that names how many lines it read reads the same again.
    return split(written.examples(written.load()[: settings.written_lines or None]), settings.dev_share)


def _drawn(rows: Sequence[Example], times: float, rng: Random) -> list[Example]:
    """The rows as many times as asked for; of a part of a time, so many of them by chance."""
    whole, part = divmod(times, 1)
    return list(rows) * int(whole) + rng.sample(list(rows), round(part * len(rows)))


def swapped(rows: Iterable[Example], share: float, rng: Random) -> list[Example]:
    """Return the rows in their order, of a share of the texts the companies and cashtags replaced by others.

    All rows of one text get the same names. Currencies, commodities, indices and authorities stay: they are no names
    that could be anybody's. Consistency under swapped names: Ribeiro et al. 2020, CheckList.
    """
    order = list(rows)
    entities: defaultdict[str, set[str]] = defaultdict(set)
    for row in order:
        entities[row.text].update({row.entity} if row.entity else ())
    chosen: dict[str, dict[str, str]] = {}
    for text in dict.fromkeys(row.text for row in order):
        known = {name for name in entities[text] if _is_company(name)} | set(_CASHTAG.findall(text))
        if known and rng.random() < share:
            # Sorted, since sets of text have another order in every process.
            chosen[text] = {name: _other(name, rng) for name in sorted(known, key=lambda name: (-len(name), name))}
    return [_renamed(row, chosen[row.text]) if row.text in chosen else row for row in order]


def _renamed(row: Example, names: dict[str, str]) -> Example:
    # One pass over the text, longest name first, so that no new name is replaced again.
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in names))
    text = pattern.sub(lambda match: names[match[0]], row.text)
    entity = names.get(row.entity, row.entity) if row.entity else None
    return replace(row, text=text, entity=entity, made_of=(row.text, row.entity)) if text != row.text else row


def _other(name: str, rng: Random) -> str:
    if name.startswith("$"):
        return "$" + lexicon().ticker(rng.choice(lexicon().real))
    return rng.choice(lexicon().invented if rng.random() < 0.5 else lexicon().real)


@cache
def _is_company(name: str) -> bool:
    words = name.casefold().split()
    return name[0].isupper() and name.casefold() not in _no_companies() and not _GENERIC & set(words)


@cache
def _no_companies() -> frozenset[str]:
    """Currencies, indices, countries, authorities and the like, folded, of the generator's lists."""
    return frozenset(word.casefold() for words in lexicon().words.values() for word in words)
