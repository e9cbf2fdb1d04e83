"""score: topic and sentiment probabilities of an article as a whole and towards each entity in it."""

from pipeline.score.stage import Shard, backfill, explain_waiting, nothing_waits, run, shards

__all__ = ["Shard", "backfill", "explain_waiting", "nothing_waits", "run", "shards"]
