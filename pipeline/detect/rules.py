"""rules.toml: what alerts, read into frozen dataclasses and checked; every error names the file and the key."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from pipeline.errors import RulesError
from pipeline.incidents import Severity
from pipeline.series.buckets import SCOPES

__all__ = ["Health", "Kind", "Rule", "Rules", "SeverityLine", "load", "parse"]


E = TypeVar("E", bound=StrEnum)


class Kind(StrEnum):
    """What a rule looks at."""

    EVENT = "event"
    NEGATIVE_SHARE = "negative_share"
    VOLUME = "volume"
    HEALTH = "health"


class Health(StrEnum):
    """What a health rule watches."""

    LATE_FEED = "late_feed"
    BLIND_SPOT = "blind_spot"


@dataclass(frozen=True)
class Rule:
    """One rule. `text` is its own part of the file, `sha256` covers it: both go into the evidence."""

    name: str
    kind: Kind
    scope: str
    grain: str
    text: str
    sha256: str
    what: Health | None = None
    keys: tuple[str, ...] = ()
    not_keys: tuple[str, ...] = ()
    watchlists: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()
    p_limit: float = 0.0001
    p_negative: float = 0.5
    min_stories: int = 3
    min_negative: int = 3
    min_coverage: float = 0.5
    severity: Severity | None = None
    pending_for: timedelta = timedelta(0)
    keep_firing_for: timedelta = timedelta(0)
    cooldown: timedelta = timedelta(0)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    runbook_url: str = ""

    def selects(self, key: str, tier: int | None) -> bool:
        """Whether the rule looks at the series `key` (`tier`: its place on the rule's watch-lists, None: on none)."""
        if self.keys and key not in self.keys:
            return False
        return key not in self.not_keys and (tier is not None or not self.watchlists)


@dataclass(frozen=True)
class SeverityLine:
    """One line of the table: whoever meets all its conditions has its severity."""

    severity: Severity
    kind: Kind | None = None
    tier: int | None = None
    effect: float = 0.0
    owners: int = 0


@dataclass(frozen=True)
class Rules:
    """The whole file."""

    rules: tuple[Rule, ...]
    severities: tuple[SeverityLine, ...]
    path: str = ""
    sha256: str = ""

    def of(self, kind: Kind) -> tuple[Rule, ...]:
        """The rules of one kind, in the order of the file."""
        return tuple(rule for rule in self.rules if rule.kind is kind)

    def severity_of(self, rule: Rule, *, effect: float, owners: int, tier: int | None) -> Severity:
        """Size of effect × corroboration × tier, by the first line that matches; never by the p-value."""
        if rule.severity is not None:
            return rule.severity
        for line in self.severities:
            of_kind = line.kind in (None, rule.kind)
            of_tier = line.tier is None or (tier is not None and tier <= line.tier)
            if of_kind and of_tier and effect >= line.effect and owners >= line.owners:
                return line.severity
        return Severity.WARNING


_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_KEEP = {"hour": timedelta(hours=3), "day": timedelta(days=1)}
_TOP = {"rule", "severity"}
_COMMON = {
    "name", "kind", "severity", "for", "keep_firing_for", "cooldown", "labels", "annotations", "runbook_url",
}  # fmt: skip
_SERIES = {"scope", "grain", "keys", "not_keys", "watchlists", "p_limit", "min_stories"}
_ALLOWED = {
    Kind.EVENT: _COMMON | {"scope", "keys", "not_keys", "watchlists", "themes", "p_negative"},
    Kind.NEGATIVE_SHARE: _COMMON | _SERIES | {"min_negative"},
    Kind.VOLUME: _COMMON | _SERIES,
    Kind.HEALTH: _COMMON | {"what", "scope", "keys", "not_keys", "p_limit", "min_coverage"},
}
_LINE = {"kind", "tier", "effect", "owners", "severity"}


def load(path: Path) -> Rules:
    """Read and check a rule file.

    Raises:
        RulesError: not there, not TOML, or a key or value that cannot be used; the message names file and key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RulesError(f"{path}: cannot be read: {error}. Mend the path in [detect] rules.") from error
    return parse(text, str(path))


def parse(text: str, path: str = "rules.toml") -> Rules:
    """The rules that `text` holds; `path` is for messages. Raises RulesError as `load` does."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulesError(f"{path}: not valid TOML: {error}. Mend that line and run again.") from error
    _only(raw, _TOP, path, "the file")
    tables, lines = raw.get("rule", []), raw.get("severity", [])
    if not isinstance(tables, list) or not tables:
        raise RulesError(f"{path}: holds no rule. Begin each with a line [[rule]].")
    texts = _parts(text)
    rules = tuple(_rule(table, part, path) for table, part in zip(tables, texts, strict=True))
    names = [rule.name for rule in rules]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise RulesError(f"{path}: rule {twice[0]!r} stands there twice. Give each rule a name of its own.")
    severities = tuple(_line(line, path) for line in lines)
    return Rules(rules, severities, path, _sha256(text))


def _parts(text: str) -> list[str]:
    """The text of each [[rule]], with its sub-tables."""
    parts = re.split(r"^(?=\s*\[\[)", text, flags=re.MULTILINE)
    return [part.strip() for part in parts if re.match(r"\s*\[\[\s*rule\s*\]\]", part)]


def _rule(raw: dict[str, Any], text: str, path: str) -> Rule:
    name = raw.get("name")
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,79}", name):
        raise RulesError(f"{path}: a rule has the name {name!r}. Give it one of small letters, digits and hyphens.")
    where = f"rule {name}"
    kind = _one_of(raw, "kind", Kind, path, where)
    _only(raw, _ALLOWED[kind], path, where)
    scope = raw.get("scope", {Kind.EVENT: "entity", Kind.HEALTH: "feed"}.get(kind, "market"))
    if scope not in (*SCOPES, "feed"):
        raise RulesError(f"{path}: {where}: scope {scope!r} is not one of {', '.join(SCOPES)}.")
    if kind is Kind.EVENT and scope != "entity":
        raise RulesError(f'{path}: {where}: an event is about an entity: scope must be "entity".')
    grain = raw.get("grain", "hour")
    if grain not in _KEEP:
        raise RulesError(f'{path}: {where}: grain {grain!r} must be "hour" or "day".')
    what = _one_of(raw, "what", Health, path, where) if kind is Kind.HEALTH else None
    keep = {Kind.EVENT: timedelta(hours=24), Kind.HEALTH: timedelta(0)}.get(kind, _KEEP[grain])
    return Rule(
        name=name,
        kind=kind,
        scope="feed" if what is Health.LATE_FEED else "market" if what is Health.BLIND_SPOT else scope,
        grain=grain,
        text=text,
        sha256=_sha256(text),
        what=what,
        keys=_words(raw, "keys", path, where),
        not_keys=_words(raw, "not_keys", path, where),
        watchlists=_words(raw, "watchlists", path, where),
        themes=_words(raw, "themes", path, where),
        p_limit=_number(raw, "p_limit", 0.0001, 0.0, 0.5, path, where),
        p_negative=_number(raw, "p_negative", 0.5, 0.0, 1.0, path, where),
        min_stories=_count(raw, "min_stories", 3, path, where),
        min_negative=_count(raw, "min_negative", 3, path, where),
        min_coverage=_number(raw, "min_coverage", 0.5, 0.0, 1.0, path, where),
        severity=_one_of(raw, "severity", Severity, path, where) if "severity" in raw else None,
        pending_for=_time(raw, "for", timedelta(0), path, where),
        keep_firing_for=_time(raw, "keep_firing_for", keep, path, where),
        cooldown=_time(raw, "cooldown", timedelta(0), path, where),
        labels=_map(raw, "labels", path, where),
        annotations=_map(raw, "annotations", path, where),
        runbook_url=str(raw.get("runbook_url", "")),
    )


