"""Owners of publishers: by name, by host, and which of them are wires."""

from __future__ import annotations

from pipeline.publishers import known, owner_of, wires


def test_the_table_is_long_enough_and_names_nobody_twice() -> None:
    names = [one.name.casefold() for one in known()]
    domains = [domain for one in known() for domain in one.domains]
    assert len(names) == len(set(names)) >= 150
    assert len(domains) == len(set(domains))
    assert all(one.name and one.owner for one in known())


def test_a_publisher_is_found_by_its_name_or_its_host() -> None:
    assert owner_of("reuters") == owner_of("A feed of mine", "https://feeds.reuters.com/business") == "Thomson Reuters"
    assert owner_of("The Associated Press") == owner_of("Associated Press")
    assert owner_of("Harbour Post", "https://harbour-post.example/rss") is None


def test_the_great_wires_are_wires() -> None:
    assert {"Reuters", "Associated Press", "PR Newswire", "Business Wire", "Bloomberg", "Dow Jones Newswires"} <= set(
        wires()
    )
    assert {"Agence France-Presse", "dpa"} <= set(wires())
