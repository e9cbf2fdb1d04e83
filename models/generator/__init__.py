"""Training text written for this project: templates with slots, labelled by the rules of `docs/labels.md`.

A template is one `[[template]]` of a file in `templates/`:

    rule = "S8"                     the rule that decides the label
    text = "[Q3|Third-quarter] loss [narrowed|shrank] to {lo} from {hi}, {C} said"
    label = "positive"              of the article
    entities = { C = "positive" }   towards a slot's name, or towards a name as written in the text ("Fed")
    topic = "Financials"            optional

`[a|b|]` takes one alternative (they may nest and be empty); a bar outside brackets is a bar. A text whose own letters
are all capitals is shouted whole. "a" and "an", the first capital and doubled stops are mended. Slots, each with one
value per text (a digit behind the name makes another one: `{hi2}`, `{P2}`, `{M2}`):

| slot | holds |
|---|---|
| C D F G | companies, invented or real; `tC` its cashtag ("$XYZ"), `kC` its bare ticker |
| U | a unit or brand of C |
| B R A P | broker; rating agency; regulator, court or authority (no article: "SEC", "Delhi High Court"); person |
| K city region | country; city; market ("Europe", "the Baltics") |
| S M X | sector in lower case, plural ("banks"); commodity in lower case; stock index without article |
| M_gold M_metal M_oil M_gas M_crop | a commodity of that kind, singular ("silver", "zinc", "coal", "wheat") |
| cb | a central bank without article ("Fed") |
| Y Z | two currencies, lower case ("dollar") |
| product division | goods, plural ("heat pumps"); line of business before a noun ("packaging") |
| metric metric2 | better when higher, no article ("operating profit") |
| cost cost2 | better when lower, no article ("bad loans", "net debt") |
| lo mid hi amt gap | amounts of money, lo clearly < mid < hi; amt any; gap a small difference beside them |
| plo pmid phi pct | percentages with their sign, rising; pct any |
| vlo vmid vhi | rates of use such as load factors, rising |
| nlo nmid nhi n | counts, rising; n any |
| elo emid ehi eps egap | earnings or dividend per share, rising; eps any; egap a small difference |
| price_lo price_mid price_hi price | share prices, rising; price any |
| mv mvs | a share's and an index's move in percent |
| bps | basis points with the unit ("25 bps") |
| few nth | "three"; "third" |
| q qa per | "Q3"; before a noun ("third-quarter", "3Q", "full-year"); after "in" ("the first half", "fiscal 2019") |
| year pyear nyear month day date | "2019", the year before and after; "May"; "Monday"; "4 May" |
"""

import re
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from models import SENTIMENTS
from models.data import UNLABELLED, Example
from models.generator import grammar, surface
from models.generator.grammar import Template
from models.generator.leaks import Leaks, leaks
from models.generator.lexicon import lexicon
from models.generator.numbers import Figure
from models.generator.plan import shares
from models.generator.slots import Filler, is_name
from models.taxonomy import taxonomy

__all__ = ["SOURCE", "Leaks", "Made", "Template", "generate", "leaks", "load", "make"]

SOURCE = "barograph/generated"
_TRIES = 20
load = grammar.load


@dataclass(frozen=True)
class Made:
    """One text made of a template: its rows (article first, then one per entity asked for) and its numbers by slot."""

    template: Template
    rows: tuple[Example, ...]
    figures: dict[str, Figure]


def make(template: Template, rng: Random, noise: bool = True) -> Made:
    """Expand one template; what follows depends on the template and the state of `rng` alone."""
    filler = Filler(lexicon(), rng)
    written = surface.finish(surface.draft(grammar.expand(template.nodes, rng), filler), rng, noise)
    topic = taxonomy().labels.index(template.topic) if template.topic else UNLABELLED
    asked: list[tuple[str | None, str]] = [(None, template.label)]
    asked += [(found, label) for slot, label in template.entities.items() if (found := _surface(slot, written))]
    rows = tuple(Example(written.text, entity, SENTIMENTS.index(label), topic, SOURCE, True) for entity, label in asked)
    return Made(template, rows, filler.figures)


def _surface(slot: str, written: surface.Written) -> str | None:
    """How the entity stands in the text; None where this expansion left it out."""
    if is_name(slot):
        return written.surfaces.get(slot)
    match = re.search(rf"(?<!\w){re.escape(slot)}(?!\w)", written.text, re.IGNORECASE)
    return match[0] if match else None


def generate(rows: int, seed: int, templates: tuple[Template, ...] | None = None) -> list[Example]:
    """Return that many labelled rows, the same ones for the same seed; no text stands twice.

    Each rule has its weight and its templates about equal shares of it (`plan`). Fewer rows come back only where the
    templates cannot make so many different texts.
    """
    pool = load() if templates is None else templates
    bounds = list(accumulate(shares(pool)))
    found: list[Example] = []
    seen: set[str] = set()
    for number in range(_TRIES * max(rows, 1)):
        if len(found) >= rows:
            break
        rng = Random(f"{seed}:{number}")  # noqa: S311 - it varies texts, it guards nothing
        made = make(rng.choices(pool, cum_weights=bounds)[0], rng)
        if made.rows[0].text not in seen:
            seen.add(made.rows[0].text)
            found.extend(made.rows)
    return found[:rows]
