"""The charts as data: what is drawn, what is left out, and that feed text stays text."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import orjson
import pandas as pd
import plotly.graph_objects as go
import pytest

from dashboards.data import SHOWN, Series, View, _switches
from dashboards.figures import compare_figure, coverage_figure, marked, series_figure, zoomed
from dashboards.sparkline import sparkline
from tests.dashboards.sample import HOSTILE


def _named(figure: go.Figure, name: str) -> list[go.Scatter]:
    return [trace for trace in figure.data if trace.name == name]


def _drawn(series: Series) -> go.Figure:
    """The figure as plotly takes it, which knows every property and refuses what is none."""
    return go.Figure(series_figure(series))


def _days(view: View) -> Series:
    return view.series("market", "all", "day")


def test_the_bars_of_a_bucket_add_up_to_its_stories(view: View) -> None:
    series = _days(view)
    figure = _drawn(series)
    total = sum(np.asarray(_named(figure, name)[0].y, float) for name in ("negative", "neutral", "positive"))
    assert total.tolist() == series.rows["story_count"].tolist()


def test_a_missing_day_is_a_gap_in_every_trace_and_never_a_zero(view: View) -> None:
    series = _days(view)
    gone = series.rows["bucket_start"].iloc[10:20]
    figure = _drawn(replace(series, rows=series.rows.drop(index=range(10, 20)).reset_index(drop=True)))
    for name in ("negative", "positive", "within its range", "above its range"):
        trace = _named(figure, name)[0]
        drawn = dict(zip(pd.to_datetime(trace.x, utc=True), np.asarray(trace.y, float), strict=True))
        assert all(np.isnan(drawn[day]) for day in gone)
    trace = _named(figure, "sentiment index")[0]
    index = dict(zip(pd.to_datetime(trace.x, utc=True), np.asarray(trace.y, float), strict=True))
    assert np.isnan(index[gone.iloc[5]])
    assert _stretches(figure) == 1 + _stretches(_drawn(series))


def _stretches(figure: go.Figure) -> int:
    """How many shapes the ranges are drawn as: a gap ends one."""
    return sum(1 + list(trace.y).count(None) for trace in _named(figure, "range"))


def test_thin_coverage_withholds_the_index_and_is_shaded(view: View) -> None:
    series = _days(view)
    rows = series.rows.assign(coverage=0.97)
    rows.loc[30:32, "coverage"] = 0.2
    figure = _drawn(replace(series, rows=rows))
    index = np.asarray(_named(figure, "sentiment index")[0].y, float)
    assert np.isnan(index[30:33]).all()
    assert not np.isnan(index[33])
    assert [shape.type for shape in figure.layout.shapes].count("rect") == 1


def test_a_bucket_over_its_range_has_another_shape(view: View) -> None:
    series = _days(view)
    above = _named(_drawn(series), "above its range")[0]
    over = series.rows["negative_stories"] > series.rows["high"]
    assert over.any()
    assert np.isfinite(np.asarray(above.y, float)).tolist() == over.tolist()
    assert above.marker.symbol == "triangle-up"
    row = series.rows[over].iloc[0]
    said = f"{row['negative_stories']} of {row['story_count']} negative; usual {row['expected']:.0f}, range"
    assert above.text[int(over.to_numpy().argmax())].startswith(said)


def test_incidents_are_marked_with_their_words_and_no_markup(view: View) -> None:
    series = _days(view)
    incidents = series.incidents.assign(label=HOSTILE)
    marked = _named(_drawn(replace(series, incidents=incidents)), "incident")[0]
    lines = [line for text in marked.text for line in text.split("<br>")]
    assert len(lines) == len(incidents) == 5
    assert all("<" not in line and "&lt;/script&gt;" in line for line in lines)


def test_incidents_of_one_bucket_are_one_mark_with_the_worst_in_words(view: View) -> None:
    series = _days(view)
    day = series.until.replace(hour=0, minute=0)
    fired = [day + pd.Timedelta(minutes=n) for n in (7, 8, 9)] + [day - pd.Timedelta(days=2)]
    few = series.incidents.head(1)
    incidents = pd.concat(
        [few.assign(started_at=at, severity="info", label=f"Company {n}") for n, at in enumerate(fired)]
    )
    worst = pd.concat([few.assign(started_at=fired[2], severity="critical", label=f"Worst {n}") for n in range(4)])
    figure = _drawn(replace(series, incidents=pd.concat([incidents, worst])))
    marked = _named(figure, "incident")[0]
    assert pd.to_datetime(marked.x, utc=True).tolist() == [fired[3], fired[0]]
    assert marked.text[0].startswith("○ Company 3: ")
    lines = marked.text[1].split("<br>")
    assert [line.partition(":")[0] for line in lines] == [
        "◆ Worst 0", "◆ Worst 1", "◆ Worst 2", "◆ Worst 3", "○ Company 0", "and 2 more",
    ]  # fmt: skip


def test_an_empty_series_says_so_instead_of_drawing(view: View) -> None:
    figure = _drawn(view.series("entity", "nobody", "day"))
    assert not figure.data
    assert figure.layout.annotations[0].text.startswith("No stories in this series in the last 90 days")


def test_a_few_stories_an_hour_are_counted_and_many_a_day_are_shared(view: View) -> None:
    assert _drawn(_days(view)).layout.yaxis3.title.text == "% negative"
    assert _drawn(view.series("topic", "energy", "hour")).layout.yaxis3.title.text == "negative"


def test_a_figure_travels_as_json(view: View) -> None:
    assert len(json.loads(_drawn(_days(view)).to_json())["data"]) > 6


def test_every_figure_is_valid_for_plotly_and_plain_enough_for_json(view: View) -> None:
    day, hour, nothing = _days(view), view.series("topic", "energy", "hour"), view.series("entity", "nobody", "day")
    thin = day.rows.assign(coverage=0.97)
    thin.loc[[*range(30, 33), 40], "coverage"] = 0.2
    switched = pd.DataFrame({"status": ["active"], "recorded_at": [day.until - pd.Timedelta(days=3)]})
    unknown = day.rows.assign(sentiment_index=np.nan, band_low=np.nan, band_high=np.nan)
    several = [
        day, hour, nothing, replace(day, rows=thin, models=switched), replace(day, rows=unknown),
        replace(day, rows=day.rows.drop(index=range(10, 20))), replace(day, rows=day.rows.tail(1)),
    ]  # fmt: skip
    figures = [
        *(series_figure(series) for series in several),
        *(marked(zoomed(series_figure(series), day.until - SHOWN["hour"], day.until), day.until) for series in several),
        compare_figure([day, nothing, several[4], several[3]]),
        compare_figure([nothing]),
        *(figure for figure in map(coverage_figure, several) if figure is not None),
    ]
    assert len(figures) == 2 * 7 + 2 + 6
    for figure in figures:
        assert json.loads(orjson.dumps(figure)) == figure
        assert go.Figure(figure).to_plotly_json()["data"] is not None


def test_a_part_of_the_time_and_a_moment_are_shown_without_changing_the_figure(view: View) -> None:
    figure, end = series_figure(_days(view)), _days(view).until
    before = orjson.dumps(figure)
    start = end - SHOWN["hour"]
    changed = marked(marked(zoomed(figure, start, end), start), end)
    assert orjson.dumps(figure) == before
    shown = go.Figure(changed).layout
    assert shown.xaxis.range == (start.isoformat(), end.isoformat())
    assert shown.xaxis.anchor == "y3"
    lines = shown.shapes[-2:]
    assert [line.x0 for line in lines] == [line.x1 for line in lines] == [start.isoformat(), end.isoformat()]
    assert len(shown.shapes) == len(figure["layout"]["shapes"]) + 2


def test_a_chart_of_one_panel_has_one_axis(view: View) -> None:
    day = _days(view)
    compared = go.Figure(compare_figure([day, view.series("topic", "energy", "day")])).layout
    covered = go.Figure(coverage_figure(day)).layout
    for layout, title in ((compared, "index"), (covered, "% covered")):
        assert (layout.yaxis.title.text, layout.yaxis.domain) == (title, (0, 1))
        assert layout.xaxis.anchor == "y"
        assert not {"yaxis2", "yaxis3", "yaxis4"} & layout.to_plotly_json().keys()
    assert [note.text for note in compared.annotations] == ["Market", "Energy"]
    assert covered.yaxis.range == (0, 104)


@pytest.mark.parametrize(
    ("counts", "high", "lines", "alarm"),
    [([1, 2, 9], 5, 1, True), ([1, 1, float("nan"), 2, 2], 5, 2, False), ([float("nan")] * 3, float("nan"), 0, False)],
)
def test_a_sparkline_breaks_where_there_is_nothing(counts: list[float], high: float, lines: int, alarm: bool) -> None:
    days = pd.DataFrame({"negative_stories": counts, "low": 0.0, "high": high})
    head, _, svg = sparkline(days).partition(",")
    assert head == "data:image/svg+xml"
    shapes = [element.tag.rsplit("}", 1)[-1] for element in ElementTree.fromstring(unquote(svg))]
    assert shapes.count("polyline") == lines
    assert ("#dd7a26" in unquote(svg)) is alarm


def test_the_first_model_is_no_switch() -> None:
    moments = pd.to_datetime(["2026-01-01", "2026-02-01", "2026-02-02"], utc=True)
    models = pd.DataFrame({"status": ["active", "active", "retired"], "recorded_at": moments})
    assert list(_switches(models, pd.Timestamp("2025-01-01", tz="UTC"))["recorded_at"]) == [moments[1]]
    assert _switches(models.head(1), pd.Timestamp("2025-01-01", tz="UTC")).empty


def test_the_time_axis_of_a_young_series_begins_with_it(view: View) -> None:
    series = _days(view)
    begins = []
    for rows in (series.rows, series.rows.tail(50), series.rows.tail(3)):
        figure = _drawn(replace(series, rows=rows.reset_index(drop=True)))
        begins.append((series.until - pd.Timestamp(figure.layout.xaxis.range[0])).days)
    assert begins[0] > begins[1] > begins[2]
    assert begins[1:] == [50, 30]
