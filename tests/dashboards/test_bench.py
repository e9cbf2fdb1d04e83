"""What the benchmark of the pages takes for an answer: the page that was asked for, and no other."""

from __future__ import annotations

import json

import pytest
from plotly.io.json import to_json_plotly

from dashboards.address import Asked
from dashboards.data import View
from dashboards.pages import page_of
from tests.benchmarks.bench_dashboard import whole
from tests.dashboards import sample

ASKED = (
    ("/", "?grain=hour"), ("/", "?day=yesterday"), ("/incidents", "?state=past"),
    ("/incidents", "?state=all&q=company"), ("/feeds", "?which=all"), ("/search", "?q=w17"),
    ("/series", "?series=market:all&grain=day"), ("/series", "?series=market:all&grain=hour"),
)  # fmt: skip


def _answer(view: View, path: str, search: str) -> str:
    page = page_of(path)
    assert page is not None
    _, content = page.show(view, Asked.parse(path, search), sample.NOW)
    return json.dumps({"response": {"page": {"children": json.loads(to_json_plotly(content))}}})


@pytest.mark.parametrize(("path", "search"), ASKED)
def test_an_answer_is_the_page_that_was_asked_for(view: View, path: str, search: str) -> None:
    said = _answer(view, path, search)
    assert [asked for asked in ASKED if whole(said, *asked)] == [(path, search)]


@pytest.mark.parametrize("said", ["", "<html>", "{}", '{"response": {"page": {"children": []}}}', "TimeoutError()"])
def test_an_error_is_no_answer(said: str) -> None:
    assert not whole(said, "/", "")
