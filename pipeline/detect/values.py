"""The values of one table of a rule file, each checked as it is read; every error names file, line, table and key."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, TypeVar

from pipeline.errors import RulesError
from pipeline.toml_lines import Table

__all__ = ["LONGEST", "Values"]

E = TypeVar("E", bound=StrEnum)

_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
# Runs come every few minutes: what is shorter than this can only flap. What is longer is not remembered.
_SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=30)


@dataclass(frozen=True)
class Values:
    """`raw` as tomllib read it; `table` says where it stands; `path` is the file, `where` the table in words."""

    raw: Mapping[str, Any]
    table: Table
    path: str
    where: str

    def error(self, said: str, *key: str) -> RulesError:
        """What is wrong, behind the file, the line of `key` (else of the table) and the table."""
        return RulesError(f"{self.path}:{self.table.line_of(*key)}: {self.where}: {said}")

    def only(self, allowed: set[str]) -> None:
        """No key but these."""
        for key in sorted(set(self.raw) - allowed, key=self.table.line_of):
            near = difflib.get_close_matches(key, sorted(allowed), n=1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            raise self.error(f"unknown key {key!r}. {hint}Known here: {', '.join(sorted(allowed))}.", key)

    def one_of(self, key: str, enum: type[E]) -> E:
        """A member of `enum`; there is no default."""
        try:
            return enum(self.raw.get(key, ""))
        except ValueError:
            known = ", ".join(enum)
            raise self.error(f"{key} = {self.raw.get(key)!r} must be one of {known}.", key) from None

    def text(self, key: str) -> str:
        """A text; '' where it is not there."""
        value = self.raw.get(key, "")
        if not isinstance(value, str):
            raise self.error(f"{key} = {value!r} must be a text.", key)
        return value

    def words(self, key: str) -> tuple[str, ...]:
        """A list of words; empty where it is not there."""
        value = self.raw.get(key, [])
        if not isinstance(value, list) or not all(isinstance(word, str) and word for word in value):
            raise self.error(f'{key} must be a list of words, such as {key} = ["a", "b"].', key)
        return tuple(value)

    def tiers(self, key: str) -> tuple[int, ...]:
        """A list of tiers, 1 or 2."""
        value = self.raw.get(key, [])
        if not isinstance(value, list) or not all(type(tier) is int and tier in (1, 2) for tier in value):
            raise self.error(f"{key} must be a list of tiers, [1], [2] or [1, 2].", key)
        return tuple(value)

    def map(self, key: str) -> dict[str, str]:
        """A table of words."""
        value = self.raw.get(key, {})
        if not isinstance(value, dict) or not all(isinstance(word, str) for word in value.values()):
            raise self.error(f"{key} must be a table of words.", key)
        return dict(value)

    def number(self, key: str, default: float, low: float, high: float) -> float:
        """A number from `low` to `high`."""
        value = self.raw.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise self.error(f"{key} = {value!r} must be a number from {low:g} to {high:g}.", key)
        return float(value)

    def count(self, key: str, default: int) -> int:
        """A whole number, 0 or more."""
        value = self.raw.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.error(f"{key} = {value!r} must be a whole number, 0 or more.", key)
        return value

    def time(self, key: str, default: timedelta) -> timedelta:
        """A time such as "30m": 0, or from a minute to 30 days."""
        if key not in self.raw:
            return default
        match = _TIME.fullmatch(str(self.raw[key]))
        if not match:
            raise self.error(f'{key} = {self.raw[key]!r} is not a time such as "30m", "3h" or "1d".', key)
        value = timedelta(**{_UNITS[match[2]]: float(match[1])})
        if value and not _SHORTEST <= value <= LONGEST:
            raise self.error(f"{key} = {self.raw[key]!r} must be 0 or from 1m to 30d.", key)
        return value
