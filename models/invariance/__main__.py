"""Prints the invariance of a model: python -m models.invariance [--model NAME] [--json]."""

import argparse
import json
import sys

from models import DEFAULT
from models.invariance.measure import gate, report


def main() -> int:
    """Measure and print; 1 where the gate is not passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=DEFAULT)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    from models.scorer import load

    found = report(load(given.model, given.device))
    write = sys.stdout.write
    if given.json:
        write(json.dumps(found.to_json(), indent=2) + "\n")
        return 0
    write(f"{found.model_version}: {found.sentences} sentences, {found.right:.1%} as written\n\n")
    write("| swapped | pairs | flips | rate | sure flips | mean shift |\n|---|---|---|---|---|---|\n")
    for one in found.flips:
        write(f"| {one.kind} | {one.pairs} | {one.flips} | {one.rate:.1%} | {one.sure} | {one.shift:.3f} |\n")
    write("\n| neutral sentences by | sentences | lowest | highest | range | sd |\n|---|---|---|---|---|---|\n")
    for by in found.spreads:
        low, *_, high = sorted(by.means, key=lambda name: by.means[name])
        ends = f"{low} {by.means[low]:+.3f} | {high} {by.means[high]:+.3f}"
        write(f"| {by.place} | {by.sentences} | {ends} | {by.range:.3f} | {by.sd:.3f} |\n")
    failed = gate(found)
    write("\n" + "".join(f"{line}\n" for line in failed or ["gate passed"]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
