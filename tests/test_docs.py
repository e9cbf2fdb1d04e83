"""The docs name what is there: every test in the table of the forty faults exists, and every fault has a row."""

from __future__ import annotations

import ast
import re

import pytest

from tests.conftest import ROOT

TABLE = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
ROWS = {int(number): rest for number, rest in re.findall(r"^\| (\d+) \|(.*)$", TABLE, re.MULTILINE)}


def test_the_table_of_faults_has_forty_rows() -> None:
    assert sorted(ROWS) == list(range(1, 41))


@pytest.mark.parametrize("fault", sorted(ROWS))
def test_each_fault_has_a_test_that_exists(fault: int) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", ROWS[fault])
    assert named or "not yet" in ROWS[fault]
    assert len(named) == ROWS[fault].count(".py::")
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, f"{path}::{name}"
