"""Which stories stand in which series, and what an artifact says of itself."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from models import DEFAULT
from models.artifacts import find, open_artifact
from pipeline.publish.cards import cards
from pipeline.publish.members import members
from pipeline.publish.tables import TABLES

AT = datetime(2026, 3, 3, 12, tzinfo=UTC)


def _rows(name: str, *rows: dict[str, object]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), TABLES[name].schema)


def test_a_story_stands_once_in_each_of_its_series() -> None:
    story = {
        "story_id": "s", "first_at": AT, "owners": 2, "articles": 3, "polarity": -0.5, "topic_key": "energy",
        "themes": ["recall"], "entity_ids": ["a", "b"],
    }  # fmt: skip
    bare = {"story_id": "bare", "first_at": AT, "owners": 1, "articles": 1}
    told = [
        {"story_id": "s", "article_id": n, "publisher": p} for n, p in (("1", "Wire"), ("2", "Wire"), ("3", "Post"))
    ]
    known = [{"entity_id": name, "sector": "banks"} for name in ("a", "b")]
    found = members(_rows("stories", story, bare), _rows("articles", *told), _rows("entities", *known))
    rows = found.cast(TABLES["members"].schema).to_pylist()
    assert sorted((row["scope"], row["key"]) for row in rows if row["story_id"] == "s") == [
        ("entity", "a"), ("entity", "b"), ("market", "all"), ("publisher", "Post"), ("publisher", "Wire"),
        ("sector", "banks"), ("theme", "recall"), ("topic", "energy"),
    ]  # fmt: skip
    assert [(row["scope"], row["strength"]) for row in rows if row["story_id"] == "bare"] == [("market", 0.0)]
    assert {row["strength"] for row in rows if row["story_id"] == "s"} == {0.5}


def test_the_shipped_model_brings_its_card_its_diagrams_and_its_challenge_suite() -> None:
    version = open_artifact(DEFAULT).model_version
    found = cards(version, ["no-such-model", DEFAULT])
    (card,) = found["model_cards"].to_pylist()
    assert sum(kind["n"] for kind in json.loads(card["challenge"]).values()) > 100
    assert {row["name"] for row in found["model_pictures"].to_pylist()} >= {"tweets, sentiment", "topics, topic"}
    assert cards(None, [DEFAULT])["model_cards"].num_rows == 0


def test_what_another_version_passed_is_not_shown(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(find(DEFAULT), mine)
    told = json.loads((mine / "report" / "challenge.json").read_text("utf-8"))
    (mine / "report" / "challenge.json").write_text(json.dumps(told | {"model_version": "other@1"}), "utf-8")
    (card,) = cards(open_artifact(DEFAULT).model_version, [str(mine)])["model_cards"].to_pylist()
    assert card["challenge"] is None
