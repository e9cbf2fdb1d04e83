"""routes.toml: which receiver a label leads to, and one clear line for each way the file can be wrong."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.errors import RulesError
from pipeline.notify.routes import load
from pipeline.settings import file_or_default

GOOD = """
[[route]]
match = { severity = ["error", "critical"] }
receiver = "desk"
group_wait = "30s"
repeat_interval = "4h"
continue = true

[[route]]
match = { kind = "health" }
receiver = "ops"
send_resolved = false

[[route]]
receiver = "log"

[receivers.desk]
urls = ["json://${HOST}/a", "json://${HOST}/b"]
[receivers.ops]
urls = ["file:ops.jsonl"]
[receivers.log]
urls = ["file:alerts.jsonl"]
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "routes.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"severity": "critical", "kind": "event"}, ["desk", "desk#2", "log"]),
        ({"severity": "error", "kind": "health"}, ["desk", "desk#2", "ops"]),
        ({"severity": "warning", "kind": "health"}, ["ops"]),
        ({"severity": "info", "kind": "volume"}, ["log"]),
    ],
)
def test_the_first_match_decides_unless_it_continues(
    tmp_path: Path, labels: dict[str, str], expected: list[str]
) -> None:
    routes = load(written(tmp_path, GOOD), {"HOST": "hooks.example"})
    assert [m.address for m in routes.matching(labels)] == expected
    assert routes.addresses["desk#2"] == "json://hooks.example/b"
    assert "hooks.example" not in repr(routes)
    assert routes.routes[0].repeat_interval == timedelta(hours=4)


def test_the_file_that_ships_can_be_used(tmp_path: Path) -> None:
    routes = load(file_or_default(tmp_path / "routes.toml"), {})
    assert [m.address for m in routes.matching({"severity": "info"})] == ["log"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[route", "cannot be read as TOML"),
        ('[[route]]\nreceiver = "x"\n', r"no \[receivers.x\]"),
        ("[[route]]\n", "route.1.receiver"),
        (GOOD.replace('"4h"', '"1m"'), "route.1.repeat_interval.*at least 5m"),
        (GOOD.replace('"30s"', '"2h"'), "route.1.group_wait.*at most 1h"),
        (GOOD.replace('"30s"', '"soon"'), "not a time"),
        (GOOD.replace("severity =", "colour ="), "no label is named colour"),
        (GOOD.replace("send_resolved", "send_resolve"), "route.2.send_resolve"),
        (GOOD.replace('["file:ops.jsonl"]', "[]"), "receivers.ops.urls"),
        (GOOD, "the environment has no HOST"),
    ],
)
def test_a_wrong_file_is_one_line_that_names_file_and_key(tmp_path: Path, text: str, says: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(RulesError, match=says) as wrong:
        load(path, {})
    assert str(path) in str(wrong.value)
    assert "\n" not in str(wrong.value).split("TOML:")[0]
