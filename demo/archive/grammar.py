"""The grammar of the archive: templates, and how one template becomes a headline and a summary."""

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

from demo.archive.world import SOURCE, Company, World

__all__ = ["POLARITIES", "Teller", "Template", "load_scenes", "load_templates"]

POLARITIES = ("negative", "neutral", "positive")
ORDINALS = ("third", "fourth", "fifth", "sixth")
NUMERALS = ("Two", "Three", "Four")
AN_NUMBER = re.compile(r"^(8|11\b|18\b|8\d)")
# Start with a vowel letter but not with a vowel sound.
A_WORDS = re.compile(r"^(one|uni|use|eu|us\b)", re.IGNORECASE)
HEAD = re.compile(r"^(?:!(?P<days>\d+)(?::(?P<group>\S+))? )?(?:@(?P<sectors>[a-z_,]+) )?(?P<body>.*)$", re.DOTALL)


@dataclass(frozen=True)
class Template:
    """One entry of the grammar. It rests `rest_days` after use, together with its `group` (per company or nation)."""

    topic: str
    polarity: str
    title: str
    summary: str
    sectors: frozenset[str]
    rest_days: float
    group: str
    pooled: bool

    @property
    def about_company(self) -> bool:
        """Whether the headline is about one listed company."""
        return "{name}" in self.title


def parse_template(topic: str, polarity: str, text: str, rest_days: float, pooled: bool) -> Template:
    """Read one entry `!days:group @sectors headline || summary`; ValueError where it has no summary."""
    match = HEAD.match(text)
    if match is None or " || " not in match["body"]:
        raise ValueError(f"not 'headline || summary': {text!r}")
    title, summary = match["body"].split(" || ")
    sectors = frozenset(match["sectors"].split(",")) if match["sectors"] else frozenset()
    days = float(match["days"] or rest_days)
    return Template(topic, polarity, title, summary, sectors, days, match["group"] or title, pooled)


def parse_topics(
    topics: dict[str, dict[str, list[str]]], rest_days: float, pooled: bool = False
) -> tuple[Template, ...]:
    """Read tables topic → polarity → entries."""
    return tuple(
        parse_template(topic, polarity, text, rest_days, pooled)
        for topic, by_polarity in topics.items()
        for polarity, texts in by_polarity.items()
        for text in texts
    )


@cache
def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads((SOURCE / name).read_text(encoding="utf-8"))


def load_templates(pool: str | None = None) -> tuple[Template, ...]:
    """All ordinary entries, or those of one pool of planted.toml."""
    if pool is not None:
        return parse_topics(_toml("planted.toml")["pool"][pool], rest_days=0.6, pooled=True)
    return (*parse_topics(_toml("company_news.toml"), 20), *parse_topics(_toml("market_news.toml"), 3))


def load_scenes() -> dict[str, list[tuple[float, str, str, str, str]]]:
    """The scenes of planted.toml: name → rows of minutes, entity key, topic, polarity, `headline || summary`."""
    return {name: [tuple(row) for row in rows] for name, rows in _toml("planted.toml")["scene"].items()}


