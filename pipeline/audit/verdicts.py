"""How one thing came out that was made again, and how a person is told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Checked", "Verdict"]


class Verdict(StrEnum):
    """How one thing came out."""

    SAME = "same"
    DIFFERS = "differs"
    REMOVED = "removed"
    UNKNOWN = "unknown"

    @property
    def said(self) -> str:
        """As a person is told."""
        return _SAID[self]


_SAID = {
    Verdict.SAME: "the same", Verdict.DIFFERS: "DIFFERS", Verdict.REMOVED: "evidence removed",
    Verdict.UNKNOWN: "cannot be made again",
}  # fmt: skip


@dataclass(frozen=True)
class Checked:
    """One thing that was made again. `what`: chain, decision, life, message or refit; `detail`: in words, or a diff."""

    what: str
    name: str
    verdict: Verdict
    detail: str = ""
