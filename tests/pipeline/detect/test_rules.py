"""The rule file: what ships is usable, and what is wrong is said with file, line, rule and key."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

import pipeline
from pipeline import watchlists
from pipeline.detect.checks import doubts
from pipeline.detect.findings import tier_in
from pipeline.detect.rules import Budget, Health, Kind, load, parse
from pipeline.errors import RulesError
from pipeline.incidents import Severity
from pipeline.watchlists import WatchList, WatchLists

SHIPPED = Path(pipeline.__file__).parent / "defaults" / "rules.toml"
PLAIN = '[[rule]]\nname = "r"\nkind = "negative_share"\n'
EVENT = '[[rule]]\nname = "e"\nkind = "event"\n'


def test_the_shipped_rules_are_usable() -> None:
    rules = load(SHIPPED)
    assert {rule.kind for rule in rules.rules} == {Kind.EVENT, Kind.NEGATIVE_SHARE, Kind.HEALTH}
    by_name = {rule.name: rule for rule in rules.rules}
    assert by_name["event-tier-one"].tiers == (1,)
    assert by_name["negative-share-legal-day"].keys == ("legal_regulation",)
    assert {rule.scope for rule in rules.of(Kind.NEGATIVE_SHARE)} == {"market", "topic", "sector", "entity"}
    assert all(rule.budget for rule in rules.of(Kind.NEGATIVE_SHARE))
    assert by_name["blind-spot"].what is Health.BLIND_SPOT
    assert doubts(rules, watchlists.load(SHIPPED.with_name("watchlists.toml")), None, timedelta(hours=48)) == []
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
    watched = parse(PLAIN + 'scope = "entity"\nwatchlists = ["*"]\n').rules[0]
    assert [watched.selects("a", tier) for tier in (1, None)] == [True, False]
    assert parse(PLAIN + 'grain = "day"\n').rules[0].keep_firing_for == timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[[rule]]\nkind = 'event'\n", 1, "the name None"),
        (PLAIN + PLAIN, 4, "'r' stands there twice, first in line 1"),
        (PLAIN.replace("negative_share", "magic"), 3, "rule r: kind = 'magic' must be one of event, negative_share"),
        (PLAIN + "p_limt = 1\n", 4, "rule r: unknown key 'p_limt'. Did you mean 'p_limit'?"),
        (PLAIN + "p_limit = 2\n", 4, "rule r: p_limit = 2 must be a number from 0 to 0.5"),
        (PLAIN + "p_limit = 0\n", 4, "rule r: p_limit = 0 would never fire"),
        (PLAIN + "min_stories = true\n", 4, "rule r: min_stories = True must be a whole number"),
        (PLAIN + 'scope = "galaxy"\n', 4, "rule r: scope 'galaxy' is not one of"),
        (PLAIN + 'scope = "feed"\n', 4, "rule r: scope 'feed' is not one of"),
        (PLAIN + 'grain = "minute"\n', 4, "rule r: grain 'minute'"),
        (PLAIN + 'for = "soon"\n', 4, "rule r: for = 'soon' is not a time"),
        (PLAIN + 'for = "10s"\n', 4, "rule r: for = '10s' must be 0 or from 1m to 30d"),
        (PLAIN + 'cooldown = "6w"\n', 4, "rule r: cooldown = '6w' must be 0 or from 1m to 30d"),
        (PLAIN + 'keep_firing_for = "30m"\nfor = "2h"\n', 5, "is kept alive (keep_firing_for = 30m)"),
        (EVENT + 'for = "24h"\n', 4, "rule e: for = '24h' waits longer than anything is kept alive"),
        (EVENT + "p_negative = 1\n", 4, "rule e: p_negative = 1 would never fire"),
        (EVENT + 'budget = "1 a week"\n', 4, "rule e: unknown key 'budget'"),
        (PLAIN + 'budget = "often"\n', 4, "rule r: budget = 'often' is not a number of alerts in a time"),
        (PLAIN + 'budget = "0 a week"\n', 4, "rule r: budget = '0 a week' is not"),
        (PLAIN + 'watchlists = ["*"]\n', 4, 'watchlists hold entities, and scope is "market": nothing would match'),
        (PLAIN + "tiers = [3]\n", 4, "rule r: tiers must be a list of tiers"),
        (PLAIN + 'keys = ["a",\n  "b"]\nnot_keys = ["b"]\n', 6, "'b' stands in keys and in not_keys"),
        (PLAIN + 'runbook_url = "javascript:x"\n', 4, "must begin with https:// or http://"),
        (PLAIN + 'keys = "a"\n', 4, "rule r: keys must be a list of words"),
        (PLAIN + "[rule.labels]\na = 1\n", 4, "rule r: labels must be a table of words"),
        (PLAIN + "\n# more\n[[severity]]\nseverity = 'bad'\n", 7, "[[severity]]: severity = 'bad'"),
        (PLAIN + "[more]\n", 4, "the file: unknown key 'more'"),
        ("more = 1\n" + PLAIN, 1, "the file: unknown key 'more'"),
        ('rule = [{ name = "r", kind = "event" }]\n', 1, "Begin each with a line [[rule]]"),
        ('[rule]\nname = "r"\n', 1, "Begin each with a line [[rule]]"),
        (EVENT + 'scope = "topic"\n', 4, "scope must be \"entity\""),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_clear_line(text: str, line: int, said: str) -> None:
    with pytest.raises(RulesError) as error:
        parse(text, "my-rules.toml")
    assert str(error.value).startswith(f"my-rules.toml:{line}: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("text", "said"), [("", "holds no rule"), ("[[rule]", "not valid TOML")])
def test_a_file_without_rules_says_so(text: str, said: str) -> None:
    with pytest.raises(RulesError, match=said):
        parse(text, "my-rules.toml")


def test_what_looks_like_a_header_inside_a_text_is_none() -> None:
    rules = parse(PLAIN + '[rule.annotations]\nwhy = """\n[[rule]]\nx = 1\n"""\n# of the next\n\n' + EVENT)
    assert [(rule.name, rule.line) for rule in rules.rules] == [("r", 1), ("e", 11)]
    assert rules.rules[0].annotations == {"why": "[[rule]]\nx = 1\n"}
    assert rules.rules[0].text.endswith('x = 1\n"""')


