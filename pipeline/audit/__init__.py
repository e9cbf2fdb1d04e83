"""What an incident rests on, checked a year later: the chain, the decision and the messages made again, one file."""

from pipeline.audit.case import Case, Piece, read
from pipeline.audit.export import export
from pipeline.audit.replay import Checked, Verdict, refit, replay

__all__ = ["Case", "Checked", "Piece", "Verdict", "export", "read", "refit", "replay"]
