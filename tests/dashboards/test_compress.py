"""What goes over the wire: small for who can unpack it, whole for who cannot, and kept by the browser if it lasts."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from hypothesis import example, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from dashboards import compress
from dashboards.app import create_app
from pipeline.settings import Settings

GZIP = {"Accept-Encoding": "gzip, deflate"}


@pytest.fixture(scope="module")
def client(published: Path) -> FlaskClient:
    return create_app(Settings(store={"published": published})).server.test_client()


def _get(client: FlaskClient, address: str, headers: dict[str, str] = GZIP) -> TestResponse:
    return client.get(address, headers=headers, buffered=True)


def test_the_bundle_of_plotly_is_packed_and_is_not_sent_twice(client: FlaskClient) -> None:
    _get(client, "/")
    address = "/_dash-component-suites/plotly/package_data/plotly.min.js"
    whole, small = _get(client, address, {}), _get(client, address)
    assert len(small.data) < len(whole.data) / 2
    assert gzip.decompress(small.data) == whole.data
    assert _get(client, address).data == small.data
    assert "Accept-Encoding" in whole.headers["Vary"]
    again = _get(client, address, {**GZIP, "If-None-Match": small.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_a_bundle_under_the_name_of_its_version_need_not_be_asked_for_again(client: FlaskClient) -> None:
    sources = _get(client, "/", {}).get_data(as_text=True).split('src="')[1:]
    address = next(one.split('"')[0] for one in sources if "dash_core_components" in one)
    assert _get(client, address).headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_a_page_is_packed_but_never_kept_for_good(client: FlaskClient) -> None:
    answer = _get(client, "/_dash-layout")
    assert b"children" in gzip.decompress(answer.data)
    assert "immutable" not in answer.headers.get("Cache-Control", "")


def test_styles_last_only_under_the_address_of_their_version(client: FlaskClient) -> None:
    named, plain = _get(client, "/assets/barograph.css?m=1.5"), _get(client, "/assets/barograph.css", {})
    assert gzip.decompress(named.data) == plain.data
    assert "immutable" in named.headers["Cache-Control"]
    assert "immutable" not in plain.headers["Cache-Control"]
    assert "immutable" not in _get(client, "/assets/none.css?m=1").headers.get("Cache-Control", "")


@settings(deadline=None, max_examples=40)
@example("größer als tausend " * 99, "text/csv")
@given(st.text(max_size=4000), st.sampled_from(["text/csv", "application/json", "image/png"]))
def test_whatever_is_sent_arrives(text: str, kind: str) -> None:
    server = Flask("sends")
    compress.wire(server)
    server.add_url_rule("/", view_func=lambda: Response(text.encode(), mimetype=kind))
    answer = _get(server.test_client(), "/")
    packed = answer.headers.get("Content-Encoding") == "gzip"
    assert (gzip.decompress(answer.data) if packed else answer.data) == text.encode()
    assert packed == (kind != "image/png" and len(text.encode()) >= 1000)
