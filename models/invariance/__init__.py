"""Does the answer hang on who, where and how it is written? Flips of the label under swaps, and polarity by name."""

from models.invariance.measure import Flips, Invariance, Spread, gate, report

__all__ = ["Flips", "Invariance", "Spread", "gate", "report"]
