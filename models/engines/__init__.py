"""What runs the network behind one façade: rows of tokens in, logits out, from several threads at once."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.tokens import Encoded

__all__ = ["Backend", "Logits", "padded"]

Logits = tuple[NDArray[np.float32], NDArray[np.float32]]
Padded = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


class Backend(Protocol):
    """One loaded network. Safe to call from several threads."""

    def logits(self, rows: Sequence[Encoded]) -> Logits:
        """Return (rows, 3) sentiment and (rows, topics) topic logits in float32."""
        ...


def padded(rows: Sequence[Encoded], multiple: int = 1) -> Padded:
    """Return (ids, mask, segments) of one batch, each (rows, width): the longest row, rounded up to a `multiple`."""
    lengths = np.fromiter((len(row) for row in rows), dtype=np.int64, count=len(rows))
    width = -(-int(lengths.max()) // multiple) * multiple
    real = np.arange(width) < lengths[:, None]
    ids, segments = np.zeros((2, len(rows), width), dtype=np.int64)
    ids[real] = np.concatenate([row.ids for row in rows])
    segments[real] = np.concatenate([row.segments for row in rows])
    return ids, real.astype(np.int64), segments
