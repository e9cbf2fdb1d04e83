"""score: topic and sentiment probabilities of an article as a whole and towards each entity in it."""

from pipeline.score.stage import backfill, run

__all__ = ["backfill", "run"]
