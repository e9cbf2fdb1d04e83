"""Attempts as bytes: zstd frames that stand one after another, each with a checksum, so that damage never goes unseen.

The first line of a frame is a JSON list of attempts (what was asked, what came); what follows it is the body of the
one attempt that had one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from backports import zstd

from pipeline.ingest.exchange import Fetched
from pipeline.ingest.outcomes import Outcome

__all__ = ["DAMAGE", "Spooled", "frame", "records"]

# What reading a damaged file can raise; that a file cannot be read now (OSError) is no damage.
DAMAGE = (ValueError, KeyError, TypeError, AttributeError, zstd.ZstdError)
_LEVEL = 6
_OPTIONS: dict[int, int] = {
    zstd.CompressionParameter.compression_level: _LEVEL,
    zstd.CompressionParameter.checksum_flag: 1,
}
_TOLD = tuple(field.name for field in fields(Fetched) if field.name not in ("body", "outcome"))


@dataclass(frozen=True)
class Spooled:
    """One attempt as it is kept in the file `path`; `known_at` is when the store took it in, None before that."""

    path: Path
    fetch_id: str
    fetched_at: datetime
    fetched: Fetched
    known_at: datetime | None = None


def frame(attempts: Sequence[Spooled]) -> bytes:
    """One frame: a single attempt with its body, or any number of attempts that have none."""
    bodies = [attempt.fetched.body for attempt in attempts if attempt.fetched.body]
    if bodies and len(attempts) > 1:
        raise ValueError("a frame holds one body, of one attempt")
    head = json.dumps([_meta(attempt) for attempt in attempts], ensure_ascii=True, separators=(",", ":"))
    return zstd.compress(head.encode() + b"\n" + b"".join(bodies), options=_OPTIONS)


def records(path: Path) -> Iterator[Spooled]:
    """Every attempt of a file of frames.

    Raises:
        OSError: the file cannot be read.
        one of `DAMAGE`: the file is not whole; what was before the damage has been given out.
    """
    rest = memoryview(path.read_bytes())
    while rest:
        size = zstd.get_frame_size(rest)
        head, _, body = zstd.decompress(rest[:size]).partition(b"\n")
        for meta in json.loads(head):
            yield _spooled(path, meta, body)
        rest = rest[size:]


def _meta(attempt: Spooled) -> dict[str, Any]:
    fetched = attempt.fetched
    meta = {
        "fetch_id": attempt.fetch_id,
        "fetched_at": attempt.fetched_at.isoformat(),
        "known_at": attempt.known_at.isoformat() if attempt.known_at else None,
        "outcome": str(fetched.outcome) if fetched.outcome else None,
        **{name: getattr(fetched, name) for name in _TOLD},
        "seconds": round(fetched.seconds, 4),
    }
    return {name: value for name, value in meta.items() if value not in (None, "")}


def _spooled(path: Path, meta: dict[str, Any], body: bytes) -> Spooled:
    outcome, known_at = meta.get("outcome"), meta.get("known_at")
    fetched = Fetched(
        outcome=Outcome(outcome) if outcome else None,
        **{name: meta[name] for name in _TOLD if name in meta},
    )
    return Spooled(
        path,
        meta["fetch_id"],
        datetime.fromisoformat(meta["fetched_at"]),
        replace(fetched, body=body),
        datetime.fromisoformat(known_at) if known_at else None,
    )
