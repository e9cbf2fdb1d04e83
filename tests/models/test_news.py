"""The labelled headlines: all found in the archives, none of them in the repository, and none in a training file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from models import SENTIMENTS, news
from models.errors import DataInvalid


def test_labels_are_hashes_and_words() -> None:
    assert len(news.labels()) == 400
    assert all(len(key) == 64 and int(key, 16) >= 0 for key in news.labels())
    counts = Counter(SENTIMENTS[label] for label in news.labels().values())
    assert counts == {"negative": 122, "neutral": 207, "positive": 71}


def test_every_label_finds_its_headline(shared_data: Path) -> None:
    rows = news.read(shared_data / "headlines_2017_2019")
    assert len(rows) == 400
    assert len({row.text for row in rows}) == 400


def test_other_archives_are_refused(tmp_path: Path) -> None:
    for name in news.ARCHIVES:
        (tmp_path / name).write_text("Headlines\nA made-up headline\n", "utf-8")
    with pytest.raises(DataInvalid, match="0 of the 400 labelled headlines"):
        news.read(tmp_path)
