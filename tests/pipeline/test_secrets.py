"""Secrets by file: a folder with one file per key, over the settings file and under the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import RulesError, SettingsError
from pipeline.notify.routes import load as load_routes
from pipeline.settings import load, value_of

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
    with pytest.raises(SettingsError, match=r"^BAROGRAPH_FILES: .*secrets is no folder\."):
        load()


def test_a_folder_may_be_empty_and_no_name_is_no_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().store.raw_days == 30
    monkeypatch.setenv("BAROGRAPH_FILES", "")
    Path("barograph_store__raw_days").write_text("9", "utf-8")
    assert load().store.raw_days == 30, "the folder that we happen to stand in is not meant"


def test_a_file_that_is_no_text_is_one_line(folder: Path) -> None:
    (folder / "barograph_notify__link_key").write_bytes(b"\xff" * 40)
    with pytest.raises(SettingsError, match="BAROGRAPH_FILES"):
        load()
    with pytest.raises(SettingsError, match="barograph_notify__link_key"):
        value_of("barograph_notify__link_key")


def test_what_routes_name_may_be_a_file_and_the_environment_outranks_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "DESK_TOKEN").write_text("of-the-file\n", "utf-8")
    routes = folder.parent / "routes.toml"
    routes.write_text('[[route]]\nreceiver = "desk"\n[receivers.desk]\nurls = ["json://x/${DESK_TOKEN}"]\n', "utf-8")
    assert load_routes(routes).addresses["desk"] == "json://x/of-the-file"
    monkeypatch.setenv("DESK_TOKEN", "of-the-environment")
    assert load_routes(routes).addresses["desk"] == "json://x/of-the-environment"
    monkeypatch.delenv("DESK_TOKEN")
    (folder / "DESK_TOKEN").unlink()
    with pytest.raises(RulesError, match="DESK_TOKEN"):
        load_routes(routes)
