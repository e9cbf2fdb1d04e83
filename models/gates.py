"""May a model become the active one? Bearish recall, calibration, challenge suite, and not worse than what it follows.

Pure decisions over what was measured: the artifact's own metrics.json, or anew on labelled files. Each answers what it
found in one line; which of them may be overruled is for whoever promotes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from models import SENTIMENTS
from models.compare import Sample, Verdict, paired
from models.measure import measures

if TYPE_CHECKING:
    from models.challenge import Result

__all__ = ["LIMITS", "Finding", "Gate", "Limits", "challenge", "comparison", "failed", "from_metrics", "from_sample"]


class Gate(StrEnum):
    """What is asked of a model before its scores make the series."""

    BEARISH_RECALL = "bearish_recall"
    CALIBRATION = "calibration"
    CHALLENGE = "challenge"
    NOT_WORSE = "not_worse"


@dataclass(frozen=True)
class Limits:
    """`bearish_recall`: share of truly negative texts found, at least; `ece`: calibration error, at most.

    `fewest_negatives`: under so many truly negative rows a recall says nothing.
    """

    bearish_recall: float = 0.75
    ece: float = 0.05
    fewest_negatives: int = 30


LIMITS = Limits()


@dataclass(frozen=True)
class Finding:
    """One gate held against one set of rows. `value` and `limit` are None where nothing could be measured."""

    gate: Gate
    on: str
    passed: bool
    value: float | None
    limit: float | None
    says: str

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


def failed(findings: Iterable[Finding]) -> list[Finding]:
    """Return those that stand in the way."""
    return [finding for finding in findings if not finding.passed]


def from_metrics(metrics: Mapping[str, Any], limits: Limits = LIMITS) -> list[Finding]:
    """Hold what an artifact says of itself against the limits: its final sets or, where it has none, the held-out rows.

    A model that measured nothing fails: nobody knows what it does.
    """
    sets = {name: views["all"] for name, views in metrics.get("final", {}).items() if "all" in views}
    sets = sets or dict(metrics.get("dev", {}))
    found: list[Finding] = []
    for name, part in sets.items():
        sentiment = part.get("sentiment")
        if sentiment and SENTIMENTS[0] in sentiment["recall"]:
            found += _held(name, sentiment["recall"][SENTIMENTS[0]], sentiment["ece"], limits)
    if not found:
        says = "its metrics.json measures no sentiment; give a labelled file with --data"
        found = [
            Finding(gate, "metrics.json", False, None, None, says) for gate in (Gate.BEARISH_RECALL, Gate.CALIBRATION)
        ]
    return found


def from_sample(name: str, sample: Sample | None, limits: Limits = LIMITS) -> list[Finding]:
    """Measure sentiment answers to a labelled file anew and hold them against the limits."""
    negatives = int((sample.truth == SENTIMENTS.index("negative")).sum()) if sample is not None else 0
    if sample is None or negatives < limits.fewest_negatives:
        says = f"{name} has {negatives} negative rows, too few to tell; give at least {limits.fewest_negatives}"
        return [Finding(Gate.BEARISH_RECALL, name, False, None, limits.bearish_recall, says)]
    found = measures(sample.truth, sample.probabilities, sample.labels)
    return _held(name, found.recall[SENTIMENTS[0]], found.ece or 0.0, limits)


def _held(name: str, recall: float, ece: float, limits: Limits) -> list[Finding]:
    lowest = limits.bearish_recall
    enough, calibrated = recall >= lowest, ece <= limits.ece
    return [
        Finding(
            Gate.BEARISH_RECALL, name, enough, recall, lowest,
            f"finds {recall:.1%} of what is negative, {'at least' if enough else 'less than'} {lowest:.0%}",
        ),
        Finding(
            Gate.CALIBRATION, name, calibrated, ece, limits.ece,
            f"calibration error {ece:.3f}, {'at most' if calibrated else 'over'} {limits.ece:.2f}",
        ),
    ]  # fmt: skip


def challenge(result: Result) -> list[Finding]:
    """Hold a run of the challenge suite against its gate: one finding per reason, or one that says it passed."""
    from models.challenge import KIND_AT_LEAST, OVERALL_AT_LEAST, gate

    rate = result.passed / result.n if result.n else None
    halves = " and ".join(result.halves)
    found: list[Finding] = []
    for refusal in gate(result):
        n, passed = result.kinds.get(refusal.kind, (0, 0))
        value, limit = (passed / n, KIND_AT_LEAST) if n else (rate, OVERALL_AT_LEAST)
        found.append(Finding(Gate.CHALLENGE, refusal.kind or halves, False, value, limit, refusal.says))
    if not found:
        says = f"{result.passed} of {result.n} cases of the {halves} half passed"
        found.append(Finding(Gate.CHALLENGE, halves, True, rate, OVERALL_AT_LEAST, says))
    return found


def comparison(name: str, candidate: Sample, active: Sample, versions: Sequence[str]) -> Finding:
    """Compare a candidate with the active model on the same rows: it may not be clearly worse.

    `versions`: of the candidate and of the active model.
    """
    found = paired(candidate, active)
    low, high = found.accuracy_interval
    said = f"accuracy {found.accuracy_difference:+.3f} against {versions[1]} [{low:+.3f} to {high:+.3f}]"
    return Finding(Gate.NOT_WORSE, name, found.verdict is not Verdict.WORSE, found.accuracy_difference, 0.0, said)
