"""`make bench`: runs every bench_*.py beside this file and prints one table against its limits."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table


def main() -> int:
    """Run the benchmarks named on the command line (all, if none); 1 when a limit is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help="only these, such as: score fetch")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    rows = []
    for name in arguments.names or _all():
        print(f"running bench_{name} …", file=sys.stderr, flush=True)
        rows += [(name, *row) for row in importlib.import_module(f"tests.benchmarks.bench_{name}").main()]
    if arguments.json:
        fields = ("bench", "name", "value", "unit", "limit", "ok")
        print(json.dumps([dict(zip(fields, row, strict=True)) for row in rows], indent=2))
    else:
        Console().print(_table(rows))
    return 0 if all(row[-1] is not False for row in rows) else 1


def _all() -> Iterable[str]:
    return sorted(p.stem.removeprefix("bench_") for p in Path(__file__).parent.glob("bench_*.py"))


def _table(rows: list[tuple[object, ...]]) -> Table:
    table = Table("benchmark", "what", "measured", "unit", "limit", "", box=None)
    for bench, name, value, unit, limit, ok in rows:
        mark = "" if ok is None else "ok" if ok else "MISSED"
        shown = f"{value:,.3g}" if isinstance(value, float) and abs(value) < 1000 else f"{value:,.0f}"
        table.add_row(str(bench), str(name), shown, str(unit), "" if limit is None else str(limit), mark)
    return table


if __name__ == "__main__":
    sys.exit(main())
