"""routes.toml: which labels go to which receiver, and the addresses behind a receiver's name."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pipeline.errors import RulesError

__all__ = ["Match", "Route", "Routes", "load", "matches"]

_DURATION = re.compile(r"(\d+)\s*(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_LABELS = frozenset({"kind", "rule", "scope", "key", "severity"})
# Shorter reminders are a storm, and a longer hold is a message that comes too late to be one.
_SHORTEST_REPEAT, _LONGEST_WAIT = timedelta(minutes=5), timedelta(hours=1)


def _duration(value: object) -> timedelta:
    found = _DURATION.fullmatch(str(value).strip())
    if not found:
        raise ValueError(f"{value!r} is not a time: write 30s, 5m, 4h or 1d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


class Route(BaseModel):
    """One `[[route]]`: labels it matches, the receiver it leads to, and how that receiver wants to be told."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    receiver: str
    match: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    group_wait: timedelta = timedelta(0)
    repeat_interval: timedelta | None = None
    send_resolved: bool = True
    goes_on: bool = Field(False, alias="continue")

    @field_validator("match", mode="before")
    @classmethod
    def _lists(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            raise ValueError("must be a table of labels")
        unknown = sorted(set(value) - _LABELS)
        if unknown:
            raise ValueError(f"no label is named {unknown[0]}; they are {', '.join(sorted(_LABELS))}")
        return {k: (v,) if isinstance(v, str) else v for k, v in value.items()}

    @field_validator("group_wait", "repeat_interval", mode="before")
    @classmethod
    def _times(cls, value: object) -> object:
        return value if value is None or isinstance(value, timedelta) else _duration(value)

    @field_validator("group_wait")
    @classmethod
    def _wait_bound(cls, value: timedelta) -> timedelta:
        if value > _LONGEST_WAIT:
            raise ValueError("must be at most 1h")
        return value

    @field_validator("repeat_interval")
    @classmethod
    def _repeat_bound(cls, value: timedelta | None) -> timedelta | None:
        if value is not None and value < _SHORTEST_REPEAT:
            raise ValueError("must be at least 5m, or left out for no reminders")
        return value


class _Receiver(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    urls: tuple[str, ...] = Field(min_length=1)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    route: tuple[Route, ...] = ()
    receivers: dict[str, _Receiver] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _known_receivers(self) -> _File:
        for number, route in enumerate(self.route, 1):
            if route.receiver not in self.receivers:
                raise ValueError(f"route {number}: no [receivers.{route.receiver}] in this file")
        return self


@dataclass(frozen=True)
class Match:
    """A route that took an incident, and one address of its receiver."""

    address: str
    route: Route


@dataclass(frozen=True, repr=False)
class Routes:
    """The routes in order, and every address by its name (`desk`, `desk#2`, …) so that each is retried by itself.

    The URLs hold secrets: they are kept out of `repr` and go to the channels only.
    """

    routes: tuple[Route, ...]
    addresses: Mapping[str, str]
    by_receiver: Mapping[str, tuple[str, ...]]

    def matching(self, labels: Mapping[str, str]) -> list[Match]:
        """Every address that is to hear of an incident with these labels; the first route that leads there counts."""
        found: dict[str, Match] = {}
        for route in self.routes:
            if not matches(route.match, labels):
                continue
            for address in self.by_receiver[route.receiver]:
                found.setdefault(address, Match(address, route))
            if not route.goes_on:
                break
        return list(found.values())


def matches(matchers: Mapping[str, Sequence[str]], labels: Mapping[str, str]) -> bool:
    """Whether every matcher accepts the value of its label; no matcher accepts everything."""
    return all(labels.get(label) in accepted for label, accepted in matchers.items())


def load(path: Path, environment: Mapping[str, str] | None = None) -> Routes:
    """Read and check routes.toml; `${NAME}` in URLs is taken from `environment` (that of the process, if None).

    Raises:
        RulesError: the file, a key, a value or a variable is wrong; names the file and the key, never a URL.
    """
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RulesError(
            f"{path}: cannot be read as TOML: {error}. Mend it and run `barograph routes test`."
        ) from error
    try:
        file = _File.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part + 1 if isinstance(part, int) else part) for part in first["loc"]) or "route"
        said = first["msg"].removeprefix("Value error, ")
        raise RulesError(f"{path}: [{key}] {said}. Mend that key and run `barograph routes test`.") from error
    variables = os.environ if environment is None else environment
    addresses: dict[str, str] = {}
    by_receiver: dict[str, tuple[str, ...]] = {}
    for name, receiver in file.receivers.items():
        names = tuple(name if n == 1 else f"{name}#{n}" for n in range(1, len(receiver.urls) + 1))
        by_receiver[name] = names
        for address, url in zip(names, receiver.urls, strict=True):
            addresses[address] = _expanded(url, variables, f"{path}: [receivers.{name}.urls]")
    return Routes(file.route, addresses, by_receiver)


def _expanded(url: str, variables: Mapping[str, str], where: str) -> str:
    missing = [name for name in _VARIABLE.findall(url) if name not in variables]
    if missing:
        raise RulesError(f"{where} the environment has no {missing[0]}. Set it, or take that address out.")
    return _VARIABLE.sub(lambda found: variables[found[1]], url)
