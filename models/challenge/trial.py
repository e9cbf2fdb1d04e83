"""A scorer's answers to the challenge cases: passed and failed per kind and half, with every failure."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from models import SENTIMENTS, Item
from models.challenge.suite import Case, digest, load
from models.evaluate import Answers


@dataclass(frozen=True)
class Tally:
    """Of `n` cases of a kind and half, `passed` were answered as the rules say."""

    kind: str
    half: str
    n: int
    passed: int


@dataclass(frozen=True)
class Failure:
    """A case answered wrongly: `answer` is the label of the highest probability, `p` that probability."""

    case: Case
    answer: str
    p: float


@dataclass(frozen=True)
class Result:
    """What a run found. `suite`: the digest of *all* cases given to the run, those of other halves included."""

    suite: str
    halves: tuple[str, ...]
    tallies: tuple[Tally, ...]
    failures: tuple[Failure, ...]

    @property
    def n(self) -> int:
        """The number of cases answered."""
        return sum(tally.n for tally in self.tallies)

    @property
    def passed(self) -> int:
        """The number of cases answered rightly."""
        return sum(tally.passed for tally in self.tallies)

    @property
    def kinds(self) -> dict[str, tuple[int, int]]:
        """Each kind's (n, passed) over the halves run."""
        found: dict[str, tuple[int, int]] = {}
        for tally in self.tallies:
            n, passed = found.get(tally.kind, (0, 0))
            found[tally.kind] = n + tally.n, passed + tally.passed
        return found

    def to_json(self) -> dict[str, Any]:
        """Return everything by name: totals, each kind with its halves, and the failures with text and answer."""
        return {
            "suite": self.suite,
            "halves": list(self.halves),
            "n": self.n,
            "passed": self.passed,
            "pass_rate": self.passed / self.n if self.n else None,
            "kinds": {
                kind: {
                    "n": n,
                    "passed": passed,
                    "pass_rate": passed / n,
                    "halves": {t.half: {"n": t.n, "passed": t.passed} for t in self.tallies if t.kind == kind},
                }
                for kind, (n, passed) in self.kinds.items()
            },
            "failures": [asdict(f.case) | {"answer": f.answer, "p": f.p} for f in self.failures],
        }


def run(
    scorer: Answers,
    halves: Sequence[str] = ("open",),
    cases: Sequence[Case] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Result:
    """Put the cases of these halves to a scorer. The release half is asked for once per released version."""
    known = load() if cases is None else cases
    asked = [case for case in known if case.half in halves]
    answers = scorer.score([Item(case.text, case.entity) for case in asked], progress).sentiment
    tally: dict[tuple[str, str], list[bool]] = {}
    failures: list[Failure] = []
    for case, row in zip(asked, answers, strict=True):
        at = int(row.argmax())
        right = SENTIMENTS[at] == case.sentiment
        tally.setdefault((case.kind, case.half), []).append(right)
        if not right:
            failures.append(Failure(case, SENTIMENTS[at], float(row[at])))
    return Result(
        digest(known),
        tuple(halves),
        tuple(Tally(kind, half, len(right), sum(right)) for (kind, half), right in tally.items()),
        tuple(failures),
    )
