"""Settings: what is wrong is named where it stands, in the file or in the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import SettingsError
from pipeline.settings import load


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x", "not valid TOML"),
        ("store = 3", r"\[store\]"),
        ('[store]\nwarehous = "x"', r"\[store.warehous\]"),
        ('[store]\nwarehouse = "sqlite:x"', "must start with"),
        ('[store]\nwarehouse = "duckdb:"', "must name a file"),
        ('[store]\nwarehouse = "ducklake:postgres:dbname=lake"', "data_path"),
    ],
)
def test_a_wrong_file_is_named_with_its_key(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=f"mine.toml.*{words}"):
        load(path)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("BAROGRAPH_STORE__LOCK_TIMEOUT_S", "soon", "BAROGRAPH_STORE__LOCK_TIMEOUT_S"),
        ("BAROGRAPH_STORE", "{", "environment"),
    ],
)
def test_a_wrong_variable_is_named(
    name: str, value: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=words):
        load()


def test_the_environment_outranks_the_file_unless_it_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[store]\nwarehouse = "duckdb:mine.duckdb"\n', encoding="utf-8")
    monkeypatch.setenv("BAROGRAPH_STORE__WAREHOUSE", "duckdb:/elsewhere.duckdb")
    assert load(path).store.warehouse == "duckdb:/elsewhere.duckdb"
    assert load(path, environment=False).store.warehouse == f"duckdb:{tmp_path / 'mine.duckdb'}"
