"""notify: tell people what `detect` found, with the evidence, through an outbox that loses nothing."""

from pipeline.notify.stage import run

__all__ = ["run"]
