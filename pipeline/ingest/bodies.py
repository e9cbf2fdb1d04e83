"""Reading a body under a cap that counts decoded bytes, so that a small gzip cannot grow without bound."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

from pipeline.errors import FetchFailed
from pipeline.ingest.outcomes import Outcome, sentence

__all__ = ["ACCEPT_ENCODING", "read_capped"]

ACCEPT_ENCODING = "gzip, deflate"
_GZIP, _ZLIB, _RAW_DEFLATE = 31, 15, -15
_IDENTITY = {"", "identity", "none", "utf-8"}


async def read_capped(chunks: AsyncIterator[bytes], encoding: str, cap: int) -> bytes:
    """The decoded body, at most `cap` bytes; never more than the cap plus one chunk in memory.

    Raises:
        FetchFailed: `too_large` over the cap, `http_error` for an encoding that we did not ask for,
            `malformed` for compressed data that is broken.
    """
    decode = _decoder(encoding.strip().lower())
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        part = decode(chunk, cap - size + 1)
        size += len(part)
        if size > cap:
            raise FetchFailed(Outcome.TOO_LARGE, sentence(Outcome.TOO_LARGE, f"More than {cap:,} bytes came"))
        parts.append(part)
    return b"".join(parts)


class _Inflate:
    """gzip and deflate, chunk by chunk, never giving out more than there is room for."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._member = zlib.decompressobj(window)
        self._fresh = True
        self._members = 0

    def __call__(self, chunk: bytes, room: int) -> bytes:
        out = b""
        while chunk and len(out) < room:
            try:
                out += self._member.decompress(chunk, room - len(out))
            except zlib.error as error:
                if self._fresh and self._window == _ZLIB:
                    # Some servers send deflate without its zlib header.
                    self._window, self._member = _RAW_DEFLATE, zlib.decompressobj(_RAW_DEFLATE)
                    continue
                if self._members:
                    return out  # what follows the last member is padding
                detail = "The compressed body is broken"
                raise FetchFailed(Outcome.MALFORMED, sentence(Outcome.MALFORMED, detail)) from error
            self._fresh = False
            chunk = self._member.unused_data if self._window == _GZIP else b""
            if self._member.eof and self._window == _GZIP:
                self._members += 1
                self._member = zlib.decompressobj(_GZIP)
        return out


def _decoder(encoding: str) -> _Inflate | _Plain:
    if encoding in ("gzip", "x-gzip"):
        return _Inflate(_GZIP)
    if encoding == "deflate":
        return _Inflate(_ZLIB)
    if encoding in _IDENTITY:
        return _Plain()
    detail = f"The body came as {encoding[:40]}, which was not asked for"
    raise FetchFailed(Outcome.HTTP_ERROR, sentence(Outcome.HTTP_ERROR, detail))


class _Plain:
    def __call__(self, chunk: bytes, room: int) -> bytes:
        return chunk[:room]
