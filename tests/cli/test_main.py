"""The whole command line as one program: options before and after the command, one line and a status for each fault."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
import typer

from cli.common import name_config
from cli.main import app, main
from models import DEFAULT
from models.artifacts import find

# What rich takes for a style and leaves out, but for the styles that we mean.
SWALLOWED = r"(?<!\\)\[(?!/|bold\]|dim\])[a-z_]+\]"
Barograph = Callable[..., tuple[int, str, str]]


@pytest.fixture
def barograph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Barograph]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "feeds.opml").write_text('<opml version="2.0"><body/></opml>', encoding="utf-8")

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["barograph", *words])
        try:
            main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        said = capsys.readouterr()
        return status, said.out, said.err

    yield call
    # A program ends and forgets the file that it was told of; this one goes on to other tests.
    name_config(None)


@pytest.mark.parametrize(
    "words",
    [
        ("export", "stories"),
        ("incidents", "show", "nope"),
        ("feeds", "export", "--out", "nowhere/feeds.opml"),
        ("feeds", "remove", "nope"),
        ("import", "nope.csv"),
        ("rules", "check", "nope.toml"),
        ("--config", "nope.toml", "export", "stories"),
        ("--config", "nope.toml", "gazetteer", "find", "x"),
        ("--config", "nope.toml", "status"),
        ("--config", ".", "status"),
        ("init", "feeds.opml"),
    ],
)
def test_in_an_empty_folder_a_wrong_call_is_one_line(barograph: Barograph, words: tuple[str, ...]) -> None:
    status, _, said = barograph(*words)
    assert status in (1, 2)
    assert said.startswith("error: ")
    assert said.count("\n") == 1


def test_a_path_that_cannot_be_made_is_one_line(barograph: Barograph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAROGRAPH_STORE__WAREHOUSE", "duckdb:feeds.opml/x.duckdb")
    status, _, said = barograph("status")
    assert status == 1
    assert said.startswith("error: ")
    assert said.count("\n") == 1


def helps(command: click.Command, name: str) -> Iterator[tuple[str, str]]:
    """(whose, text) of everything that `--help` prints of a command and of what is under it."""
    yield name, command.help or ""
    for parameter in command.params:
        yield f"{name} {parameter.name}", getattr(parameter, "help", None) or ""
    for word, below in getattr(command, "commands", {}).items():
        yield from helps(below, f"{name} {word}")


def test_no_help_text_loses_a_section_of_the_settings_to_markup() -> None:
    texts = dict(helps(typer.main.get_command(app), "barograph"))
    assert len(texts) > 200
    assert [name for name, text in texts.items() if re.search(SWALLOWED, text)] == []
    assert any("\\[maintain] backups" in text for text in texts.values())


def test_stages_that_take_more_than_a_word_show_how() -> None:
    texts = dict(helps(typer.main.get_command(app), "barograph"))
    for stage in ("ingest", "score", "aggregate", "publish"):
        assert f"Example: barograph {stage} --" in texts[f"barograph {stage}"]


def test_words_in_square_brackets_are_printed(barograph: Barograph) -> None:
    assert "[link] entities" in barograph("gazetteer", "find", "zzzz-nobody")[1]
    assert "[dashboard]" in barograph("dashboard", "--help")[1]


def test_a_model_that_cannot_be_loaded_does_not_keep_the_later_stages(
    barograph: Barograph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = tmp_path / "bad"
    shutil.copytree(find(DEFAULT), bad)
    with (bad / "adapter.safetensors").open("ab") as file:
        file.write(b"x")
    monkeypatch.setenv("BAROGRAPH_MODEL__NAME", str(bad))
    status, said, error = barograph("run")
    assert status == 2
    assert "sha256 differs" in error
    assert "publish" in said
    assert (tmp_path / "data" / "published" / "CURRENT").exists()
