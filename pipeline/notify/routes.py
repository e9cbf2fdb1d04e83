"""routes.toml: which labels go to which receiver, and the addresses behind a receiver's name."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pipeline.errors import RulesError
from pipeline.notify.labels import check_labels, check_values, duration, matches
from pipeline.notify.quiet import QuietHours
from pipeline.settings import value_of

__all__ = ["DEAD_LETTERS", "Heartbeat", "Match", "Route", "Routes", "load"]

_VARIABLE = re.compile(r"\$\{(\w+)\}")
# Shorter reminders are a storm, and a longer hold is a message that comes too late to be one.
_SHORTEST_REPEAT, _LONGEST_WAIT = timedelta(minutes=5), timedelta(hours=1)
_INTERVALS = (timedelta(minutes=1), timedelta(days=1))
DEAD_LETTERS = "dead-letters"


class Route(BaseModel):
    """One `[[route]]`: labels it matches, the receiver it leads to, and how that receiver wants to be told."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    receiver: str
    match: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    group_by: tuple[str, ...] = ("rule", "scope")
    group_wait: timedelta = timedelta(0)
    group_interval: timedelta = _INTERVALS[0]
    repeat_interval: timedelta | None = None
    quiet_hours: tuple[QuietHours, ...] = ()
    send_resolved: bool = True
    goes_on: bool = Field(False, alias="continue")

    @field_validator("match", mode="before")
    @classmethod
    def _lists(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            raise ValueError("must be a table of labels")
        check_labels(value)
        found = {k: (str(v),) if isinstance(v, str | int) else v for k, v in value.items()}
        check_values({k: v for k, v in found.items() if isinstance(v, list | tuple)})
        return found

    @field_validator("group_by")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        check_labels(value)
        return value

    @field_validator("quiet_hours", mode="before")
    @classmethod
    def _windows(cls, value: object) -> object:
        return (value,) if isinstance(value, Mapping) else value

    @field_validator("group_wait", "group_interval", "repeat_interval", mode="before")
    @classmethod
    def _times(cls, value: object) -> object:
        return value if value is None or isinstance(value, timedelta) else duration(value)

    @field_validator("group_wait")
    @classmethod
    def _wait_bound(cls, value: timedelta) -> timedelta:
        if value > _LONGEST_WAIT:
            raise ValueError("must be at most 1h")
        return value

    @field_validator("group_interval")
    @classmethod
    def _interval_bound(cls, value: timedelta) -> timedelta:
        if not _INTERVALS[0] <= value <= _INTERVALS[1]:
            raise ValueError("must be between 1m and 1d: messages closer together are a storm")
        return value

    @field_validator("repeat_interval")
    @classmethod
    def _repeat_bound(cls, value: timedelta | None) -> timedelta | None:
        if value is not None and value < _SHORTEST_REPEAT:
            raise ValueError("must be at least 5m, or left out for no reminders")
        return value

    @model_validator(mode="after")
    def _in_order(self) -> Route:
        if self.repeat_interval is not None and self.repeat_interval < self.group_interval:
            raise ValueError("repeat_interval is shorter than group_interval: reminders would never come so often")
        return self


class _Receiver(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    urls: tuple[str, ...] = Field(min_length=1)
    secret: str = ""


class Heartbeat(BaseModel):
    """`[heartbeat]`: where each run of notify says that it lives."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    timeout: timedelta = timedelta(seconds=5)

    @field_validator("timeout", mode="before")
    @classmethod
    def _times(cls, value: object) -> object:
        return value if isinstance(value, timedelta) else duration(value)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    route: tuple[Route, ...] = ()
    receivers: dict[str, _Receiver] = Field(default_factory=dict)
    dead_letter: str | None = None
    inhibit: bool = True
    heartbeat: Heartbeat | None = None

    @model_validator(mode="after")
    def _known_receivers(self) -> _File:
        for number, route in enumerate(self.route, 1):
            if route.receiver not in self.receivers:
                raise ValueError(f"route {number}: no [receivers.{route.receiver}] in this file")
        if self.dead_letter is not None and self.dead_letter not in self.receivers:
            raise ValueError(f"dead_letter: no [receivers.{self.dead_letter}] in this file")
        if DEAD_LETTERS in self.receivers:
            raise ValueError(f"[receivers.{DEAD_LETTERS}] is a name of ours: what nobody else can be told goes there")
        return self


@dataclass(frozen=True)
class Match:
    """A route that took an incident, and one address of its receiver."""

    address: str
    route: Route


@dataclass(frozen=True, repr=False)
class Routes:
    """The routes in order, and every address by its name (`desk`, `desk#2`, …) so that each is retried by itself.

    The URLs and secrets are kept out of `repr` and go to the channels only.
    """

    routes: tuple[Route, ...]
    addresses: Mapping[str, str]
    by_receiver: Mapping[str, tuple[str, ...]]
    secrets: Mapping[str, str] = field(default_factory=dict)
    dead_letter: str | None = None
    inhibit: bool = True
    heartbeat: Heartbeat | None = None

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

    def other_than(self, address: str) -> str:
        """Where to say that messages to `address` were given up: `dead_letter`, else the first other receiver, else
        the file `dead-letters.jsonl`."""
        named = self.by_receiver.get(self.dead_letter or "", ())
        others = [a for addresses in self.by_receiver.values() for a in addresses if address not in addresses]
        return next((a for a in (*named, *others) if a != address), DEAD_LETTERS)


def load(path: Path, environment: Mapping[str, str] | None = None) -> Routes:
    """Read and check routes.toml; `${NAME}` in URLs and secrets is taken from `environment`.

    If that is None: from the process's, else from the file of that name in the folder of secrets.

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
    look_up = value_of if environment is None else environment.get
    addresses = {DEAD_LETTERS: "file:dead-letters.jsonl"}
    by_receiver: dict[str, tuple[str, ...]] = {}
    secrets: dict[str, str] = {}
    for name, receiver in file.receivers.items():
        names = tuple(name if n == 1 else f"{name}#{n}" for n in range(1, len(receiver.urls) + 1))
        by_receiver[name] = names
        secret = _expanded(receiver.secret, look_up, f"{path}: [receivers.{name}.secret]")
        for address, url in zip(names, receiver.urls, strict=True):
            addresses[address] = _expanded(url, look_up, f"{path}: [receivers.{name}.urls]")
            secrets[address] = secret
    beat = file.heartbeat
    if beat is not None:
        beat = beat.model_copy(update={"url": _expanded(beat.url, look_up, f"{path}: [heartbeat.url]")})
        if not beat.url.startswith(("http://", "https://")):
            raise RulesError(f"{path}: [heartbeat.url] must be an http or https address.")
    return Routes(file.route, addresses, by_receiver, secrets, file.dead_letter, file.inhibit, beat)


def _expanded(url: str, look_up: Callable[[str], str | None], where: str) -> str:
    found = {name: look_up(name) for name in _VARIABLE.findall(url)}
    missing = [name for name, value in found.items() if value is None]
    if missing:
        raise RulesError(f"{where} the environment has no {missing[0]}. Set it, or take that address out.")
    return _VARIABLE.sub(lambda part: str(found[part[1]]), url)
