"""`barograph feeds` as a person uses it, against a real local web server."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from cli import feeds
from pipeline.errors import InputError
from tests.conftest import ROOT

Run = Callable[..., Result]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


_PAGES = {"one": ["/rss_1.rdf"], "two": ["/rss_1.rdf", "/filings.atom"], "none": []}


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A web server over the sample feeds and three pages that name one, two and none of them."""
    www = tmp_path / "www"
    shutil.copytree(ROOT / "tests" / "samples" / "feeds", www)
    for name, hrefs in _PAGES.items():
        links = "".join(f'<link rel="alternate" type="application/rss+xml" href="{href}">' for href in hrefs)
        (www / f"{name}.html").write_text(f"<html><head>{links}</head><body/></html>", encoding="utf-8")
    handler = partial(_Quiet, directory=str(www))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def run(tmp_path: Path, address: str) -> Run:
    """Runs one command in a folder whose settings allow the web server; errors of ours are raised, as to `main`."""
    config = tmp_path / "barograph.toml"
    config.write_text(f'[ingest]\nallow_hosts = ["{address}"]\n', encoding="utf-8")
    (tmp_path / "feeds.opml").write_text("<opml version='2.0'><body/></opml>", encoding="utf-8")
    app = typer.Typer()
    feeds.register(app)
    app.command("none")(lambda: None)

    def invoke(*arguments: str) -> Result:
        result = CliRunner().invoke(app, ["feeds", *arguments, "--config", str(config)], catch_exceptions=True)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


def test_add_list_remove(run: Run, address: str, tmp_path: Path) -> None:
    url = f"http://{address}/rss_1.rdf?key=s3cret"
    assert "added" in run("add", url, "--publisher", "Bank of Esteria", "--kind", "central bank").output
    assert "there already" in run("add", url).output
    (row,) = json.loads(run("list", "--json").output)
    assert (row["title"], row["kind"], row["state"]) == ("Bank of Esteria", "central bank", "not fetched yet")
    assert "s3cret" not in row["url"]
    assert (tmp_path / "feeds.opml.bak").exists()
    assert "removed 1" in run("remove", "Bank of Esteria").output
    assert json.loads(run("list", "--json").output) == []
    with pytest.raises(InputError, match="no such feed"):
        run("remove", "Bank of Esteria")


@pytest.mark.parametrize("url", ["ftp://news.example/rss", "https://me:pw@news.example/rss", "news.example/rss"])
def test_an_address_that_cannot_be_fetched_is_not_added(url: str, run: Run) -> None:
    with pytest.raises(InputError, match="cannot be fetched"):
        run("add", url)


def test_the_feed_of_a_page_is_found_and_named_as_it_calls_itself(run: Run, address: str) -> None:
    output = run("add", f"http://{address}/one.html", "--timezone", "Europe/London").output
    assert f"found http://{address}/rss_1.rdf (named by the page, 1 entries)" in output
    (row,) = json.loads(run("list", "--json").output)
    assert (row["title"], row["url"]) == ("Bank of Esteria", f"http://{address}/rss_1.rdf")
    assert "there already" in run("add", f"http://{address}/one.html").output
    with pytest.raises(InputError, match="no such time zone"):
        run("add", f"http://{address}/two.html", "--timezone", "Europe/Londn")


def test_several_feeds_are_listed_and_one_is_chosen(run: Run, address: str) -> None:
    with pytest.raises(InputError, match="has 2 feeds: add `--choose N`"):
        run("add", f"http://{address}/two.html")
    assert json.loads(run("list", "--json").output) == []
    with pytest.raises(InputError, match="has 2 feeds"):
        run("add", f"http://{address}/two.html", "--choose", "3")
    assert "filings.atom" in run("add", f"http://{address}/two.html", "--choose", "2").output
    assert [row["url"] for row in json.loads(run("list", "--json").output)] == [f"http://{address}/filings.atom"]


def test_a_page_without_feeds_is_not_added_and_a_server_that_is_down_is(run: Run, address: str) -> None:
    with pytest.raises(InputError, match="no feed there"):
        run("add", f"http://{address}/none.html")
    result = run("add", f"http://{address}/lost.xml")
    assert "added" in result.output
    assert "could not be read now" in result.output
    assert [row["title"] for row in json.loads(run("list", "--json").output)] == [f"http://{address}/lost.xml"]


def test_check_says_how_each_feed_is_and_stores_nothing(run: Run, address: str) -> None:
    run("add", f"http://{address}/rss_1.rdf", "--title", "Esteria")
    run("add", f"http://{address}/nothing.xml", "--title", "Lost")
    rows = {row["title"]: row for row in json.loads(run("check", "--json").output)}
    assert (rows["Esteria"]["outcome"], rows["Esteria"]["entries"]) == ("well", 1)
    assert rows["Lost"]["outcome"] == "http_error"
    assert "404" in rows["Lost"]["says"]
    assert run("check", "Lost").exit_code == 1
    assert {row["state"] for row in json.loads(run("list", "--json").output)} == {"not fetched yet"}


def test_opml_of_another_reader_comes_in_and_goes_out(run: Run, tmp_path: Path) -> None:
    theirs = ROOT / "tests" / "samples" / "feeds" / "other_reader.opml"
    assert "2 added, 0 were there" in run("import", str(theirs)).output
    assert "0 added, 2 were there" in run("import", str(theirs)).output
    rows = json.loads(run("list", "--json").output)
    assert [(row["publisher"], row["kind"]) for row in rows] == [
        ("Bank of Esteria", "central bank"),
        ("Harbour Gazette", "newspaper"),
    ]
    run("export", "--out", str(tmp_path / "out.opml"))
    assert (tmp_path / "out.opml").read_text(encoding="utf-8") == (tmp_path / "feeds.opml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<!DOCTYPE opml [<!ENTITY a 'b'>]><opml/>", "document type"),
        ("<opml><body>", "not valid XML"),
        ("<rss/>", "not OPML"),
        ("", "not valid XML"),
    ],
)
def test_what_is_not_opml_is_refused(text: str, words: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.opml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        run("import", str(tmp_path / "bad.opml"))


def test_the_catalogue_that_ships_is_used_where_there_is_none(run: Run, tmp_path: Path) -> None:
    (tmp_path / "feeds.opml").unlink()
    rows = json.loads(run("list", "--json").output)
    assert len(rows) >= 80
    assert {"wire", "newspaper", "regulator", "central bank", "exchange", "company news"} <= {
        row["kind"] for row in rows
    }
    assert all(row["url"].startswith("https://") and row["publisher"] for row in rows)
    assert all(row["owner"] and row["licence"] and row["language"] and row["region"] for row in rows)
    assert len({row["feed_id"] for row in rows}) == len(rows)
