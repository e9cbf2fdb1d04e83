"""Beta-binomial tails and quantiles against scipy's, term by term."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pipeline.series.distribution import quantiles, tails


@given(
    n=st.integers(0, 120), part=st.floats(0, 1), share=st.floats(0.01, 0.9), rho=st.floats(0.001, 0.3)
)  # fmt: skip
def test_both_agree_with_scipy(n: int, part: float, share: float, rho: float) -> None:
    y = round(n * part)
    spread = 1 / rho - 1
    oracle = stats.betabinom(n, share * spread, (1 - share) * spread)
    at_least, more = tails(np.array([y]), np.array([n]), np.array([share]), rho)
    assert at_least[0] == pytest.approx(oracle.pmf(np.arange(y, n + 1)).sum(), rel=1e-6, abs=1e-12)
    assert more[0] == pytest.approx(oracle.pmf(np.arange(y + 1, n + 1)).sum(), rel=1e-6, abs=1e-9)
    low, high = quantiles(np.array([n]), np.array([share]), rho, 0.025, 0.975)
    cumulative = np.cumsum(oracle.pmf(np.arange(n + 1)))
    assert cumulative[int(low[0])] >= 0.025 - 1e-9
    assert low[0] == 0 or cumulative[int(low[0]) - 1] < 0.025 + 1e-9
    assert cumulative[int(high[0])] >= 0.975 - 1e-9
    assert high[0] == 0 or cumulative[int(high[0]) - 1] < 0.975 + 1e-9


def test_a_tiny_tail_keeps_its_digits() -> None:
    at_least, _ = tails(np.array([400.0]), np.array([400.0]), np.array([0.2]), 0.0001)
    assert 0 < at_least[0] < 1e-100


def test_large_counts_end_soon() -> None:
    low, high = quantiles(np.array([200_000.0]), np.array([0.2]), 0.001, 0.025, 0.975)
    assert 34_500 < low[0] < 35_500 < 44_500 < high[0] < 45_500