def test_a_budget_is_a_rate_and_leaves_a_ceiling() -> None:
    rule = parse(PLAIN + 'budget = "3 a week"\n').rules[0]
    assert rule.budget == Budget(3, "week")
    assert rule.budget.per_week == 3
    assert rule.p_limit == 0.01
    both = parse(PLAIN + 'budget = "2 per month"\np_limit = 0.001\n').rules[0]
    assert both.budget is not None
    assert both.budget.per_week == pytest.approx(2 * 12 * 7 / 365.25)
    assert str(both.budget) == "2 a month"
    assert both.p_limit == 0.001


def test_lists_are_chosen_by_name_owner_and_tier() -> None:
    lists = WatchLists(
        (
            WatchList("banks", "Risk", frozenset({"a"}), frozenset({"b"})),
            WatchList("others", "Desk", frozenset({"b"}), frozenset({"c"})),
        )
    )
    entity = PLAIN + 'scope = "entity"\n'
    told = {
        'watchlists = ["banks"]': ["a", "b"],
        'list_owners = ["Desk"]': ["b", "c"],
        "tiers = [1]": ["a", "b"],
        'watchlists = ["banks"]\ntiers = [2]': ["b"],
        'list_owners = ["Desk"]\ntiers = [1]': ["b"],
        'keys = ["d", "a"]': ["a", "d"],
        "": ["a", "b", "c", "d"],
    }
    for text, expected in told.items():
        rule = parse(entity + text + "\n").rules[0]
        assert [key for key in "abcd" if rule.selects(key, tier_in(lists, rule, key))] == expected, text


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match="cannot be read"):
        load(tmp_path / "none.toml")
