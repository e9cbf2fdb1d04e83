"""Reading a body under a cap that counts decoded bytes, so that a small bomb cannot grow without bound.

Each decoder hands out small pieces and is asked for the next only when the last one was counted; of several codings
inside each other every layer has the cap. brotli and zstd come from their own libraries (Python has no zstd before
3.14), both of which can be told how much to give out at once.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Protocol

import brotli
from backports import zstd

from pipeline.errors import FetchFailed
from pipeline.ingest.outcomes import Outcome, sentence

__all__ = ["ACCEPT_ENCODING", "read_capped"]

ACCEPT_ENCODING = "gzip, deflate, br, zstd"
PIECE = 65_536
# More codings than this inside each other are no compression any more.
MAX_LAYERS = 3
# RFC 9659: what a zstd decoder on the web must offer; more would let the sender choose our memory.
_ZSTD_WINDOW_LOG = 23
_GZIP, _ZLIB, _RAW_DEFLATE = 31, 15, -15
_GZIP_MAGIC = b"\x1f\x8b"
# Members of a gzip or frames of a zstd stream: an honest sender needs a few, millions of empty ones cost us time.
MAX_MEMBERS = 1_000
_IDENTITY = {"", "identity", "none", "utf-8"}


class _Decoder(Protocol):
    """Takes the next bytes of a stream and gives out what they decode to, at most PIECE bytes at a time."""

    def __call__(self, data: bytes) -> Iterator[bytes]: ...


async def read_capped(chunks: AsyncIterator[bytes], encoding: str, cap: int) -> bytes:
    """The decoded body, at most `cap` bytes; never more than the cap plus a chunk in memory.

    Raises:
        FetchFailed: `too_large` over the cap, `http_error` for an encoding that we did not ask for,
            `malformed` for compressed data that is broken.
    """
    # The codings stand in the order in which they were applied, so the last one comes off first.
    names = [name.strip().lower() for name in reversed(encoding.split(","))]
    decoders = [_decoder(name) for name in names if name not in _IDENTITY]
    if len(decoders) > MAX_LAYERS:
        detail = f"The body was compressed {len(decoders)} times over"
        raise FetchFailed(Outcome.HTTP_ERROR, sentence(Outcome.HTTP_ERROR, detail))
    layers = [_Capped(decoder, cap) for decoder in decoders]
    whole = _Capped(_plain, cap)
    parts: list[bytes] = []
    async for chunk in chunks:
        pieces: Iterable[bytes] = whole(chunk)
        for layer in layers:
            pieces = layer.through(pieces)
        try:
            parts.extend(pieces)
        except (zlib.error, brotli.error, zstd.ZstdError, EOFError) as error:
            raise _broken() from error
    return _unpacked(b"".join(parts), cap)


def _unpacked(body: bytes, cap: int) -> bytes:
    """A file that is gzip itself (`sitemap.xml.gz`) is read as what it holds, once and under the same cap."""
    if not body.startswith(_GZIP_MAGIC):
        return body
    try:
        return b"".join(_Capped(_Inflate(_GZIP), cap)(body))
    except zlib.error as error:
        raise _broken() from error


def _broken() -> FetchFailed:
    return FetchFailed(Outcome.MALFORMED, sentence(Outcome.MALFORMED, "The compressed body is broken"))


class _Capped:
    """A decoder that may not give out more than `cap` bytes in all."""

    def __init__(self, decode: _Decoder, cap: int) -> None:
        self._decode, self._cap, self._size = decode, cap, 0

    def __call__(self, data: bytes) -> Iterator[bytes]:
        for piece in self._decode(data):
            self._size += len(piece)
            if self._size > self._cap:
                detail = f"More than {self._cap:,} bytes came"
                raise FetchFailed(Outcome.TOO_LARGE, sentence(Outcome.TOO_LARGE, detail))
            yield piece

    def through(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Every piece of an outer layer, decoded."""
        for piece in pieces:
            yield from self(piece)


def _plain(data: bytes) -> Iterator[bytes]:
    yield data


class _Inflate:
    """gzip (of one or more members) and deflate (with or without its zlib header)."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._member = zlib.decompressobj(window)
        self._head = b"" if window == _ZLIB else None
        self._members = 0

    def __call__(self, data: bytes) -> Iterator[bytes]:
        data = self._begun(data)
        full = False
        # A full piece may leave more inside the decoder although it has taken all the data.
        while data or full:
            try:
                piece = self._member.decompress(data, PIECE)
            except zlib.error:
                if self._members:
                    return  # what follows the last member is padding
                raise
            yield piece
            full = len(piece) == PIECE
            data = self._member.unconsumed_tail
            if self._member.eof:
                data, full = self._next(), False

    def _begun(self, data: bytes) -> bytes:
        """Some servers send deflate without its zlib header; its two bytes (RFC 1950) tell."""
        if self._head is None:
            return data
        data = self._head + data
        if len(data) < 2:
            self._head = data
            return b""
        self._head = None
        if data[0] & 0x0F != 8 or int.from_bytes(data[:2], "big") % 31:
            self._member = zlib.decompressobj(_RAW_DEFLATE)
        return data

    def _next(self) -> bytes:
        """What follows the end of a gzip member may be another; after deflate nothing counts."""
        self._members += 1
        _not_too_many(self._members)
        rest = self._member.unused_data if self._window == _GZIP else b""
        if rest:
            self._member = zlib.decompressobj(_GZIP)
        return rest


class _Brotli:
    def __init__(self) -> None:
        self._stream = brotli.Decompressor()

    def __call__(self, data: bytes) -> Iterator[bytes]:
        piece = b"" if self._stream.is_finished() else self._stream.process(data, output_buffer_limit=PIECE)
        # It may say that it takes more data while it still holds output: only an empty piece says that it does not.
        while piece or not (self._stream.is_finished() or self._stream.can_accept_more_data()):
            yield piece
            piece = b"" if self._stream.is_finished() else self._stream.process(b"", output_buffer_limit=PIECE)


class _Zstd:
    """zstd, of one or more frames."""

    def __init__(self) -> None:
        self._frame = self._new()
        self._frames = 0

    @staticmethod
    def _new() -> zstd.ZstdDecompressor:
        return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG})

    def __call__(self, data: bytes) -> Iterator[bytes]:
        while data or not self._frame.needs_input:
            yield self._frame.decompress(data, PIECE)
            data = b""
            if self._frame.eof:
                self._frames += 1
                _not_too_many(self._frames)
                data, self._frame = self._frame.unused_data, self._new()


def _not_too_many(members: int) -> None:
    if members > MAX_MEMBERS:
        detail = f"The body is packed in more than {MAX_MEMBERS:,} parts"
        raise FetchFailed(Outcome.TOO_LARGE, sentence(Outcome.TOO_LARGE, detail))


def _decoder(name: str) -> _Decoder:
    if name in ("gzip", "x-gzip"):
        return _Inflate(_GZIP)
    if name == "deflate":
        return _Inflate(_ZLIB)
    if name == "br":
        return _Brotli()
    if name == "zstd":
        return _Zstd()
    detail = f"The body came as {name[:40]}, which was not asked for"
    raise FetchFailed(Outcome.HTTP_ERROR, sentence(Outcome.HTTP_ERROR, detail))
