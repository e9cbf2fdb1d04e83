"""The daily report: whole, small, without a script, and right about an empty day."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import Result
from typer.testing import CliRunner

from cli.main import app
from dashboards.data import Reader, View
from dashboards.picture import index_picture
from dashboards.report import daily, last_day
from dashboards.vector import index_chart
from pipeline.errors import DeliveryFailed
from pipeline.notify.pages import mail_page
from tests.dashboards import sample
from tests.support.inbox import Inbox, mail_server

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
    found = view.series("market", "all", "day")
    series = replace(found, rows=found.rows.copy())
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


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[tuple[Inbox, Path]]:
    """A mail server and the settings of somebody whose receiver `desk` it serves; `chat` has no mail address."""
    with mail_server() as (inbox, port):
        address = f"mailto://127.0.0.1:{port}?from=barograph@desk.example&to=risk@desk.example&mode=insecure"
        hook = "webhook+http://127.0.0.1:9/in"
        (tmp_path / "routes.toml").write_text(
            f'[receivers.desk]\nurls = ["{address}", "{hook}"]\n[receivers.chat]\nurls = ["{hook}"]\n'
        )
        (tmp_path / "barograph.toml").write_text(
            '[store]\npublished = "published"\n[report]\nreceivers = ["desk"]\nzone = "Asia/Tokyo"\n'
        )
        yield inbox, tmp_path


def _report(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["report", "--config", str(folder / "barograph.toml"), *arguments])


def test_it_is_mailed_as_one_page_with_its_text_beside_it(desk: tuple[Inbox, Path]) -> None:
    inbox, folder = desk
    sample.write(folder / "published", hostile=True)
    done = _report(folder, "--mail", "--date", "2026-03-03")
    assert done.exit_code == 0, done.output
    assert not list(folder.glob("*.html"))
    (mail,) = inbox.mails
    assert mail["Subject"] == "DEMO Barograph, 3 March 2026: 27 of 67 negative"
    parts = [part for part in mail.walk() if not part.is_multipart()]
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html", "image/png"]
    page, picture = parts[1].get_content(), parts[2]
    read = _read(page)
    assert "times Asia/Tokyo" in page
    assert not {"script", "link", "iframe", "form", "svg"} & set(read.tags)
    (shown,) = [link for link in read.links if not link.startswith("https://wire.example/")]
    assert f"<{shown.removeprefix('cid:')}>" == picture["Content-ID"]
    assert picture.get_content_disposition() == "inline"
    assert picture.get_content().startswith(b"\x89PNG")
    text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "▲ Harrowgate Mutual" in text
    assert sample.HOSTILE in text
    assert "<div" not in text


def test_a_report_without_a_chart_says_nothing_of_one(desk: tuple[Inbox, Path]) -> None:
    inbox, folder = desk
    sample.write(folder / "published", empty=True)
    assert _report(folder, "--mail", "--date", "2026-03-03").exit_code == 0
    (mail,) = inbox.mails
    parts = [part for part in mail.walk() if not part.is_multipart()]
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    assert "Above: the sentiment index" not in parts[1].get_content()


def test_the_picture_has_a_gap_where_there_is_no_index(view: View) -> None:
    found = view.series("market", "all", "day")
    series = replace(found, rows=found.rows.copy())
    series.rows.loc[len(series.rows) // 2 + 20, ["sentiment_index", "band_low", "band_high"]] = float("nan")
    whole, gap = index_picture(found), index_picture(series)
    assert whole == index_picture(found)
    assert whole != gap
    assert index_picture(replace(found, rows=found.rows.head(0))) is None


def test_a_page_that_is_long_is_still_one_mail(desk: tuple[Inbox, Path]) -> None:
    inbox, folder = desk
    (mailed,) = mail_page(folder / "routes.toml", ["desk"], "Long", "<p>line</p>\n" * 20_000, folder)
    assert mailed.error is None
    assert len(inbox.mails) == 1


def test_a_receiver_without_mail_and_one_that_is_not_there_are_errors(desk: tuple[Inbox, Path]) -> None:
    inbox, folder = desk
    sample.write(folder / "published")
    for name, told in (("chat", "has no mail address"), ("nobody", "there is no [receivers.nobody]")):
        done = _report(folder, "--receiver", name)
        assert done.exit_code != 0
        assert told in str(done.exception)
    assert inbox.mails == []


def test_a_mail_server_that_is_gone_fails_the_command_and_masks_the_address(desk: tuple[Inbox, Path]) -> None:
    _, folder = desk
    sample.write(folder / "published")
    lost = "mailto://u:topsecret@127.0.0.1:9?from=a@desk.example&to=b@desk.example&mode=insecure"
    (folder / "routes.toml").write_text(f'[receivers.desk]\nurls = ["{lost}"]\n')
    done = _report(folder, "--mail", "--to", str(folder / "kept.html"))
    assert isinstance(done.exception, DeliveryFailed)
    assert "topsecret" not in done.output + str(done.exception)
    assert (folder / "kept.html").exists()
