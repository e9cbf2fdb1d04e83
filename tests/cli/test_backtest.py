"""`barograph backtest`: the table, JSON, the report and the comparison; what is wrong is exit status 2."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli import backtest
from pipeline.context import open_context
from pipeline.errors import BarographError
from tests.pipeline.backtest.world import BAD, RULES, fill

SPAN = ["--from", "2026-02-10", "--to", "2026-03-03"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backtest")
    (folder / "barograph.toml").write_text("")
    (folder / "rules.toml").write_text(RULES)
    (folder / "watchlists.toml").write_text('[watchlists.core]\ntier1 = ["co:small"]\ntier2 = ["co:a"]\n')
    (folder / "events.toml").write_text(RULES[RULES.index('[[rule]]\nname = "bad-news"') :])
    fill(open_context(folder / "barograph.toml"))
    return folder


def run(folder: Path, *words: str) -> str:
    app = typer.Typer()
    app.callback()(lambda: None)
    backtest.register(app)
    done = CliRunner().invoke(app, ["backtest", *words, "--config", str(folder / "barograph.toml")])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_terminal_says_simulated_the_table_and_each_alert(folder: Path) -> None:
    said = run(folder, *SPAN, "--against", str(folder / "events.toml"), "--html", str(folder / "report.html"))
    assert said.startswith("SIMULATED: ")
    assert "pinned; trained on: unknown" in said
    assert "share: Acme: " in said
    assert f"{BAD:%Y-%m-%d}" in said
    assert "1 alerts added, 0 lost, 1 in both" in said
    assert "<script>alert" not in (folder / "report.html").read_text(encoding="utf-8")


def test_json_holds_everything(folder: Path) -> None:
    told = json.loads(run(folder, *SPAN, "--json"))[0]
    assert told["simulated"] is True
    assert [row["alerts"] for row in told["of_rules"]] == [1, 1]
    assert told["alerts"][0]["articles"][0]["title"]


def test_a_span_without_news_is_a_wrong_call(folder: Path) -> None:
    with pytest.raises(BarographError) as caught:
        run(folder, "--from", "2031-01-01")
    assert caught.value.exit_status == 2
    assert "Give --from and --to inside that" in str(caught.value)
