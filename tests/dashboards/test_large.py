"""Fault 40: whatever a snapshot holds, a page of it stays light, because what is drawn and listed has a bound."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from plotly.io.json import to_json_plotly

from dashboards.address import Asked
from dashboards.data import Reader, View
from dashboards.pages import page_of
from pipeline.publish.manifest import switch
from pipeline.publish.members import members
from pipeline.publish.parts import write_parts
from pipeline.publish.snapshot import Snapshot
from pipeline.publish.tables import TABLES
from tests.dashboards import sample

LIMIT_BYTES = 5_000_000
POINTS, STORIES, INCIDENTS, ARTICLES = 1_000_000, 100_000, 5_000, 10_000
SERIES = ("energy", "earnings", "credit", "markets", "macro")
COMPARED = f"series=topic:{SERIES[0]}&with={','.join(f'topic:{key}' for key in SERIES[1:])}"
PAGES = (
    "/?grain=hour", "/incidents?state=all", "/incidents/i2", "/story/s0000", "/search?q=bank",
    f"/series?{COMPARED}&grain=hour",
)  # fmt: skip


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> View:
    root = tmp_path_factory.mktemp("large")
    manifest = sample.write(root)
    small = Snapshot(root, manifest)
    stories = _stories(small.table("stories"))
    made = {
        "trends": _years(small.table("trends")),
        "stories": stories,
        "members": members(stories, small.arrow("articles"), small.arrow("entities")),
        "incidents": _incidents(small.table("incidents")),
        "evidence": _evidence(small.table("evidence")),
    }
    for name, rows in made.items():
        (part,) = write_parts(root, replace(TABLES[name], day=None), rows, sample.NOW)
        made[name] = part.file
    tables = {**manifest.tables, **{name: (file,) for name, file in made.items()}}
    switch(root, replace(manifest, snapshot_id=f"{manifest.snapshot_id}-large", tables=tables))
    return Reader(root).view()


def test_fault_40_a_page_over_a_million_points_is_under_5_mb(large: View) -> None:
    assert large.query("SELECT count(*) AS points FROM trends")["points"].iloc[0] > POINTS
    heavy = {address: len(_page(large, address)) for address in PAGES}
    assert {address: size for address, size in heavy.items() if size > LIMIT_BYTES} == {}


def _page(view: View, address: str) -> str:
    path, _, query = address.partition("?")
    page = page_of(path)
    assert page is not None
    return str(to_json_plotly(page.show(view, Asked.parse(path, query), sample.NOW)))


def _years(trends: pd.DataFrame) -> pa.Table:
    """Five topics by the hour, twenty-three years back; the other series as they were."""
    hours = POINTS // len(SERIES)
    starts = pd.date_range(end=pd.Timestamp(sample.NOW).floor("h"), periods=hours, freq="h")
    ours = (trends["grain"] == "hour") & (trends["scope"] == "topic") & trends["key"].isin(SERIES)
    long = [_repeated(trends[ours & (trends["key"] == key)], hours).assign(bucket_start=starts) for key in SERIES]
    return _table("trends", pd.concat([trends[~ours], *long]))


def _stories(stories: pd.DataFrame) -> pa.Table:
    """A hundred thousand stories of the last seven weeks, those of the sample among them."""
    more = _repeated(stories, STORIES)
    at = pd.Timestamp(sample.NOW) - pd.to_timedelta(np.arange(STORIES) * 42, unit="s")
    more = more.assign(story_id=[f"m{n:06d}" for n in range(STORIES)], first_at=at)
    return _table("stories", pd.concat([stories, more]))


def _incidents(incidents: pd.DataFrame) -> pa.Table:
    """Five thousand that fired in the last three weeks, all of one series."""
    at = pd.Timestamp(sample.NOW) - pd.to_timedelta(np.arange(INCIDENTS) * 6, unit="min")
    more = _repeated(incidents[incidents["incident_id"] == "i2"], INCIDENTS)
    more = more.assign(incident_id=[f"m{n:06d}" for n in range(INCIDENTS)], opened_at=at, fired_at=at)
    return _table("incidents", pd.concat([incidents, more]))


def _evidence(evidence: pd.DataFrame) -> pa.Table:
    """One incident that rests on ten thousand articles."""
    articles = evidence[(evidence["incident_id"] == "i2") & (evidence["kind"] == "article")]
    payload = json.loads(articles["payload"].iloc[0])
    payloads = [json.dumps(payload | {"article_id": f"a{n}"}) for n in range(ARTICLES)]
    more = _repeated(articles, ARTICLES).assign(seq=np.arange(ARTICLES) + 100, payload=payloads)
    return _table("evidence", pd.concat([evidence, more]))


def _repeated(rows: pd.DataFrame, times: int) -> pd.DataFrame:
    return rows.iloc[np.arange(times) % len(rows)].reset_index(drop=True)


def _table(name: str, rows: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(rows, TABLES[name].schema, preserve_index=False)
