"""`replay`, `audit` and `forget` as a person uses them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from cli import audit, forget, replay
from pipeline.context import Context
from pipeline.errors import InputError, ReplayDiffers, UsageError
from tests.pipeline.audit.world import cycle, generate, incident_ids, store

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audit")
    context, _ = store(folder)
    generate(context)
    cycle(context)
    (folder / "barograph.toml").write_text('[store]\nwarehouse = "duckdb:barograph.duckdb"\n', encoding="utf-8")
    return folder


@pytest.fixture
def context(prepared: Path, tmp_path: Path) -> Context:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    return store(tmp_path)[0]


@pytest.fixture
def barograph(context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    app = typer.Typer()
    for group in (replay, audit, forget):
        group.register(app)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments))

    return call


def one(context: Context, rule: str = "share-day") -> str:
    return incident_ids(context, rule)[0]


def test_replay_says_what_came_out_the_same(context: Context, barograph: Run) -> None:
    done = barograph("replay", one(context)[:10], "--refit")
    assert done.exit_code == 0, done.output
    assert "decision fire #1: the same" in done.output
    assert "refit    fire #1: the same" in done.output
    assert re.search(r"message  \w{12} to log: the same", done.output)
    told = json.loads(barograph("replay", one(context), "--json").stdout)
    assert told["differs"] == 0
    assert {row["what"] for row in told["checked"]} == {"chain", "decision", "life", "message"}


def test_replay_ends_with_one_and_a_diff_when_somebody_changed_a_message(context: Context, barograph: Run) -> None:
    with context.warehouse.write("notifications") as tx:
        tx.con.execute("UPDATE notifications SET body = replace(body, 'negative', 'positive')")
    failed = barograph("replay", one(context))
    assert isinstance(failed.exception, ReplayDiffers)
    assert failed.exception.exit_status == 1
    assert "barograph audit" in str(failed.exception)
    assert "-28 of 44" in failed.output.replace("      ", "")
    assert "positive" in failed.output


def test_replay_finds_a_row_of_evidence_that_was_changed(context: Context, barograph: Run) -> None:
    with context.warehouse.write("incidents") as tx:
        tx.con.execute("UPDATE evidence SET payload = replace(payload, 'A title', 'B title') WHERE kind = 'article'")
    failed = barograph("replay", one(context))
    assert isinstance(failed.exception, ReplayDiffers)
    assert "was changed after it was kept" in failed.output


def test_audit_writes_a_file_that_checks_itself_without_us(context: Context, barograph: Run, tmp_path: Path) -> None:
    done = barograph("audit", one(context), "--to", "out.zip")
    assert done.exit_code == 0, done.output
    assert "python out.zip" in done.output
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(tmp_path / "out.zip", elsewhere)
    shutil.unpack_archive(elsewhere / "out.zip", elsewhere / "taken-out")
    for command in (["out.zip"], ["taken-out/check.py", "out.zip"]):
        # Isolated, without site packages: nothing of ours can be imported.
        checked = subprocess.run(
            [sys.executable, "-I", "-S", *command],
            cwd=elsewhere, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert "28 of 44 stories negative" in checked.stdout
        assert "everything holds" in checked.stdout
    page = (elsewhere / "taken-out" / "incident.html").read_text(encoding="utf-8")
    assert "28 of 44 stories negative" in page
    assert "<script" not in page
    assert "name = &quot;share-day&quot;" in page


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("A title", "B title", "was changed"),
        (r"\"negative_stories\": 28", r"\"negative_stories\": 3", "was changed"),
        ('"action": "fire"', '"action": "escalate"', "belongs to no step"),
        ("28 of 44 stories about A", "3 of 44 stories about A", "was changed after it was saved"),
        ("min_stories = 5", "min_stories = 1", "configuration"),
    ],
    ids=["article", "decision", "step", "message", "rules"],
)
def test_the_check_finds_what_was_changed_in_the_file(
    context: Context, barograph: Run, tmp_path: Path, old: str, new: str, says: str
) -> None:
    import zipfile

    barograph("audit", one(context), "--to", "out.zip")
    with zipfile.ZipFile("out.zip") as archive:
        files = {name: archive.read(name).decode() for name in archive.namelist()}
    assert old in files["case.json"]
    with zipfile.ZipFile("forged.zip", "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text.replace(old, new) if name == "case.json" else text)
    checked = subprocess.run(
        [sys.executable, "-I", "forged.zip"], capture_output=True, text=True, timeout=60, check=False
    )
    assert checked.returncode == 1
    assert says in checked.stdout


def test_the_same_case_makes_the_same_file(context: Context, barograph: Run, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        barograph("audit", one(context), "--to", f"{name}/out.zip")
    assert (tmp_path / "a/out.zip").read_bytes() == (tmp_path / "b/out.zip").read_bytes()


def test_forget_removes_and_says_what(context: Context, barograph: Run) -> None:
    refused = barograph("forget", "b1", "--why", "asked")
    assert isinstance(refused.exception, UsageError)
    assert "--yes" in str(refused.exception)
    done = barograph("forget", "https://news.example/b1", "--why", "asked by the company", "--as", "ada", "--yes")
    assert done.exit_code == 0, done.output
    assert "forgotten: article b1 (1 articles" in done.output
    assert "barograph publish" in done.output
    again = barograph("replay", one(context, "bad-news"))
    assert again.exit_code == 0, again.output
    assert "evidence removed" in again.output
    assert "by ada: asked by the company" in again.output


@pytest.mark.parametrize("command", ["replay", "audit"])
def test_an_id_nobody_has_is_one_clear_line(barograph: Run, command: str) -> None:
    failed = barograph(command, "ffff")
    assert isinstance(failed.exception, InputError)
    assert "barograph incidents list" in str(failed.exception)


@pytest.mark.parametrize("command", ["replay", "audit", "forget"])
def test_help_teaches(barograph: Run, command: str) -> None:
    assert f"Example: barograph {command}" in barograph(command, "--help").output
