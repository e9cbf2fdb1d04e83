"""Stage `detect`: each series against its own past, watch-list events and silent feeds; incidents with evidence."""

from pipeline.detect.stage import run

__all__ = ["run"]
