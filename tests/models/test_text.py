"""Cleaning is the same for training and scoring; near twins share a key and a side."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.text import clean, share, twin_key


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Orrin &amp; Sons  cut", "Orrin & Sons cut"),
        ("Orrin &amp;amp; Sons", "Orrin & Sons"),
        ("Velmont falls https://t.co/abc123", "Velmont falls"),
        ("Velmont http://a.example/x?y=1 falls", "Velmont falls"),
        ("a\tb\nc\u00a0d\x00e", "a b c d e"),
        ("https://t.co/abc", ""),
        ("5 &lt; 6", "5 < 6"),
    ],
)
def test_clean(raw: str, expected: str) -> None:
    assert clean(raw) == expected


@given(st.text(max_size=80))
def test_clean_leaves_one_line_without_double_spaces(raw: str) -> None:
    cleaned = clean(raw)
    assert cleaned == cleaned.strip()
    assert "  " not in cleaned
    assert "\n" not in cleaned


def test_twins_differ_only_in_links_cashtags_digits_and_case() -> None:
    first = "$VLM Velmont falls 12% on Tuesday https://t.co/a"
    second = "Velmont FALLS 7.5% on Tuesday! $ABC https://t.co/zz9"
    assert twin_key(first) == twin_key(second) == "velmont falls on tuesday"
    assert share(first) == share(second)


def test_share_is_spread_evenly_and_depends_on_the_text() -> None:
    shares = [share(f"headline about {chr(97 + i % 26)}{chr(97 + i // 26 % 26)}x") for i in range(600)]
    assert 0.4 < sum(shares) / len(shares) < 0.6
    assert len(set(shares)) == 600
