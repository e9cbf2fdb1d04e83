"""A frozen decision made again: its inputs and its rule, through the code that decides now. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from pipeline.detect import inputs
from pipeline.detect.evidence import STANDING, decision
from pipeline.detect.findings import Finding
from pipeline.detect.judging import Seen, findings_of
from pipeline.detect.rules import Rule, Rules, parse
from pipeline.incidents import Event, fold, step
from pipeline.watchlists import WatchLists

# What decisions of earlier versions do not say.
_LATER = ("excess_p", "tier")

__all__ = ["decided", "found_in", "rule_of", "stepped"]


def rule_of(told: Mapping[str, Any], given: Mapping[str, Any], rules_text: str) -> tuple[Rule, Rules]:
    """The rule of a decision, with the limit it had that day, and the file it stood in.

    Raises:
        RulesError: this version cannot read the file.
        LookupError: the file does not hold the rule.
    """
    rules = parse(rules_text, kept=True)
    named = next((one for one in rules.rules if one.name == told["rule"]), None)
    if named is None:
        raise LookupError(f"the rule file of then holds no rule {told['rule']}")
    rule = replace(named, p_limit=given["p_limit"])
    others = tuple(rule if one.name == rule.name else one for one in rules.rules)
    return rule, replace(rules, rules=others)


def found_in(
    seen: Seen, watched: WatchLists, told: Mapping[str, Any], given: Mapping[str, Any], rules_text: str
) -> Finding | None:
    """What the rule of a decision finds in `seen` for the same series and time; None: nothing."""
    rule, rules = rule_of(told, given, rules_text)
    now, oldest = (datetime.fromisoformat(given[name]) for name in ("now", "horizon_start"))
    found = findings_of(rule, rules, seen, None, watched, told["model_version"], oldest, now)
    span = tuple(datetime.fromisoformat(told[name]) for name in ("bucket_start", "bucket_end"))
    ours = [one for one in found if one.detection.key == told["key"] and (one.start, one.end) == span]
    if not ours:
        return None
    limit = {"limit": given["limit"]} if given.get("limit") is not None else {}
    return replace(ours[0], numbers={**ours[0].numbers, **limit})


def decided(told: Mapping[str, Any], given: Mapping[str, Any], rules_text: str, event: Event) -> str | None:
    """The decision's payload as it would be frozen now from the same inputs; None where they find nothing.

    `told`: the decision, `given`: the inputs, both as kept. What stood around it (versions, configurations, the
    model's limit) is taken as kept.
    """
    seen, watched = inputs.read(given, told["scope"], told["key"])
    finding = found_in(seen, watched, told, given, rules_text)
    if finding is None:
        return None
    standing = {name: told[name] for name in STANDING}
    payload = decision(event, finding, standing, told["pieces"])
    payload = {name: value for name, value in payload.items() if name in told or name not in _LATER}
    return json.dumps(payload, sort_keys=True, ensure_ascii=False)


def stepped(events: Sequence[Event], event: Event, finding: Finding) -> Event | None:
    """The step that the life of the incident takes on this finding, as it stood before `event`; None: none."""
    before = [one for one in events if one.seq < event.seq]
    # An incident that fires at once is opened and fired in one go.
    at_once = len(before) == 1 and before[0].happened_at == event.happened_at and not finding.rule.pending_for
    current = fold(before) if before and not at_once else None
    taken = step(current, finding.detection, event.happened_at, finding.rule)
    return next((one for one in taken if one.seq == event.seq), None)
