"""The daily report: whole, small, without a script, and right about an empty day."""

from __future__ import annotations

import re
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from cli.main import app
from dashboards.data import Reader, View
from dashboards.report import daily, last_day
from dashboards.vector import index_chart
from tests.dashboards import sample

LONDON = ZoneInfo("Europe/London")
TODAY = sample.NOW.date()


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]


def _read(text: str) -> _Tags:
    tags = _Tags()
    tags.feed(text)
    return tags


def test_the_report_says_what_the_day_was(view: View) -> None:
    text = daily(view, TODAY, sample.NOW, LONDON)
    assert "DEMO: made-up companies" in text
    assert "Barograph, Tuesday, 3 March 2026" in text
    assert "14 of 31 stories negative; usual 5, range 2–9" in text
    assert re.search(r"▲ Harrowgate Mutual</th><td>9 of 11 negative", text)
    assert "Harrowgate Mutual faces solvency probe" in text
    assert "late: The Ledger Daily" in text
    assert "<svg" in text
    assert len(text.encode()) < 1_500_000


def test_it_holds_no_script_and_asks_nobody_for_anything(view: View) -> None:
    read = _read(daily(view, TODAY, sample.NOW, LONDON))
    assert not {"script", "img", "link", "iframe", "form"} & set(read.tags)
    assert all(link.startswith("https://wire.example/") for link in read.links)


def test_a_hostile_title_is_text(tmp_path: Path) -> None:
    sample.write(tmp_path, hostile=True)
    text = daily(Reader(tmp_path).view(), TODAY, sample.NOW, LONDON)
    assert "onerror" in text
    read = _read(text)
    assert "img" not in read.tags
    assert not any(link.startswith("javascript") for link in read.links)


def test_times_are_told_by_the_readers_clock(view: View) -> None:
    told = daily(view, TODAY, sample.NOW, ZoneInfo("Asia/Tokyo"))
    assert "times Asia/Tokyo" in told
    assert "4 Mar 00:16" in told


def test_a_past_day_has_its_own_incidents_and_a_day_without_data_says_so(view: View) -> None:
    bad = daily(view, TODAY - timedelta(days=45), sample.NOW, LONDON)
    assert "61 of 118 stories negative" in bad
    assert "Pellworth" not in bad
    empty = daily(view, date(2020, 1, 1), sample.NOW, LONDON)
    assert "no stories" in empty
    assert "This is no data, not calm." in empty


def test_the_chart_has_a_gap_where_there_is_no_index(view: View) -> None:
    series = view.series("market", "all", "day")
    whole = index_chart(series).count("<polyline")
    series.rows.loc[len(series.rows) // 2 + 20, "sentiment_index"] = float("nan")
    assert index_chart(series).count("<polyline") == whole + 1


def test_the_command_writes_one_file(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["report", "--from", str(published), "--tz", "Europe/London"])
    assert done.exit_code == 0, done.output
    (path,) = tmp_path.glob("report-*.html")
    assert path.name == f"report-{last_day(Reader(published).view())}.html"
    for wrong in (["--tz", "Mars/Olympus"], ["--date", "yesterday"]):
        assert CliRunner().invoke(app, ["report", "--from", str(published), *wrong]).exit_code != 0
