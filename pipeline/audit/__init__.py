"""What an incident rests on, checked a year later: the chain, the decision and the messages made again, one file."""

from pipeline.audit.case import Case, Piece
from pipeline.audit.export import export
from pipeline.audit.reading import read
from pipeline.audit.replay import refit, replay
from pipeline.audit.verdicts import Checked, Verdict

__all__ = ["Case", "Checked", "Piece", "Verdict", "export", "read", "refit", "replay"]
