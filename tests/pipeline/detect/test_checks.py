"""Warnings about rules that are usable and do nothing: each says what is not there."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipeline.detect.checks import doubts
from pipeline.detect.rules import parse
from pipeline.watchlists import WatchList, WatchLists

LISTS = WatchLists((WatchList("banks", "Risk", frozenset({"co:a"}), frozenset({"co:b"})),))
KNOWN = {"entity": {"co:a", "co:b"}, "sector": {"banks"}, "feed": {"f"}, "theme": {"default"}, "market": {"all"}}
EVENT = '[[rule]]\nname = "e"\nkind = "event"\n'
SHARE = '[[rule]]\nname = "s"\nkind = "negative_share"\n'
TWO_DAYS = timedelta(hours=48)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (EVENT, []),
        (EVENT + 'watchlists = ["bonks"]\n', ["no watch-list is named 'bonks'"]),
        (EVENT + 'list_owners = ["Desk"]\n', ["no watch-list has the owner 'Desk'"]),
        (EVENT + 'themes = ["defualt"]\n', ["there is no theme 'defualt'"]),
        (EVENT + 'keys = ["co:z"]\n', ["no name on a watch-list is selected", "no entity here has the key 'co:z'"]),
        (EVENT + 'for = "2d"\nkeep_firing_for = "3d"\n', ["never fires", "horizon_hours = 48"]),
        (SHARE + 'scope = "topic"\nkeys = ["legal"]\n', ["no topic here has the key 'legal'", "no topic is selected"]),
        (SHARE + 'scope = "topic"\nkeys = ["legal_regulation"]\n', []),
        (SHARE + 'scope = "sector"\nkeys = ["bonks", "banks"]\n', ["no sector here has the key 'bonks'"]),
        (SHARE + 'scope = "sector"\nnot_keys = ["banks"]\n', ["nothing in the store matches: no sector is selected"]),
        (SHARE + 'scope = "entity"\ntiers = [1]\nkeys = ["co:b"]\n', ["it watches nobody"]),
        (SHARE + '[[severity]]\nseverity = "info"\n[[severity]]\nseverity = "error"\n', ["never reached: line 4"]),
    ],
)  # fmt: skip
def test_what_does_nothing_is_said(text: str, said: list[str]) -> None:
    found = [one.said for one in doubts(parse(text), LISTS, KNOWN, TWO_DAYS)]
    for words in said:
        assert any(words in one for one in found), found
    assert bool(found) == bool(said), found


def test_without_a_store_its_keys_are_not_doubted() -> None:
    rules = parse(SHARE + 'scope = "sector"\nkeys = ["bonks"]\n' + EVENT + 'themes = ["x"]\n')
    assert doubts(rules, LISTS, None, TWO_DAYS) == []


def test_a_warning_names_the_line_of_its_rule() -> None:
    rules = parse(SHARE + "\n" + EVENT + 'watchlists = ["bonks"]\n')
    assert [(one.rule, one.line) for one in doubts(rules, LISTS, KNOWN, TWO_DAYS)] == [("e", 5)]
