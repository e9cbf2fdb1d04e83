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
        (GOOD.replace('"critical"', '"loud"'), "no severity is named loud; they are info, warning, error, critical"),
        (GOOD.replace('"30s"', '"30s"\ngroup_interval = "1s"'), "route.1.group_interval.*between 1m and 1d"),
        (GOOD.replace('"30s"', '"30s"\ngroup_interval = "5h"'), "route.1.*shorter than group_interval"),
        (GOOD.replace('"30s"', '"30s"\ngroup_by = ["colour"]'), "route.1.group_by.*no label is named colour"),
        (GOOD.replace('"30s"', '"30s"\nquiet_hours = { from = "22:00", to = "07:00", zone = "X" }'), "no time zone"),
        ('dead_letter = "x"\n' + GOOD, r"dead_letter: no \[receivers.x\]"),
        (GOOD + '[receivers.dead-letters]\nurls = ["file:a"]\n', "a name of ours"),
        (GOOD + '[heartbeat]\nurl = "ftp://${HOST}"\n', "the environment has no HOST"),
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


def test_secrets_and_addresses_stay_out_of_what_is_printed(tmp_path: Path) -> None:
    text = GOOD.replace('["file:ops.jsonl"]', '["webhook+https://hooks.example/T0KEN"]\nsecret = "${HOOK_SECRET}"')
    routes = load(written(tmp_path, text), {"HOST": "a.example", "HOOK_SECRET": "hush-hush"})
    assert routes.secrets["ops"] == "hush-hush"
    assert "hush" not in repr(routes)
    assert "T0KEN" not in repr(routes)


def test_a_heartbeat_needs_an_address_of_the_web(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match=r"heartbeat.url.*http"):
        load(written(tmp_path, GOOD + '[heartbeat]\nurl = "ftp://x"\n'), {"HOST": "a.example"})


def test_dead_letters_go_to_another_receiver(tmp_path: Path) -> None:
    routes = load(written(tmp_path, GOOD), {"HOST": "a.example"})
    assert routes.other_than("desk#2") == "ops", "never to another address of the same receiver"
    assert routes.other_than("ops") == "desk"
    named = load(written(tmp_path, 'dead_letter = "log"\n' + GOOD), {"HOST": "a.example"})
    assert named.other_than("desk") == "log"
    assert named.other_than("log") == "desk"
