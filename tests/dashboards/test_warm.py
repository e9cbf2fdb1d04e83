"""Pages made ahead: who comes first finds them, a newer snapshot is noticed, and nothing to show stops nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from dashboards import warm
from dashboards.address import Asked
from dashboards.app import content_of
from dashboards.data import Reader, View
from dashboards.pages import PAGES, page_of
from pipeline.errors import SnapshotMissing
from pipeline.publish.manifest import switch
from tests.dashboards import sample


def never(view: View, asked: Asked, now: datetime) -> tuple[str, list[Any]]:
    raise AssertionError(f"{asked.path} is made again")


def test_what_was_made_ahead_is_what_the_first_reader_gets(published: Path) -> None:
    reader = Reader(published)
    warm.warm(reader, sample.NOW)
    shared = [page for page in PAGES if page.listed and page.shared]
    assert {page.path for page in shared} >= {"/", "/series", "/feeds"}
    for page in shared:
        title, content = content_of(replace(page, show=never), reader.view(), Asked.parse(page.path, ""), sample.NOW)
        assert title
        assert content


def test_with_nothing_published_it_waits_for_something(
    tmp_path: Path, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm, "_EVERY_S", 0.01)
    root, stop = tmp_path / "published", threading.Event()
    reader, tries = Reader(root), []

    def clock() -> datetime:
        tries.append(1)
        return sample.NOW

    thread = threading.Thread(target=warm.keep_warm, args=(reader, clock, stop))
    thread.start()
    try:
        until(lambda: len(tries) > 3)
        root.symlink_to(published)
        until(lambda: made_ahead(reader))
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()


def test_what_people_looked_at_is_made_again_before_a_newer_snapshot_is_shown(tmp_path: Path) -> None:
    root = tmp_path / "published"
    sample.write(root)
    reader = Reader(root)
    asked = Asked.parse("/", "?grain=hour")
    with reader.held():
        warm.warm(reader, sample.NOW)
        old = reader.view()
        content_of(PAGES[0], old, asked, sample.NOW)
        assert old.wanted(5) == [("/", (("grain", "hour"),))], "what was made ahead is not wanted by anybody"
        switch(root, replace(old.snapshot.manifest, snapshot_id=f"{old.snapshot.snapshot_id[:-1]}x"))
        assert reader.view() is old
        warm.warm(reader, sample.NOW)
        new = reader.view()
        assert new.snapshot.snapshot_id.endswith("x")
        assert content_of(replace(PAGES[0], show=never), new, asked, sample.NOW, ahead=True)
        assert new.wanted(5) == []
    assert reader.view() is new


def test_a_page_that_fails_ahead_keeps_no_snapshot_from_being_shown_and_no_other_page_from_being_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "published"
    sample.write(root)
    reader = Reader(root)
    old = reader.view()
    switch(root, replace(old.snapshot.manifest, snapshot_id=f"{old.snapshot.snapshot_id[:-1]}y"))
    broken = replace(PAGES[0], show=never)
    monkeypatch.setattr(warm, "page_of", lambda path: broken if path == "/" else page_of(path))
    with reader.held():
        warm.warm(reader, sample.NOW)
        assert reader.view().snapshot.snapshot_id.endswith("y")
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["/ is made again"]
    feeds = page_of("/feeds")
    assert feeds
    assert content_of(replace(feeds, show=never), reader.view(), Asked("/feeds"), sample.NOW)


def test_parts_are_copied_though_no_page_can_be_made_ahead(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "page_of", lambda path: replace(PAGES[0], show=never))
    monkeypatch.setattr(warm, "_EVERY_S", 0.01)
    reader, stop = Reader(published), threading.Event()
    thread = threading.Thread(target=warm.keep_warm, args=(reader, lambda: sample.NOW, stop))
    thread.start()
    try:
        until(lambda: reader.view().to_copy == [])
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)


def made_ahead(reader: Reader) -> bool:
    try:
        content_of(replace(PAGES[0], show=never), reader.view(), Asked("/"), sample.NOW)
    except (AssertionError, SnapshotMissing):
        return False
    return True
