"""The report loads nothing and runs nothing; two files compared; episodes read from a file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pipeline.backtest.page import page
from pipeline.backtest.result import Alert, OfRule, Result, compare, read_episodes
from pipeline.errors import InputError


class Tags(HTMLParser):
    """Which tags and attributes a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}


START = datetime(2026, 1, 1, tzinfo=UTC)


def alert(rule: str, day: float, key: str = "co:a", title: str = "A title") -> Alert:
    began = START + timedelta(days=day)
    article = {
        "title": title, "publisher": "P", "url": None, "published_at": began, "known_at": began, "p_negative": 0.9,
        "negative": True,
    }  # fmt: skip
    return Alert(
        f"{rule}{day}", rule, "event", "entity", key, f"Label {title}", "error", f"told {title}", began,
        began + timedelta(hours=2), began + timedelta(days=1), 0, 0, {"p_value": 0.001}, (article,),
    )  # fmt: skip


def result(*alerts: Alert, weeks: int = 4) -> Result:
    row = OfRule("r", "event", "entity", "", "", None, None, 3, None, len(alerts), 1.0, 1, 0, 2.0, {"error": 1})
    return Result(
        "rules.toml", "s", "core", "l", "m@1", "a set", START, START + timedelta(weeks=weeks), 100, 0, (row,), alerts
    )


def test_a_renamed_rule_adds_and_loses_nothing() -> None:
    compared = compare(result(alert("new", 1), alert("new", 9)), result(alert("old", 1.2), alert("old", 20)))
    assert [a.alert_id for a in compared.added] == ["new9"]
    assert [a.alert_id for a in compared.lost] == ["old20"]
    assert compared.both == 1


def test_another_series_is_another_alert() -> None:
    compared = compare(result(alert("r", 1, "co:a")), result(alert("r", 1, "co:b")))
    assert (len(compared.added), len(compared.lost), compared.both) == (1, 1, 0)


def test_the_report_shows_hostile_text_as_text_and_loads_nothing() -> None:
    hostile = "</title><script>alert(1)</script><img src=x onerror=alert(1)>\"'"
    ours, other = result(alert("r", 1, title=hostile)), result()
    html = page(ours, other, compare(ours, other))
    tags = Tags()
    tags.feed(html)
    assert not tags.names & {"script", "img", "iframe", "link", "a", "object", "image", "use"}
    assert not {name for name in tags.attributes if name in ("src", "href", "style") or name.startswith("on")}
    assert "&lt;script&gt;" in html
    assert "Content-Security-Policy" in html
    assert "url(" not in html
    assert "SIMULATED" in html
    assert html.count("<svg") == 1


def test_weeks_are_counted_over_the_whole_span() -> None:
    assert result(alert("r", 1), alert("r", 2), alert("r", 15)).by_week("r") == [2, 0, 1, 0]


def test_episodes_are_read_with_days_as_whole_days(tmp_path: Path) -> None:
    file = tmp_path / "episodes.csv"
    file.write_text("name,start,end,scope,key\nrun,2026-03-08,2026-03-12,entity,co:a\n")
    (one,) = read_episodes(file)
    assert (one.start, one.end) == (datetime(2026, 3, 8, tzinfo=UTC), datetime(2026, 3, 13, tzinfo=UTC))
    assert (one.scope, one.key) == ("entity", "co:a")


@pytest.mark.parametrize("text", ["name,start\nrun,2026-03-08\n", "name,start,end\nrun,soon,later\n"])
def test_a_broken_file_of_episodes_names_its_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "episodes.csv"
    file.write_text(text)
    with pytest.raises(InputError, match=r"episodes\.csv:2: wants name,start,end"):
        read_episodes(file)
