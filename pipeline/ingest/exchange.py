"""What is asked of a fetcher and what it answers: the words that fetching, spool and loading have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.ingest.outcomes import Outcome

__all__ = ["Fetched", "Fetcher", "Wanted"]


@dataclass(frozen=True)
class Wanted:
    """One feed to fetch, with the validators and the hash of its last good body."""

    feed_id: str
    url: str
    etag: str | None = None
    last_modified: str | None = None
    body_sha256: str | None = None


@dataclass(frozen=True)
class Fetched:
    """What came back. `outcome` is None when a body came, for the parser to judge; else the body is empty.

    `size` is that of the body, also where it was let go: its hash was the `body_sha256` of the last (`same_body`).

    `seconds` from the first byte out to the last byte in; `retry_after` as the server wrote it; `moved_to` is the
    address that permanent redirects (301, 308) lead to, None where there was none.
    """

    feed_id: str
    url: str
    outcome: Outcome | None
    error: str = ""
    status: int | None = None
    seconds: float = 0.0
    final_url: str = ""
    content_type: str = ""
    etag: str | None = None
    last_modified: str | None = None
    retry_after: str | None = None
    moved_to: str | None = None
    size: int = 0
    body_sha256: str | None = None
    body: bytes = b""


class Fetcher(Protocol):
    """Fetches all that is `wanted` and hands each result over as soon as it is there; raises for none of them."""

    def __call__(self, wanted: Sequence[Wanted], deliver: Callable[[Fetched], None]) -> None: ...
