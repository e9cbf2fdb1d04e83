"""Seventy days of ordinary news, drawn by a seeded generator, for tests of the whole stage."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from tests.pipeline.seeds import Piece

__all__ = ["NOON", "ordinary", "stories"]

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)


def stories(
    rng: np.random.Generator, start: datetime, hours: int, per_hour: float, share: float, entity: str, name: str
) -> list[Piece]:
    """Imported single-article stories about `entity`, `share` of them negative."""
    made = []
    for hour in range(hours):
        for n in range(rng.poisson(per_hour)):
            at = start + timedelta(hours=hour, minutes=float(rng.uniform(0, 59)))
            negative = 0.9 if rng.random() < share else 0.1
            made.append(
                Piece(
                    f"{name}-{hour}-{n}", at, at + timedelta(minutes=15), publisher=f"Paper {rng.integers(4)}",
                    imported=True, p_negative=negative, p_positive=0.05,
                    entities={entity: (0.9, negative, 0.05)},
                )
            )  # fmt: skip
    return made


def ordinary(days: int = 70, per_hour: float = 1.5, share: float = 0.2, seed: int = 1) -> list[Piece]:
    """Up to the midnight before NOON."""
    start = NOON.replace(hour=0) - timedelta(days=days)
    return stories(np.random.default_rng(seed), start, days * 24, per_hour, share, "co:a", "past")
