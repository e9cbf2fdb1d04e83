"""Holds the shape of the house: which way imports point, what modules say first, what stays cheap to import."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.stages import STAGES
from tests.conftest import ROOT

PACKAGES = ("cli", "dags", "dashboards", "demo", "models", "pipeline")
MODULES = sorted(
    path.relative_to(ROOT)
    for name in PACKAGES
    for path in (ROOT / name).rglob("*.py")
    if "__pycache__" not in path.parts
)


def test_imports_point_one_way() -> None:
    """The contracts stand in pyproject.toml, [tool.importlinter]."""
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_the_first_line_of_a_module_says_what_the_room_is_for(module: Path) -> None:
    docstring = ast.get_docstring(ast.parse((ROOT / module).read_text(encoding="utf-8")))
    assert docstring, f"{module} has no docstring"
    assert len(docstring.splitlines()[0]) > 15, f"{module}: {docstring.splitlines()[0]!r} says too little"


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_no_file_outgrows_its_room(module: Path) -> None:
    lines = (ROOT / module).read_text(encoding="utf-8").count("\n")
    assert lines <= 500, f"{module} has {lines} lines"


def test_each_stage_is_a_package_with_run() -> None:
    for stage in STAGES:
        source = (ROOT / "pipeline" / stage / "__init__.py").read_text(encoding="utf-8")
        assert '"run"' in source, f"pipeline/{stage} does not offer run"


def test_the_command_line_starts_without_the_heavy_libraries() -> None:
    heavy = ("torch", "transformers", "airflow", "dash", "plotly", "matplotlib", "sklearn")
    code = f"import sys, cli.main; print([n for n in {heavy!r} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
