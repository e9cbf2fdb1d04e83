"""Settings: what is wrong is named where it stands, in the file or in the environment."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.detect.reading import memory
from pipeline.detect.rules import Rules
from pipeline.detect.values import LONGEST
from pipeline.errors import SettingsError
from pipeline.publish.judged import DAYS_JUDGED
from pipeline.settings import Model, load


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x", "not valid TOML"),
        ("store = 3", r"\[store\]"),
        ('[store]\nwarehous = "x"', r"\[store.warehous\]"),
        ('[store]\nwarehouse = "sqlite:x"', "must start with"),
        ('[store]\nwarehouse = "duckdb:"', "must name a file"),
        ('[store]\nwarehouse = "ducklake:postgres:dbname=lake"', "data_path"),
        ("[maintain]\nfits_days = 180", r"\[maintain.fits_days\].*more than 180"),
        ("[maintain]\nincidents_days = 30", r"\[maintain.incidents_days\].*more than 30"),
        ("[maintain]\nincidents_days = 40\n[detect]\nhorizon_hours = 960", r": \[maintain\] incidents_days .*960"),
        ("[maintain]\nfetches_days = 30", r": \[maintain\] fetches_days .*raw_days \(30\)"),
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


def test_what_is_remembered_and_judged_is_kept_for_longer_and_for_ever_is_long_enough(tmp_path: Path) -> None:
    assert timedelta(days=30) == memory(Rules((), ()), timedelta()) == LONGEST, "no cooldown is longer"
    assert timedelta(days=180) == DAYS_JUDGED
    path = tmp_path / "mine.toml"
    for kept in ("fits_days = 181\nincidents_days = 31\nfetches_days = 31", "fits_days = 0\nincidents_days = 0"):
        path.write_text(f"[maintain]\n{kept}\n", encoding="utf-8")
        load(path)


def test_every_relative_path_stands_from_the_folder_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models" / "ours").mkdir(parents=True)
    path = tmp_path / "mine.toml"
    path.write_text('[dashboard]\npasswords = "users"\n[model]\nname = "models/ours"\n', encoding="utf-8")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    settings = load(path)
    assert settings.dashboard.passwords == tmp_path / "users"
    assert settings.model.name == str(tmp_path / "models" / "ours")
    path.write_text("", encoding="utf-8")
    (tmp_path / Model().name).mkdir()
    assert load(path).model.name == Model().name, "the name of a model that ships stays one"
