"""The labels that routes, groups and silences match on, and matching: every matcher must accept its label's value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from pipeline.incidents import Severity

__all__ = ["LABELS", "check_labels", "check_values", "duration", "matches"]

LABELS = ("kind", "rule", "scope", "key", "severity", "tier", "incident_id")
_OF_RULE = re.compile(r"label\.\w+")
_DURATION = re.compile(r"(\d+)\s*(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def check_labels(names: Iterable[str]) -> None:
    """Raises ValueError where a name is neither one of ours nor `label.NAME`, a label of the rule."""
    for name in names:
        if name not in LABELS and not _OF_RULE.fullmatch(name):
            known = ", ".join(LABELS)
            raise ValueError(f"no label is named {name}; they are {known}, and label.NAME for the labels of a rule")


def check_values(matchers: Mapping[str, Iterable[str]]) -> None:
    """Raises ValueError where a severity is none of ours: what waits for it would wait for ever."""
    for value in matchers.get("severity", ()):
        if value not in set(Severity):
            raise ValueError(f"no severity is named {value}; they are {', '.join(Severity)}")


def matches(matchers: Mapping[str, Sequence[str]], labels: Mapping[str, str]) -> bool:
    """Whether every matcher accepts the value of its label; no matcher accepts everything."""
    return all(labels.get(label) in accepted for label, accepted in matchers.items())


def duration(value: object) -> timedelta:
    """`30s`, `5m`, `4h` or `1d`.

    Raises:
        ValueError: it is written otherwise.
    """
    found = _DURATION.fullmatch(str(value).strip())
    if not found:
        raise ValueError(f"{value!r} is not a time: write 30s, 5m, 4h or 1d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
