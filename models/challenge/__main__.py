"""Prints what a model makes of the challenge suite, as Markdown: pass rates by kind, the gate, and every failure.

python -m models.challenge --model barograph-minilm-3 > docs/challenge.md
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from models import DEFAULT
from models.challenge.gate import KIND_AT_LEAST, OVERALL_AT_LEAST, gate
from models.challenge.trial import Result, run
from models.errors import ModelError

_PAGE = """\
# The challenge suite

What `{version}` makes of the {halves} half of the suite (`models/challenge`): sentences written by
hand for this project, each by one rule of [labels.md](labels.md). The release half is opened once a release.

    {command}

**{passed} of {n} passed ({rate:.3f}).** The gate asks for {overall:.2f} overall and {kind:.2f} in every kind. {verdict}

| kind | passed | of | rate |
|---|---|---|---|
{kinds}

## Failures

| kind | rule | text | towards | should be | is |
|---|---|---|---|---|---|
{failures}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 1 where the gate is shut."""
    parser = argparse.ArgumentParser(prog="python -m models.challenge", description=__doc__.split("\n")[0])
    parser.add_argument("--model", default=DEFAULT, help="name of a shipped model, or the folder of an artifact")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write whose they are and how many of each kind passed to FILE, too"
    )
    options = parser.parse_args(arguments)
    # Heavy: --help should not wait for torch.
    from models.scorer import load

    try:
        scorer = load(options.model, "cpu", "exact")
        found = run(scorer)
    except ModelError as problem:
        sys.stderr.write(f"{problem}\n")
        return problem.exit_status
    if options.json:
        kinds = {kind: {"n": n, "passed": passed} for kind, (n, passed) in sorted(found.kinds.items())}
        told = {"model_version": scorer.model_version, "suite": found.suite, "kinds": kinds}
        options.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(page(found, scorer.model_version, f"python -m models.challenge --model {options.model}"))
    return 1 if gate(found) else 0


def page(found: Result, version: str, command: str) -> str:
    """Return the page of one run; kinds with the lowest rate first."""
    refusals = gate(found)
    rows = sorted(found.kinds.items(), key=lambda row: (row[1][1] / row[1][0], row[0]))
    return _PAGE.format(
        version=version,
        halves=" and ".join(found.halves),
        command=command,
        passed=found.passed,
        n=found.n,
        rate=found.passed / found.n,
        overall=OVERALL_AT_LEAST,
        kind=KIND_AT_LEAST,
        verdict="It is shut: " + "; ".join(one.says for one in refusals) + "." if refusals else "It is open.",
        kinds="\n".join(f"| {kind} | {passed} | {n} | {passed / n:.2f} |" for kind, (n, passed) in rows),
        failures="\n".join(
            f"| {case.kind} | {case.rule} | {_cell(case.text)} | {case.entity or ''} | {case.sentiment} | {answer} |"
            for case, answer in ((one.case, one.answer) for one in found.failures)
        ),
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
