"""The challenge suite: sentences written by hand for this project, each citing the rule of `docs/labels.md` it tests.

One half is open to anyone who improves the model. The other, `release`, is scored once per released version and its
texts are not read meanwhile. Nothing of either half may be trained on.
"""

from models.challenge.gate import KIND_AT_LEAST, OVERALL_AT_LEAST, Reason, Refusal, gate
from models.challenge.suite import FROZEN, Case, digest, load
from models.challenge.trial import Failure, Result, Tally, run

__all__ = [
    "FROZEN",
    "KIND_AT_LEAST",
    "OVERALL_AT_LEAST",
    "Case",
    "Failure",
    "Reason",
    "Refusal",
    "Result",
    "Tally",
    "digest",
    "gate",
    "load",
    "run",
]
