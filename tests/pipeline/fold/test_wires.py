"""Which wire a text credits, and that what only speaks of one is not a copy."""

from __future__ import annotations

import pytest

from pipeline.fold.wires import WIRES, wire_of
from pipeline.publishers import wires


@pytest.mark.parametrize(
    ("title", "summary", "wire"),
    [
        ("Holt cuts forecast - Reuters", "", "Reuters"),
        ("Holt cuts forecast", "LONDON, March 3 (Reuters) - Holt said on Tuesday", "Reuters"),
        ("Holt cuts forecast", "By Reuters Staff. The retailer said", "Reuters"),
        ("Holt cuts forecast", "NEW YORK (AP) — Holt said on Tuesday", "Associated Press"),
        ("Holt cuts forecast", "LEEDS, March 3, 2026 /PRNewswire/ -- Holt today", "PR Newswire"),
        ("Holt cuts forecast", "LEEDS--(BUSINESS WIRE)--Holt today announced", "Business Wire"),
        ("Holt cuts forecast", "(Bloomberg) -- Holt slid", "Bloomberg"),
        ("DJ Holt Cuts Forecast", "", "Dow Jones Newswires"),
        ("Holt cuts forecast", "PARIS (AFP) - Holt said", "Agence France-Presse"),
        ("Holt senkt die Prognose", "LEEDS (dpa-AFX) - Holt hat", "dpa"),
        ("Holt cuts forecast", "Holt told Reuters that it was not for sale", ""),
        ("Reuters to cut 100 jobs", "The agency said on Tuesday", ""),
        ("Bloomberg buys rival - Daily Ledger", None, ""),
    ],
)
def test_marks_of_wires(title: str, summary: str | None, wire: str) -> None:
    assert wire_of(title, summary) == wire


def test_every_wire_has_an_owner() -> None:
    assert set(WIRES) <= set(wires())
