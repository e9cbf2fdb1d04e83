"""rules.toml: what alerts, read into frozen dataclasses and checked; every error names the file, line and key."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from pipeline.detect.values import Values
from pipeline.errors import RulesError
from pipeline.incidents import Severity
from pipeline.series.buckets import SCOPES
from pipeline.toml_lines import Table, place, tables

__all__ = ["Budget", "Health", "Kind", "Rule", "Rules", "SeverityLine", "load", "parse"]


class Kind(StrEnum):
    """What a rule looks at."""

    EVENT = "event"
    NEGATIVE_SHARE = "negative_share"
    VOLUME = "volume"
    HEALTH = "health"


class Health(StrEnum):
    """What a health rule watches: feeds, what we see of the market, and (from NO_ARTICLES on) ourselves."""

    LATE_FEED = "late_feed"
    BLIND_SPOT = "blind_spot"
    NO_ARTICLES = "no_articles"
    SCORING_BEHIND = "scoring_behind"
    FAILED_STAGE = "failed_stage"
    DISK_FULL = "disk_full"
    OLD_SNAPSHOT = "old_snapshot"


@dataclass(frozen=True)
class Budget:
    """How many alerts a rule may send, all its series together: `alerts` in each `per` ("3 a week")."""

    alerts: float
    per: str

    @property
    def per_week(self) -> float:
        """The same, a week."""
        return self.alerts / _WEEKS[self.per]

    def __str__(self) -> str:
        return f"{self.alerts:g} a {self.per}"


@dataclass(frozen=True)
class Rule:
    """One rule. `text` is its own part of the file, `sha256` covers it: both go into the evidence.

    `p_limit`: how unusual a bucket must be, a probability; with a `budget` the loosest it may be. `after`: how long
    what health watches must have lasted. `line`: of the file.
    """

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
    list_owners: tuple[str, ...] = ()
    tiers: tuple[int, ...] = ()
    themes: tuple[str, ...] = ()
    budget: Budget | None = None
    p_limit: float = 0.0001
    p_negative: float = 0.5
    min_stories: int = 3
    min_negative: int = 3
    min_corroboration: int = 0
    min_coverage: float = 0.5
    min_free: float = 0.05
    after: timedelta = timedelta(0)
    severity: Severity | None = None
    pending_for: timedelta = timedelta(0)
    keep_firing_for: timedelta = timedelta(0)
    cooldown: timedelta = timedelta(0)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    runbook_url: str = ""
    line: int = 0

    @property
    def of_lists(self) -> bool:
        """Whether the rule looks only at names on watch-lists."""
        return bool(self.watchlists or self.list_owners or self.tiers)

    def selects(self, key: str, tier: int | None) -> bool:
        """Whether the rule looks at the series `key` (`tier`: its place on the rule's watch-lists, None: on none)."""
        if key in self.not_keys or (self.keys and key not in self.keys):
            return False
        if tier is None:
            return not self.of_lists
        return not self.tiers or tier in self.tiers


@dataclass(frozen=True)
class SeverityLine:
    """One line of the table: whoever meets all its conditions has its severity."""

    severity: Severity
    kind: Kind | None = None
    tier: int | None = None
    effect: float = 0.0
    owners: int = 0
    line: int = 0


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


_WEEKS = {"day": 1 / 7, "week": 1.0, "month": 365.25 / 12 / 7, "year": 365.25 / 7}
_BUDGET = re.compile(rf"(\d+(?:\.\d+)?) (?:a|per) ({'|'.join(_WEEKS)})")
_WIDTH = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
_KEEP = {"hour": timedelta(hours=3), "day": timedelta(days=1)}
# With a budget and no limit of its own a rule never calls a bucket unusual that a hundred ordinary ones would bring.
_CEILING = 0.01
_TOP = {"rule", "severity"}
_COMMON = {
    "name", "kind", "severity", "for", "keep_firing_for", "cooldown", "labels", "annotations", "runbook_url",
}  # fmt: skip
_LISTS = {"watchlists", "list_owners", "tiers"}
_SERIES = {"scope", "grain", "keys", "not_keys", "budget", "p_limit", "min_stories", "min_corroboration"} | _LISTS
_KEYS = {"keys", "not_keys"}
# What each kind of watching reads; any other key would be taken for set, and count for nothing.
_READ = {
    Health.LATE_FEED: _KEYS | {"scope", "p_limit"},
    Health.BLIND_SPOT: {"scope", "min_coverage"},
    Health.NO_ARTICLES: _KEYS | {"p_limit", "after"},
    Health.SCORING_BEHIND: _KEYS | {"after"},
    Health.FAILED_STAGE: _KEYS | {"after"},
    Health.DISK_FULL: _KEYS | {"min_free"},
    Health.OLD_SNAPSHOT: _KEYS | {"after"},
}
_ALLOWED = {
    Kind.EVENT: _COMMON | _LISTS | {"scope", "keys", "not_keys", "themes", "p_negative", "min_corroboration"},
    Kind.NEGATIVE_SHARE: _COMMON | _SERIES | {"min_negative"},
    Kind.VOLUME: _COMMON | _SERIES,
    Kind.HEALTH: _COMMON.union({"what"}, *_READ.values()),
}
# How long it must have lasted, where the rule does not say.
_AFTER = {
    Health.NO_ARTICLES: timedelta(hours=1),
    Health.SCORING_BEHIND: timedelta(hours=1),
    Health.FAILED_STAGE: timedelta(minutes=15),
    Health.OLD_SNAPSHOT: timedelta(hours=1),
}
_LINE = {"kind", "tier", "effect", "owners", "severity"}


def load(path: Path) -> Rules:
    """Read and check a rule file.

    Raises:
        RulesError: not there, not TOML, or a key or value that cannot be used; the message names file, line and key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RulesError(f"{path}: cannot be read: {error}. Mend the path in [detect] rules.") from error
    return parse(text, str(path))


def parse(text: str, path: str = "rules.toml", *, kept: bool = False) -> Rules:
    """The rules that `text` holds; `path` is for messages. Raises RulesError as `load` does.

    `kept`: a file that was in force once. A key that its rule never looked at, which older versions let pass, counts
    for nothing then, as it did.
    """
    text = text.replace("\r\n", "\n")
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulesError(f"{path}: not valid TOML: {error}. Mend that line and run again.") from error
    parts = tables(text)
    for key in sorted(set(raw) - _TOP, key=lambda key: place(parts, key)):
        said = f"unknown key {key!r}. Known here: {', '.join(sorted(_TOP))}."
        raise RulesError(f"{path}:{place(parts, key)}: the file: {said}")
    rules = tuple(_rule(values, kept) for values in _tables(raw, "rule", parts, path))
    if not rules:
        raise RulesError(f"{path}: holds no rule. Begin each with a line [[rule]].")
    seen: dict[str, Rule] = {}
    for rule in rules:
        if twice := seen.get(rule.name):
            said = f"rule {rule.name!r} stands there twice, first in line {twice.line}"
            raise RulesError(f"{path}:{rule.line}: {said}. Give each rule a name of its own.")
        seen[rule.name] = rule
    severities = tuple(_line(values) for values in _tables(raw, "severity", parts, path))
    return Rules(rules, severities, path, _sha256(text))


def _tables(raw: Mapping[str, Any], name: str, parts: list[Table], path: str) -> list[Values]:
    """The tables [[name]], each with its sub-tables."""
    found: list[Table] = []
    for part in parts:
        if part.path == (name,) and part.array:
            found.append(Table(part.path, part.line, True, part.text, dict(part.keys)))
        elif found and part.path[:1] == (name,) and len(part.path) > 1:
            found[-1].text += part.text
            found[-1].keys |= {part.path[1:]: part.line} | {part.path[1:] + k: n for k, n in part.keys.items()}
    values = raw.get(name, [])
    if not isinstance(values, list) or len(values) != len(found):
        said = f"{name} is not written as we read it. Begin each with a line [[{name}]]."
        raise RulesError(f"{path}:{place(parts, name)}: {said}")
    return [Values(one, part, path, f"[[{name}]]") for one, part in zip(values, found, strict=True)]


def _rule(values: Values, kept: bool) -> Rule:
    raw, name, text = values.raw, values.raw.get("name"), values.table.text.strip()
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,79}", name):
        raise values.error(f"a rule has the name {name!r}. Give it one of small letters, digits and hyphens.", "name")
    values = Values(raw, values.table, values.path, f"rule {name}")
    kind = values.one_of("kind", Kind)
    values.only(_ALLOWED[kind])
    grain = raw.get("grain", "hour")
    if grain not in _WIDTH:
        raise values.error(f'grain {grain!r} must be "hour" or "day".', "grain")
    what = _what(values, kept) if kind is Kind.HEALTH else None
    budget = _budget(values)
    keep = {Kind.EVENT: timedelta(hours=24), Kind.HEALTH: timedelta(0)}.get(kind, _KEEP[grain])
    rule = Rule(
        name=name,
        kind=kind,
        scope=_scope(values, kind, what),
        grain=grain,
        text=text,
        sha256=_sha256(text),
        what=what,
        keys=values.words("keys"),
        not_keys=values.words("not_keys"),
        watchlists=values.words("watchlists"),
        list_owners=values.words("list_owners"),
        tiers=values.tiers("tiers"),
        themes=values.words("themes"),
        budget=budget,
        p_limit=values.number("p_limit", _CEILING if budget else 0.0001, 0.0, 0.5),
        p_negative=values.number("p_negative", 0.5, 0.0, 1.0),
        min_stories=values.count("min_stories", 3),
        min_negative=values.count("min_negative", 3),
        min_corroboration=values.count("min_corroboration", 0),
        min_coverage=values.number("min_coverage", 0.5, 0.0, 1.0),
        min_free=values.number("min_free", 0.05, 0.0, 1.0),
        after=values.time("after", _AFTER[what] if what in _AFTER else timedelta(0)),
        severity=values.one_of("severity", Severity) if "severity" in raw else None,
        pending_for=values.time("for", timedelta(0)),
        keep_firing_for=values.time("keep_firing_for", keep),
        cooldown=values.time("cooldown", timedelta(0)),
        labels=values.map("labels"),
        annotations=values.map("annotations"),
        runbook_url=_url(values),
        line=values.table.line,
    )
    _possible(rule, values)
    return rule


def _what(values: Values, kept: bool) -> Health:
    what = values.one_of("what", Health)
    if kept:
        return what
    unread = set(values.raw) & (_ALLOWED[Kind.HEALTH] - _COMMON - {"what"} - _READ[what])
    for key in sorted(unread, key=values.table.line_of):
        raise values.error(f"{key} is not looked at by what = {str(what)!r}. Take it out.", key)
    return what


def _scope(values: Values, kind: Kind, what: Health | None) -> str:
    if what:
        fixed = {Health.LATE_FEED: "feed", Health.BLIND_SPOT: "market"}.get(what, "pipeline")
        if (scope := values.raw.get("scope", fixed)) != fixed:
            raise values.error(f"scope {scope!r}: what = {str(what)!r} has the scope {fixed!r}.", "scope")
        return fixed
    scope = values.raw.get("scope", "entity" if kind is Kind.EVENT else "market")
    if scope not in SCOPES:
        raise values.error(f"scope {scope!r} is not one of {', '.join(SCOPES)}.", "scope")
    if kind is Kind.EVENT and scope != "entity":
        raise values.error('an event is about an entity: scope must be "entity".', "scope")
    return str(scope)


def _budget(values: Values) -> Budget | None:
    if "budget" not in values.raw:
        return None
    match = _BUDGET.fullmatch(str(values.raw["budget"]))
    if not match or not float(match[1]):
        said = f'budget = {values.raw["budget"]!r} is not a number of alerts in a time, such as "3 a week".'
        raise values.error(f"{said} The time is {', '.join(_WEEKS)}.", "budget")
    return Budget(float(match[1]), match[2])


def _url(values: Values) -> str:
    url = values.text("runbook_url")
    if url and not url.startswith(("https://", "http://")):
        raise values.error(f"runbook_url = {url!r} must begin with https:// or http://.", "runbook_url")
    return url


def _possible(rule: Rule, values: Values) -> None:
    """Refuse what can never fire or never select anything."""
    if both := sorted(set(rule.keys) & set(rule.not_keys)):
        raise values.error(f"{both[0]!r} stands in keys and in not_keys. Keep one.", "not_keys")
    if rule.of_lists and rule.scope != "entity":
        key = next(name for name in ("watchlists", "list_owners", "tiers") if name in values.raw)
        raise values.error(f'{key} hold entities, and scope is "{rule.scope}": nothing would match.', key)
    never = {
        "p_limit": rule.p_limit == 0,
        "p_negative": rule.kind is Kind.EVENT and rule.p_negative == 1,
        "min_coverage": rule.what is Health.BLIND_SPOT and rule.min_coverage == 0,
        "min_free": rule.what is Health.DISK_FULL and rule.min_free == 0,
    }
    for key in (name for name, at_the_end in never.items() if at_the_end):
        raise values.error(f"{key} = {values.raw[key]!r} would never fire.", key)
    if rule.pending_for and _faded_before(rule):
        keep = _told(rule.keep_firing_for)
        said = f"for = {values.raw['for']!r} waits longer than anything is kept alive (keep_firing_for = {keep})"
        raise values.error(f"{said}: it would never fire.", "for")


def _faded_before(rule: Rule) -> bool:
    """Whether what is pending has always faded before it may fire."""
    if rule.kind is Kind.HEALTH:
        return False
    width = timedelta(0) if rule.kind is Kind.EVENT else _WIDTH[rule.grain]
    # Where it is kept alive as long as a bucket is wide, the next bucket may keep it alive further.
    outlived = rule.keep_firing_for < width or rule.kind is Kind.EVENT
    return outlived and rule.pending_for >= rule.keep_firing_for + width


def _told(time: timedelta) -> str:
    hours = time.total_seconds() / 3600
    return f"{hours:g}h" if hours >= 1 or not hours else f"{hours * 60:g}m"


def _line(values: Values) -> SeverityLine:
    values.only(_LINE)
    raw = values.raw
    return SeverityLine(
        severity=values.one_of("severity", Severity),
        kind=values.one_of("kind", Kind) if "kind" in raw else None,
        tier=values.count("tier", 1) if "tier" in raw else None,
        effect=values.number("effect", 0.0, 0.0, 1e6),
        owners=values.count("owners", 0),
        line=values.table.line,
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
