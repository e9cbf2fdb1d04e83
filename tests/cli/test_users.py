"""`barograph users`: names and hashes in a file that only its owner reads."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner
from werkzeug.security import check_password_hash

from cli.main import app
from dashboards.access import passwords

runner = CliRunner()


def _add(path: Path, name: str, password: str) -> int:
    done = runner.invoke(app, ["users", "add", name, "--file", str(path)], input=f"{password}\n{password}\n")
    return done.exit_code


def test_somebody_is_added_changed_listed_and_taken_out(tmp_path: Path) -> None:
    path = tmp_path / "users"
    assert _add(path, "ada", "correct horse battery") == 0
    assert _add(path, "grace", "another long password") == 0
    assert _add(path, "ada", "a newer long password") == 0
    assert path.stat().st_mode & 0o077 == 0
    known = passwords(path)
    assert check_password_hash(known["ada"], "a newer long password")
    assert "password" not in path.read_text("utf-8")
    assert runner.invoke(app, ["users", "list", "--file", str(path)]).stdout.split() == ["ada", "grace"]
    as_json = runner.invoke(app, ["users", "list", "--file", str(path), "--json"]).stdout
    assert json.loads(as_json) == [{"name": "ada"}, {"name": "grace"}]
    assert runner.invoke(app, ["users", "remove", "ada", "--file", str(path)]).exit_code == 0
    assert list(passwords(path)) == ["grace"]


def test_a_short_password_and_a_strange_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "users"
    assert _add(path, "ada", "short") != 0
    assert _add(path, "a:b", "correct horse battery") != 0
    assert not path.exists()
