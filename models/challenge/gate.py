"""May a model be activated by its challenge result? A pure decision that lists its reasons."""

from dataclasses import dataclass
from enum import StrEnum

from models.challenge.suite import FROZEN
from models.challenge.trial import Result

OVERALL_AT_LEAST = 0.80
KIND_AT_LEAST = 0.50


class Reason(StrEnum):
    """Why a result does not open the gate."""

    OTHER_SUITE = "other_suite"
    NOTHING_RUN = "nothing_run"
    OVERALL_LOW = "overall_low"
    KIND_LOW = "kind_low"


@dataclass(frozen=True)
class Refusal:
    """One reason, with the kind it is about ('' where about the whole) and one line for people."""

    reason: Reason
    kind: str
    says: str


def gate(
    result: Result,
    overall: float = OVERALL_AT_LEAST,
    kind: float = KIND_AT_LEAST,
    suite: str = FROZEN,
) -> tuple[Refusal, ...]:
    """Return the reasons against the model, the kinds in the suite's order; none means that the gate is open."""
    if result.suite != suite:
        says = f"the cases are not those frozen as {suite[:12]} but {result.suite[:12]}; score the shipped suite"
        return (Refusal(Reason.OTHER_SUITE, "", says),)
    if result.n == 0:
        return (Refusal(Reason.NOTHING_RUN, "", "no challenge case was scored; run at least the open half"),)
    found: list[Refusal] = []
    if result.passed < overall * result.n:
        says = f"{result.passed} of {result.n} challenge cases passed ({result.passed / result.n:.3f} < {overall:.2f})"
        found.append(Refusal(Reason.OVERALL_LOW, "", says))
    for name, (n, passed) in result.kinds.items():
        if passed < kind * n:
            says = f"{name}: {passed} of {n} cases passed ({passed / n:.3f} < {kind:.2f})"
            found.append(Refusal(Reason.KIND_LOW, name, says))
    return tuple(found)
