"""What a rule found, before the life of its incident is decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pipeline.detect.rules import Rule
from pipeline.incidents import Detection
from pipeline.watchlists import WatchLists

__all__ = ["Finding", "Labels", "confirmed", "tier_in"]


@dataclass(frozen=True)
class Finding:
    """A detection, its rule, and what its evidence is collected by.

    `numbers` go into the decision as they are. `start`, `end`: the buckets whose articles count. `stories`: for an
    event, the stories instead. `as_of`: when the counts were made, so that the evidence is what was counted.
    """

    rule: Rule
    detection: Detection
    start: datetime
    end: datetime
    numbers: Mapping[str, Any] = field(default_factory=dict)
    stories: frozenset[str] = frozenset()
    as_of: datetime | None = None


@dataclass(frozen=True)
class Labels:
    """The words a series is called by in a message."""

    entities: Mapping[str, str]
    topics: Mapping[str, str]

    def of(self, scope: str, key: str) -> str:
        """ "Topic: legal & regulation", an entity's name, "Market" …"""
        match scope:
            case "market":
                return "Market"
            case "topic":
                return f"Topic: {self.topics.get(key, _words(key))}"
            case "entity":
                return self.entities.get(key) or key
            case "publisher":
                return f"Publisher: {key}"
            case _:
                return f"{scope.capitalize()}: {_words(key)}"


def tier_in(watchlists: WatchLists, rule: Rule, entity_id: str) -> int | None:
    """The best tier of an entity on the lists the rule names (`*`, or none named: any list; of these owners only)."""
    lists = [one for one in watchlists.lists if not rule.list_owners or one.owner in rule.list_owners]
    if rule.watchlists and "*" not in rule.watchlists:
        lists = [one for one in lists if one.name in rule.watchlists]
    return min((tier for one in lists if (tier := one.tier_of(entity_id))), default=None)


def confirmed(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Those with as many independent owners as their rule wants (`min_corroboration`)."""
    return (one for one in findings if one.detection.owners >= one.rule.min_corroboration)


def _words(key: str) -> str:
    return key.replace("_", " ")