def _line(raw: dict[str, Any], path: str) -> SeverityLine:
    where = "[[severity]]"
    _only(raw, _LINE, path, where)
    return SeverityLine(
        severity=_one_of(raw, "severity", Severity, path, where),
        kind=_one_of(raw, "kind", Kind, path, where) if "kind" in raw else None,
        tier=_count(raw, "tier", 1, path, where) if "tier" in raw else None,
        effect=_number(raw, "effect", 0.0, 0.0, 1e6, path, where),
        owners=_count(raw, "owners", 0, path, where),
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _only(raw: Mapping[str, Any], allowed: set[str], path: str, where: str) -> None:
    if unknown := sorted(set(raw) - allowed):
        raise RulesError(f"{path}: {where}: unknown key {unknown[0]!r}. Known here: {', '.join(sorted(allowed))}.")


def _one_of(raw: Mapping[str, Any], key: str, enum: type[E], path: str, where: str) -> E:
    try:
        return enum(raw.get(key, ""))
    except ValueError:
        known = ", ".join(enum)
        raise RulesError(f"{path}: {where}: {key} = {raw.get(key)!r} must be one of {known}.") from None


def _words(raw: Mapping[str, Any], key: str, path: str, where: str) -> tuple[str, ...]:
    value: Sequence[Any] = raw.get(key, [])
    if not isinstance(value, list) or not all(isinstance(word, str) and word for word in value):
        raise RulesError(f'{path}: {where}: {key} must be a list of words, such as {key} = ["a", "b"].')
    return tuple(value)


def _map(raw: Mapping[str, Any], key: str, path: str, where: str) -> dict[str, str]:
    value = raw.get(key, {})
    if not isinstance(value, dict) or not all(isinstance(word, str) for word in value.values()):
        raise RulesError(f"{path}: {where}: {key} must be a table of words.")
    return dict(value)


def _number(raw: Mapping[str, Any], key: str, default: float, low: float, high: float, path: str, where: str) -> float:
    value = raw.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise RulesError(f"{path}: {where}: {key} = {value!r} must be a number from {low:g} to {high:g}.")
    return float(value)


def _count(raw: Mapping[str, Any], key: str, default: int, path: str, where: str) -> int:
    value = raw.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise RulesError(f"{path}: {where}: {key} = {value!r} must be a whole number, 0 or more.")
    return value


def _time(raw: Mapping[str, Any], key: str, default: timedelta, path: str, where: str) -> timedelta:
    if key not in raw:
        return default
    match = _TIME.fullmatch(str(raw[key]))
    if not match:
        raise RulesError(f'{path}: {where}: {key} = {raw[key]!r} is not a time such as "30m", "3h" or "1d".')
    return timedelta(**{_UNITS[match[2]]: float(match[1])})
