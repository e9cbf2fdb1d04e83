"""Stage `aggregate`: hourly and daily counts and sums per series, rebuilt for the days that changed."""

from pipeline.aggregate.stage import run

__all__ = ["run"]
