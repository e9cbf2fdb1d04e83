"""Secrets by file: a folder with one file per key, over the settings file and under the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import SettingsError
from pipeline.settings import load

KEY = "k" * 40


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "secrets"
    made.mkdir()
    monkeypatch.setenv("BAROGRAPH_FILES", str(made))
    monkeypatch.chdir(tmp_path)
    return made


def test_a_file_outranks_the_settings_and_is_outranked_by_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("barograph.toml").write_text('[store]\nwarehouse = "duckdb:toml.duckdb"\nraw_days = 9\n', "utf-8")
    (folder / "barograph_store__warehouse").write_text("duckdb:/file.duckdb\n", "utf-8")
    (folder / "barograph_notify__link_key").write_text(KEY, "utf-8")
    (folder / "airflow_jwt").write_text("not ours", "utf-8")
    settings = load()
    assert (settings.store.warehouse, settings.store.raw_days) == ("duckdb:/file.duckdb", 9)
    assert settings.notify.link_key.get_secret_value() == KEY
    assert KEY not in repr(settings)
    monkeypatch.setenv("BAROGRAPH_STORE__WAREHOUSE", "duckdb:/variable.duckdb")
    assert load().store.warehouse == "duckdb:/variable.duckdb"
    assert load(environment=False).store.warehouse == f"duckdb:{folder.parent / 'toml.duckdb'}"


def test_a_folder_that_is_not_there_is_named(folder: Path) -> None:
    folder.rmdir()
    with pytest.raises(SettingsError, match="secrets"):
        load()
