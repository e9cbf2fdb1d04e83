"""One check, and the way from what a piece of work says or raises to one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from pipeline.errors import BarographError

__all__ = ["Check", "State", "attempt"]


class State(StrEnum):
    """WARN: it works, but somebody should look. WRONG: something does not work until it is mended."""

    OK = "ok"
    WARN = "warn"
    WRONG = "wrong"


@dataclass(frozen=True)
class Check:
    """What was found, and (unless it is ok) what to do about it; `detail` holds both where an error says both."""

    name: str
    state: State
    detail: str
    todo: str = ""


def attempt(name: str, work: Callable[[], str | Check]) -> Check:
    """What `work` answers, or WRONG with the words of the error it raised."""
    from models.errors import ModelError

    try:
        said = work()
    except (BarographError, ModelError, OSError) as error:
        return Check(name, State.WRONG, str(error))
    return said if isinstance(said, Check) else Check(name, State.OK, said)
