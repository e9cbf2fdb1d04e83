"""`classify --file` without a network: rows per second, and whether memory stays flat however long the file is."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FEW, MANY = 20_000, 200_000
GROWTH_MIB = 40.0


def run(folder: Path, rows: int) -> tuple[float, float]:
    """Classify a file of different texts in a process of its own; return seconds and its largest memory in MiB."""
    source = folder / f"{rows}.csv"
    with source.open("w", encoding="utf-8") as stream:
        stream.write("id,text\n")
        stream.writelines(f"{n},Velmont profit falls {n} percent after a warning\n" for n in range(rows))
    done = subprocess.run([sys.executable, "-m", __spec__.name, str(source)], check=True, capture_output=True)
    seconds, peak = json.loads(done.stdout.splitlines()[-1])
    return seconds, peak


def alone(source: Path) -> None:
    """What that process does."""
    import re

    from cli.bulk.run import Job, classify_file
    from tests.cli.bulk.fakes import CountingScorer

    class Forgetful(CountingScorer):
        def score(self, *arguments: object) -> object:  # type: ignore[override]
            self.calls.clear()
            return super().score(*arguments)  # type: ignore[arg-type]

    began = time.perf_counter()
    classify_file(Job(source, source.with_suffix(".jsonl.gz")), Forgetful())  # type: ignore[arg-type]
    took = time.perf_counter() - began
    peak = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text("utf-8"))
    print(json.dumps([took, int(peak[1]) / 1024 if peak else 0.0]))


def main() -> list[tuple[str, float, str, str | None, bool | None]]:
    """Rows per second, and the growth of memory from few rows to ten times as many."""
    with tempfile.TemporaryDirectory() as folder:
        _, small = run(Path(folder), FEW)
        seconds, large = run(Path(folder), MANY)
    growth = large - small
    return [
        ("reading, keeping and writing, no network", MANY / seconds, "rows/s", None, None),
        (f"memory at {MANY:,} rows", large, "MiB", None, None),
        (f"memory above that at {FEW:,} rows", growth, "MiB", f"at most {GROWTH_MIB:g}", growth <= GROWTH_MIB),
    ]


if __name__ == "__main__":
    alone(Path(sys.argv[1]))
