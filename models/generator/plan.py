"""How often each template is drawn: the share of its rule, and thirds of the three labels over all."""

from collections import Counter
from collections.abc import Sequence

from models import SENTIMENTS
from models.generator.grammar import Template

WEIGHTS: dict[str, float] = {
    "S6": 2, "S8": 2, "S10": 2, "S11": 2, "S12": 1.5, "S13": 2, "E1": 2, "E2": 2, "E10": 1.2,
    "S1": 0.6, "S2": 0.6, "S3": 0.6, "S4": 0.6, "S22": 2, "S37": 2,
}  # fmt: skip
"""Weight of a rule, 1 where not named: double where small words turn the meaning, where two companies differ, and where
a rule covers much ground (S22 idioms, S37 commodities)."""

FULL = 24
"""A rule with fewer templates than this weighs less in proportion, so that none of its templates is worn out."""


def shares(templates: Sequence[Template]) -> list[float]:
    """Return each template's share of the texts; the shares add up to 1.

    Templates of one rule and label weigh the same. Labels are brought to a third each by one factor per label,
    then rules to their weight, in turn (iterative proportional fitting, Deming and Stephan 1940); labels come last.
    """
    sizes = Counter(template.rule for template in templates)
    asked = {rule: WEIGHTS.get(rule, 1.0) * min(1.0, size / FULL) for rule, size in sizes.items()}
    weights = [1.0] * len(templates)
    for _ in range(20):
        weights = _fitted(weights, [template.rule for template in templates], asked)
        present = {template.label for template in templates}
        weights = _fitted(weights, [t.label for t in templates], {s: 1.0 for s in SENTIMENTS if s in present})
    total = sum(weights)
    return [weight / total for weight in weights]


def _fitted(weights: Sequence[float], groups: Sequence[str], asked: dict[str, float]) -> list[float]:
    sums: dict[str, float] = dict.fromkeys(asked, 0.0)
    for weight, group in zip(weights, groups, strict=True):
        sums[group] += weight
    return [weight * asked[group] / sums[group] for weight, group in zip(weights, groups, strict=True)]