class Teller:
    """Fills one story's slots: each slot is drawn once, so headline, summary and copies agree on their numbers."""

    def __init__(self, world: World, rng: Random, company: Company | None) -> None:
        self.world = world
        self.rng = rng
        self.company = company
        self.drawn: dict[str, str] = {}
        self.pairs: dict[str, tuple[str, str, str]] = {}

    def tell(self, text: str) -> str:
        """Choose among `[a|b]`, fill `{slots}`, settle a or an, and start with a capital letter."""
        while (found := re.search(r"\[([^\[\]]*)\]", text)) is not None:
            choice = self.rng.choice(found[1].split("|"))
            text = text[: found.start()] + choice + text[found.end() :]
        text = re.sub(r"\{([^{}]+)\}", lambda match: self.slot(match[1]), text)
        text = re.sub(r"\b([Aa])\(n\) (\S+)", _article, text)
        return text[0].upper() + text[1:]

    def slot(self, key: str) -> str:
        """The value of one slot, drawn at its first use; KeyError for a slot nobody knows."""
        if key.endswith("^"):
            value = self.slot(key[:-1])
            return value[0].upper() + value[1:]
        if key not in self.drawn:
            self.drawn[key] = self._draw(key)
        return self.drawn[key]

    def _draw(self, key: str) -> str:
        kind, _, span = key.partition(":")
        if span:
            low, high = (int(part) for part in span.split("-"))
            return self._number(kind, low, high)
        base = key.rstrip("+-")
        if base in ("eps", "target", "goal", "ratio", "price", "jobless", "infl", "policy"):
            return self._pair(base)[1 + key.endswith("+") - key.endswith("-")]
        if self.company is not None and (value := self._company_word(key, self.company)) is not None:
            return value
        return self._world_word(key)

    def _number(self, kind: str, low: int, high: int) -> str:
        rng = self.rng
        if kind == "n":
            step = 1 if high < 200 else 10 if high < 2500 else 100 if high < 20000 else 1000
            return f"{max(low, round(rng.randint(low, high) / step) * step):,}"
        if kind == "m":
            return f"${rng.randrange(low, high + 1, 5 if high < 400 else 10)} million"
        if kind == "bn":
            return f"${rng.randint(low, high - 1) + rng.randint(1, 9) / 10:.1f} billion"
        if kind == "x":
            return f"{low + rng.randint(1, 9) / 10 + rng.randint(0, max(0, high - low - 1)):.1f}"
        if kind == "pctlow":
            return f"{rng.randint(low * 10 + 1, high * 10 + 9) / 10:.1f}%"
        if kind == "pct":
            value = rng.uniform(low, high)
            short = f"{value:.1f}".removesuffix(".0")
            return f"{value:.0f}%" if value >= 10 or rng.random() < 0.3 else f"{short}%"
        if kind == "N":
            return NUMERALS[rng.randint(low, high) - 2]
        raise KeyError(kind)

    def _pair(self, base: str) -> tuple[str, str, str]:
        """A value with a lower and a higher neighbour, for `from … to …` and `beats …`."""
        if base not in self.pairs:
            rng = self.rng
            words = self.world.words
            if base in ("jobless", "infl", "policy"):
                nation = self.slot("nation") if base != "policy" else self.slot("land")
                middle = words["nation"][nation][("jobless", "infl", "policy").index(base)]
                step = 0.25 if base == "policy" else rng.choice((0.1, 0.2, 0.3))
                form = "{:.2f}%" if base == "policy" else "{:.1f}%"
            elif base == "eps":
                middle, step, form = rng.uniform(0.3, 3.9), rng.uniform(0.03, 0.16), "${:.2f}"
            elif base == "target":
                middle = rng.randint(20, 140)
                step, form = max(2, round(middle * rng.uniform(0.05, 0.16))), "${:.0f}"
            elif base == "price":
                middle, step, form = rng.randint(9, 60), rng.randint(2, 5), "${:.0f}"
            elif base == "goal":
                middle, step, form = rng.randint(7, 18), rng.randint(1, 3), "{:.0f}%"
            else:
                insurer = self.company is not None and self.company.sector.key == "insurers"
                middle = rng.uniform(150, 215) if insurer else rng.uniform(12.5, 16.5)
                step, form = (rng.uniform(6, 20), "{:.0f}%") if insurer else (rng.uniform(0.3, 1.4), "{:.1f}%")
            self.pairs[base] = (form.format(middle - step), form.format(middle), form.format(middle + step))
        return self.pairs[base]

    def _company_word(self, key: str, company: Company) -> str | None:
        rng = self.rng
        if key == "name":
            # The full name most often; an alias or a ticker now and then, as in real feeds.
            spoken = rng.choice(company.aliases) if company.aliases and rng.random() < 0.3 else company.name
            return f"{spoken} ({company.ticker})" if company.ticker and rng.random() < 0.05 else spoken
        if key == "full":
            return (
                f"{company.name}, formerly {company.former}," if company.former and rng.random() < 0.2 else company.name
            )
        if key == "boss":
            return company.boss
        if key == "peer":
            others = [c for c in self.world.companies if c.sector is company.sector and c.weight and c is not company]
            return rng.choices(others, [c.weight for c in others])[0].name
        if key == "regulator":
            return company.sector.regulator
        if key == "sector":
            return company.sector.label
        return rng.choice(company.sector.words[key]) if key in company.sector.words else None

    def _world_word(self, key: str) -> str:
        if key in ("abroad2", "sector2"):
            first = self.slot(key[:-1])
            return next(word for word in iter(lambda: self._world_word(key[:-1]), "") if word != first)
        words, rng = self.world.words, self.rng
        draw: dict[str, Callable[[], Any]] = {
            "person": lambda: f"{rng.choice(words['first'])} {rng.choice(words['last'])}",
            "analyst": lambda: f"{rng.choice(words['first'])} {rng.choice(words['last'])}",
            # Home news is told more often than news from abroad.
            "nation": lambda: rng.choice([*words["nation"], words["country"], words["country"]]),
            "land": lambda: rng.choice(words["abroad"]),
            "sector": lambda: rng.choice(self.world.sectors).label,
            "key": lambda: f"{words['nation'][words['country']][2]:.2f}%",
            "yield": lambda: f"{rng.uniform(3.1, 3.7):.2f}%",
            "oil": lambda: f"${rng.randint(6900, 7600) / 100:.2f}",
            "cents": lambda: rng.randint(6, 95),
            "nth": lambda: rng.choice(ORDINALS),
            "governor": lambda: words["central_bank"]["governor"],
            "deputy": lambda: rng.choice(words["central_bank"]["deputies"]),
        }
        if key in draw:
            return str(draw[key]())
        value = words[key]
        return str(rng.choice(value) if isinstance(value, list) else value)


def _article(match: re.Match[str]) -> str:
    letter, word = match[1], match[2]
    vowel = AN_NUMBER.match(word) if word[0].isdigit() else word[0].lower() in "aeiou" and not A_WORDS.match(word)
    return f"{letter}{'n' if vowel else ''} {word}"
