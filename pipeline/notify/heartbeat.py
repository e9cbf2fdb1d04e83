"""The dead man's switch: each run of `notify` says that it lives and how old the newest complete cycle is.

Whoever is at the other end (a service that watches for silence, or a rule on the age) raises the alarm when this stops:
an alarm of our own cannot tell that we are dead.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime

from pipeline.errors import DeliveryFailed
from pipeline.notify.routes import Heartbeat
from pipeline.notify.web import post

__all__ = ["Beat", "beat"]


@dataclass(frozen=True)
class Beat:
    """What is told. `cycle_at`: when the newest complete cycle ended (`publish` is its last stage); None: never."""

    at: datetime
    run_id: str
    cycle_at: datetime | None
    waiting: int
    demo: bool = False

    @property
    def cycle_age_s(self) -> float | None:
        """Seconds since the newest complete cycle; never below zero, should the clock have been set back."""
        return None if self.cycle_at is None else max((self.at - self.cycle_at).total_seconds(), 0.0)


def beat(told: Beat, where: Heartbeat) -> str | None:
    """POST it as JSON; answers what went wrong, or None. It never stops a run."""
    content = {k: v for k, v in asdict(told).items() if k not in ("at", "cycle_at")}
    content |= {
        "at": told.at.isoformat(),
        "cycle_at": told.cycle_at.isoformat() if told.cycle_at else None,
        "cycle_age_s": told.cycle_age_s,
    }
    try:
        body = json.dumps(content, sort_keys=True).encode()
        post(where.url, body, {"Content-Type": "application/json"}, timeout_s=where.timeout.total_seconds())
    except DeliveryFailed as error:
        return f"the heartbeat was not taken: {error}"
    return None
