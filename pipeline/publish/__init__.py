"""`publish`: an immutable read copy of the store (Parquet parts, a manifest, a pointer replaced last)."""

from pipeline.publish.snapshot import Snapshot
from pipeline.publish.stage import run

__all__ = ["Snapshot", "run"]
