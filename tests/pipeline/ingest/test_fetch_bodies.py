"""Reading bodies: every coding and every stack of them, in pieces of any size, gives back what was packed."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Callable

import brotli
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import FetchFailed
from pipeline.ingest.bodies import read_capped

CAP = 1_000_000


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def streamed_zstd(data: bytes) -> bytes:
    """Of unknown size, as a server that compresses on the fly sends it."""
    packer = zstd.ZstdCompressor()
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "identity": ("identity", lambda data: data),
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZIP", gzip.compress),
    "two members": ("gzip", lambda data: gzip.compress(data[:7]) + gzip.compress(data[7:]) + b"\0" * 512),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "brotli": ("br", brotli.compress),
    "zstd": ("zstd", zstd.compress),
    "streamed zstd": ("zstd", streamed_zstd),
    "two frames": ("zstd", lambda data: zstd.compress(data[:7]) + zstd.compress(data[7:])),
}


def read(body: bytes, encoding: str, cap: int = CAP, piece: int = 65_536) -> bytes:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), piece):
            yield body[start : start + piece]

    return asyncio.run(read_capped(chunks(), encoding, cap))


@given(
    data=st.binary(max_size=3_000) | st.integers(0, 300_000).map(lambda n: b"news " * (n // 5)),
    layers=st.lists(st.sampled_from(sorted(PACKERS)), max_size=3),
    piece=st.sampled_from([1, 2, 7, 1_000, 65_536]),
)
def test_what_was_packed_comes_back(data: bytes, layers: list[str], piece: int) -> None:
    body, encodings = data, []
    for name in layers:
        encoding, pack = PACKERS[name]
        body = pack(body)
        encodings.append(encoding)
    if not data.startswith(b"\x1f\x8b"):
        assert read(body, ", ".join(encodings), piece=max(piece, len(body) // 5_000)) == data


@pytest.mark.parametrize("name", sorted(PACKERS))
def test_the_cap_is_met_to_the_byte(name: str) -> None:
    encoding, pack = PACKERS[name]
    body = pack(b"x" * 200_000)
    assert len(read(body, encoding, 200_000)) == 200_000
    with pytest.raises(FetchFailed) as caught:
        read(body, encoding, 199_999)
    assert caught.value.outcome == "too_large"


def test_a_file_that_is_gzip_itself_is_read_once() -> None:
    sitemap = b"<urlset/>"
    packed = gzip.compress(sitemap)
    assert read(packed, "") == read(gzip.compress(packed), "gzip") == sitemap
    assert read(gzip.compress(packed), "") == packed  # a second time is no sitemap any more
    with pytest.raises(FetchFailed, match="broken"):
        read(packed[:4] + b"\xff" * 20, "")


@pytest.mark.parametrize("name", ["gzip", "deflate", "raw deflate", "brotli", "zstd"])
def test_a_body_that_breaks_off_gives_what_came(name: str) -> None:
    """What is missing shows in the document, which then keeps its whole entries and is asked for again."""
    encoding, pack = PACKERS[name]
    data = b"".join(b"<item>%d</item>" % n for n in range(20_000))
    body = pack(data)
    assert data.startswith(read(body[: len(body) // 2], encoding))
