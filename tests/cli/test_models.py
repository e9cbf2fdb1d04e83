"""`models list|shadow|promote|retire` as a user calls them, on a store of two headlines and the shipped weights."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cli import models, stages
from models import DEFAULT
from models.artifacts import find, open_artifact
from pipeline.context import Context, open_context
from pipeline.errors import BarographError, InputError, WorkError
from tests.support.rows import add_articles


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    app = typer.Typer()
    stages.register(app)
    models.register(app)
    return app


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a store of two headlines."""
    (tmp_path / "barograph.toml").write_text('[store]\nwarehouse = "duckdb:barograph.duckdb"\n', "utf-8")
    monkeypatch.setenv("BAROGRAPH_CONFIG", str(tmp_path / "barograph.toml"))
    context = opened(tmp_path)
    rows = [
        {"article_id": "a", "title": "Velmont files for bankruptcy"},
        {"article_id": "b", "title": "Orrin lifts its guidance"},
    ]
    add_articles(context.warehouse, rows, context.clock())
    return tmp_path


@pytest.fixture
def mine(folder: Path) -> Path:
    """The shipped artifact under another name and with another limit: another version."""
    copy = Path(shutil.copytree(find(DEFAULT), folder / "mine"))
    calibration = copy / "calibration.json"
    calibration.write_text(json.dumps({**json.loads(calibration.read_text("utf-8")), "negative_limit": 0.6}), "utf-8")
    config = json.loads((copy / "config.json").read_text("utf-8"))
    config["name"] = "mine"
    config["files"]["calibration.json"] = hashlib.sha256(calibration.read_bytes()).hexdigest()
    (copy / "config.json").write_text(json.dumps(config), "utf-8")
    return copy


def opened(folder: Path) -> Context:
    return open_context(folder / "barograph.toml")


def call(app: typer.Typer, *arguments: object, status: int = 0) -> str:
    result = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == status, result.output
    return result.stdout


def fails(app: typer.Typer, error: type[BarographError], *arguments: object) -> str:
    with pytest.raises(error) as caught:
        CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def listed(app: typer.Typer, *options: str) -> dict[str, dict[str, Any]]:
    rows = json.loads(call(app, "models", "list", "--json", *options))
    return {row["model_version"].split("@")[0]: row for row in rows}


def test_from_candidate_to_shadow_to_active_to_retired(app: typer.Typer, folder: Path, mine: Path) -> None:
    before = listed(app)
    assert [(row["status"], row["artifact"]) for row in before.values()] == [("candidate", DEFAULT)]
    assert "is now the active model" in call(app, "score")
    assert "is now shadow" in call(app, "models", "shadow", mine, "--reason", "our labels")
    assert json.loads(call(app, "score", "--json"))[0]["counts"] == {"shadow": 2}
    beside = listed(app)["mine"]
    assert (beside["status"], beside["reason"], beside["scored"], beside["overlap"]) == ("shadow", "our labels", 2, 2)
    assert beside["same_label"] == 1.0
    assert "100.0% of 2" in call(app, "models", "list")

    # The shipped first model does not pass the challenge suite, and neither does its copy.
    line = fails(app, WorkError, "models", "promote", mine)
    assert "challenge" in line
    assert "--force --reason" in line
    assert listed(app)["mine"]["status"] == "shadow"

    said = call(app, "models", "promote", beside["model_version"], "--force", "--reason", "for the demonstration")
    assert "FAILED  challenge" in said
    assert "is now active" in said
    after = listed(app)
    assert (after[DEFAULT]["status"], after["mine"]["status"]) == ("retired", "active")
    assert after["mine"]["forced"]
    assert after["mine"]["reason"] == "for the demonstration"
    assert {finding["gate"] for finding in after["mine"]["gates"]} >= {"bearish_recall", "calibration", "challenge"}
    assert "FORCED: for the demonstration" in call(app, "models", "list")
    assert len(json.loads(call(app, "models", "list", "--history", "--json"))) == 4
    assert "is the active model" in fails(app, InputError, "models", "retire", mine)


def test_a_dry_run_tells_and_changes_nothing(app: typer.Typer, folder: Path, mine: Path) -> None:
    labelled = folder / "labels.csv"
    rows = [f"Company {chr(65 + n % 26)}{n} files for bankruptcy,negative\n" for n in range(40)]
    labelled.write_text("text,sentiment\n" + "".join(rows), "utf-8")
    found = json.loads(call(app, "models", "promote", mine, "--dry-run", "--data", labelled, "--json"))
    assert found["promoted"] is False
    assert [f["value"] for f in found["gates"] if (f["gate"], f["on"]) == ("bearish_recall", "labels.csv")] == [1.0]
    assert list(listed(app)) == [DEFAULT]


def test_a_shadow_is_retired_by_its_folder_though_its_files_be_gone(app: typer.Typer, folder: Path, mine: Path) -> None:
    call(app, "models", "shadow", mine)
    version = open_artifact(str(mine)).model_version
    shutil.rmtree(mine)
    assert f"{version} is now retired" in call(app, "models", "retire", mine)
    assert f"{version} is already retired" in call(app, "models", "retire", version)
    assert "knows no model other" in fails(app, InputError, "models", "retire", "other")


def test_force_needs_a_reason(app: typer.Typer, folder: Path) -> None:
    call(app, "models", "promote", DEFAULT, "--force", status=2)
