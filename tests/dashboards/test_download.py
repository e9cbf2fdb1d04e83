"""Tables as files: whole, narrowed to a series, and never a formula; nothing but what is published can be asked for."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from flask.testing import FlaskClient

from dashboards.address import Asked
from dashboards.app import create_app
from dashboards.data import MARKET, SHOWN, View, stories_of
from dashboards.download import rows_of
from pipeline.errors import InputError
from pipeline.publish.snapshot import Snapshot
from pipeline.publish.tables import TABLES
from pipeline.settings import Settings
from tests.dashboards import sample


@pytest.fixture(scope="module")
def client(published: Path) -> FlaskClient:
    made: FlaskClient = create_app(Settings(store={"published": published})).server.test_client()
    return made


class _Watched(View):
    """A view that tells how many rows each answer had, and what was kept."""

    def __init__(self, published: Path) -> None:
        self.read: list[int] = []
        self.kept: list[Hashable] = []
        super().__init__(Snapshot.open(published))
        self.until()
        self.read.clear()
        self.kept.clear()

    def query(self, sql: str, **values: Any) -> pd.DataFrame:
        found = super().query(sql, **values)
        self.read.append(len(found))
        return found

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        if key != "until":
            self.kept.append(key)
        return super().once(key, make)


@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet"])
@pytest.mark.parametrize("table", sorted(TABLES))
def test_every_table_comes_in_every_form(client: FlaskClient, table: str, kind: str) -> None:
    answer = client.get(f"/download/{table}.{kind}")
    assert answer.status_code == 200
    assert f"barograph-demo-{table}-" in answer.headers["Content-Disposition"]
    read = {"csv": pd.read_csv, "parquet": pd.read_parquet}
    if kind == "xlsx":
        assert zipfile.ZipFile(io.BytesIO(answer.data)).testzip() is None
    else:
        assert list(read[kind](io.BytesIO(answer.data)).columns) == TABLES[table].schema.names  # type: ignore[operator]


def test_stories_and_trends_are_narrowed_to_a_series_and_a_time(client: FlaskClient) -> None:
    whole = pd.read_parquet(io.BytesIO(client.get("/download/stories.parquet").data))
    named = pd.read_parquet(io.BytesIO(client.get("/download/stories.parquet?series=entity:demo:kestrel-air").data))
    assert 0 < len(named) < len(whole)
    assert all("demo:kestrel-air" in found for found in named["entity_ids"])
    trend = pd.read_parquet(io.BytesIO(client.get("/download/trends.parquet?series=topic:energy&grain=hour").data))
    assert set(trend["key"]) == {"energy"}
    assert set(trend["grain"]) == {"hour"}


def test_a_story_is_downloaded_once_in_the_order_of_the_page(view: View) -> None:
    asked = Asked("/download/stories.csv", {"series": "topic:energy", "grain": "day"})
    rows = rows_of(view, "stories", asked, 200)
    listed = stories_of(view, "topic", "energy", view.until() - SHOWN["day"], view.until(), 200)
    assert len(rows) > 3
    assert rows["story_id"].tolist() == listed["story_id"].tolist()


@pytest.mark.parametrize(("table", "series"), [("stories", ""), ("stories", MARKET), ("trends", MARKET)])
def test_too_many_rows_are_refused_before_they_are_read(table: str, series: str, published: Path) -> None:
    view = _Watched(published)
    asked = Asked(f"/download/{table}.csv", {"series": series})
    whole = len(rows_of(view, table, asked, 100_000))
    with pytest.raises(InputError, match=f"{table} has over {whole - 1:,} rows"):
        rows_of(view, table, asked, whole - 1)
    assert view.read == [1, whole, 1], "a count, the rows, a count"


def test_a_download_is_not_kept(published: Path) -> None:
    view = _Watched(published)
    for series in ("", MARKET):
        assert len(rows_of(view, "stories", Asked("/download/stories.csv", {"series": series}), 100_000)) > 10
    assert view.kept == []


def test_no_cell_of_a_spreadsheet_is_a_formula(tmp_path: Path) -> None:
    sample.write(tmp_path, now=sample.NOW, hostile=True)
    client = create_app(Settings(store={"published": tmp_path})).server.test_client()
    book = zipfile.ZipFile(io.BytesIO(client.get("/download/stories.xlsx").data))
    sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    assert "hyperlink" not in sheet


@pytest.mark.parametrize("path", ["/download/secrets.csv", "/download/stories.exe", "/download/duckdb_settings().csv"])
def test_what_is_not_published_cannot_be_asked_for(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 400
    assert "there is no" in answer.get_data(as_text=True)
