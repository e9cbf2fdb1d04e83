"""What a rule file says that is usable but does nothing: selectors that match nothing, lines never reached. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from models.taxonomy import taxonomy
from pipeline.detect.findings import tier_in
from pipeline.detect.rules import Kind, Rule, Rules
from pipeline.watchlists import WatchLists

__all__ = ["Doubt", "doubts"]

_SHOWN = 5


@dataclass(frozen=True)
class Doubt:
    """A warning: the rule it is about ('' for the severity table), its line of the file, and what is said."""

    rule: str
    line: int
    said: str


def doubts(
    rules: Rules, watched: WatchLists, known: Mapping[str, Collection[str]] | None, horizon: timedelta
) -> list[Doubt]:
    """All warnings, in the order of the file.

    `known`: scope to the keys the store has ("feed" and "theme" too); None where there is no store to ask. `horizon`:
    buckets and articles older than this never open an incident.
    """
    found = [
        Doubt(rule.name, rule.line, said) for rule in rules.rules for said in _of_rule(rule, watched, known, horizon)
    ]
    return found + list(_of_severities(rules))


def _of_rule(
    rule: Rule, watched: WatchLists, known: Mapping[str, Collection[str]] | None, horizon: timedelta
) -> Iterator[str]:
    if rule.kind is Kind.EVENT and rule.pending_for >= horizon:
        hours = horizon.total_seconds() / 3600
        yield f"never fires: it waits as long as articles are looked at ([detect] horizon_hours = {hours:g})"
    of_lists = list(_of_lists(rule, watched))
    yield from of_lists
    unknown = sorted(set(rule.keys + rule.not_keys) - _keys(rule, known)) if _is_known(rule, known) else []
    if unknown:
        yield f"no {rule.scope} here has the key {_some(unknown)}"
    if known is not None and (strange := sorted(set(rule.themes) - set(known.get("theme", ())))):
        yield f"there is no theme {_some(strange)}"
    selected = any(rule.selects(key, tier_in(watched, rule, key)) for key in _keys(rule, known))
    if _is_known(rule, known) and not selected and not of_lists:
        yield f"nothing in the store matches: no {rule.scope} is selected"


def _of_lists(rule: Rule, watched: WatchLists) -> Iterator[str]:
    names = {one.name for one in watched.lists}
    if missing := sorted(set(rule.watchlists) - names - {"*"}):
        yield f"no watch-list is named {_some(missing)}"
    if strangers := sorted(set(rule.list_owners) - {one.owner for one in watched.lists}):
        yield f"no watch-list has the owner {_some(strangers)}"
    if rule.of_lists or rule.kind is Kind.EVENT:
        chosen = [key for key in watched.entities() if rule.selects(key, tier_in(watched, rule, key))]
        if not chosen and not (missing or strangers):
            yield "no name on a watch-list is selected: it watches nobody"


def _is_known(rule: Rule, known: Mapping[str, Collection[str]] | None) -> bool:
    # A store without a single key of the scope is empty, not wrong; the topics are ours.
    return rule.scope == "topic" or bool(known and known.get(rule.scope))


def _keys(rule: Rule, known: Mapping[str, Collection[str]] | None) -> set[str]:
    if rule.scope == "topic":
        return {*taxonomy().names, "other"}
    return set(known.get(rule.scope, ())) if known else set()


def _of_severities(rules: Rules) -> Iterator[Doubt]:
    for line, next_ in zip(rules.severities, rules.severities[1:], strict=False):
        if line.kind is None and line.tier is None and not line.effect and not line.owners:
            yield Doubt("", next_.line, f"[[severity]] is never reached: line {line.line} matches everything")
            return


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(repr, names[:_SHOWN])) + more
