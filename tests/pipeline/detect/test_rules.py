"""The rule file: what ships is usable, and what is wrong is said with file, rule and key."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

import pipeline
from pipeline.detect.rules import Kind, load, parse
from pipeline.errors import RulesError
from pipeline.incidents import Severity

SHIPPED = Path(pipeline.__file__).parent / "defaults" / "rules.toml"
PLAIN = '[[rule]]\nname = "r"\nkind = "negative_share"\n'


def test_the_shipped_rules_are_usable() -> None:
    rules = load(SHIPPED)
    assert {rule.kind for rule in rules.rules} == {Kind.EVENT, Kind.NEGATIVE_SHARE, Kind.HEALTH}
    assert {(r.scope, r.grain) for r in rules.of(Kind.NEGATIVE_SHARE)} == {
        (scope, grain) for scope in ("market", "topic", "sector", "entity") for grain in ("hour", "day")
    }
    for rule in rules.rules:
        assert f'name = "{rule.name}"' in rule.text
        assert rule.text.count("[[") == 1


def test_severity_is_effect_times_corroboration_times_tier() -> None:
    rules = load(SHIPPED)
    event, share = rules.of(Kind.EVENT)[0], rules.of(Kind.NEGATIVE_SHARE)[0]
    assert rules.severity_of(event, effect=0, owners=1, tier=1) is Severity.CRITICAL
    assert rules.severity_of(event, effect=0, owners=1, tier=2) is Severity.ERROR
    assert rules.severity_of(share, effect=4, owners=4, tier=None) is Severity.ERROR
    assert rules.severity_of(share, effect=4, owners=1, tier=1) is Severity.WARNING
    assert rules.severity_of(share, effect=4, owners=3, tier=1) is Severity.CRITICAL


def test_times_and_selectors() -> None:
    rule = parse(PLAIN + 'for = "30m"\nkeep_firing_for = "2h"\nkeys = ["a"]\nnot_keys = ["b"]\n').rules[0]
    assert (rule.pending_for, rule.keep_firing_for) == (timedelta(minutes=30), timedelta(hours=2))
    assert [rule.selects(key, None) for key in ("a", "b", "c")] == [True, False, False]
    watched = parse(PLAIN + 'watchlists = ["*"]\n').rules[0]
    assert [watched.selects("a", tier) for tier in (1, None)] == [True, False]
    assert parse(PLAIN + 'grain = "day"\n').rules[0].keep_firing_for == timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no rule"),
        ("[[rule]", "not valid TOML"),
        ("[[rule]]\nkind = 'event'\n", "the name None"),
        (PLAIN + PLAIN, "'r' stands there twice"),
        (PLAIN.replace("negative_share", "magic"), "rule r: kind = 'magic' must be one of event, negative_share"),
        (PLAIN + "p_limt = 1\n", "rule r: unknown key 'p_limt'"),
        (PLAIN + "p_limit = 2\n", "rule r: p_limit = 2 must be a number from 0 to 0.5"),
        (PLAIN + "min_stories = true\n", "rule r: min_stories = True must be a whole number"),
        (PLAIN + 'scope = "galaxy"\n', "rule r: scope 'galaxy' is not one of"),
        (PLAIN + 'grain = "minute"\n', "rule r: grain 'minute'"),
        (PLAIN + 'for = "soon"\n', "rule r: for = 'soon' is not a time"),
        (PLAIN + 'keys = "a"\n', "rule r: keys must be a list of words"),
        (PLAIN + "[rule.labels]\na = 1\n", "rule r: labels must be a table of words"),
        (PLAIN + "[[severity]]\nseverity = 'bad'\n", "[[severity]]: severity = 'bad'"),
        (PLAIN + "[more]\n", "the file: unknown key 'more'"),
        ('[[rule]]\nname = "e"\nkind = "event"\nscope = "topic"\n', "scope must be \"entity\""),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_clear_line(text: str, said: str) -> None:
    with pytest.raises(RulesError) as error:
        parse(text, "my-rules.toml")
    assert str(error.value).startswith("my-rules.toml: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match="cannot be read"):
        load(tmp_path / "none.toml")
