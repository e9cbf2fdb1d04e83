"""A clock that runs fast, for a `barograph` that is none the wiser: hours of back-off pass while a soak runs.

Python imports this file at its start where this folder is on PYTHONPATH. `SOAK_CLOCK` is 'origin speed hours': since
`origin` (seconds since 1970) time runs `speed` times as fast, and it is so many hours later.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime, tzinfo
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_EDGE = "pipeline.context"  # the one place where the wall clock is read


class _Fast(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        origin, speed, hours = map(float, os.environ["SOAK_CLOCK"].split())
        return datetime.fromtimestamp(origin + (time.time() - origin) * speed + hours * 3600, tz or UTC)


class _Loader(Loader):
    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        module.datetime = _Fast  # type: ignore[attr-defined]


class _Finder(MetaPathFinder):
    def find_spec(self, name: str, path: object, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != _EDGE:
            return None
        spec = PathFinder.find_spec(name, path, target)  # type: ignore[arg-type]
        if spec and spec.loader:
            spec.loader = _Loader(spec.loader)
        return spec


if "SOAK_CLOCK" in os.environ:
    sys.meta_path.insert(0, _Finder())
