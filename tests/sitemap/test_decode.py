"""Gzip, and the limits of decompression."""

from __future__ import annotations

import gzip
import hashlib
import io
import tracemalloc
import zlib

import pytest

from contentmap_cli.models import Limits
from contentmap_cli.sitemap.decode import CHUNK, Body

TEXT = "".join(f"<url><loc>https://site.example/{number}</loc></url>\n" for number in range(20_000)).encode()


def read(data: bytes, limits: Limits | None = None) -> tuple[bytes, Body]:
    body = Body(io.BytesIO(data), limits or Limits())
    chunks = list(body.chunks())
    assert all(0 < len(chunk) <= CHUNK for chunk in chunks)
    decoded = b"".join(chunks)
    assert body.decoded_bytes == len(decoded)
    assert body.digest == hashlib.blake2b(decoded, digest_size=16).hexdigest()
    return decoded, body


def test_plain() -> None:
    """An uncompressed body is unchanged."""
    decoded, body = read(TEXT)
    assert decoded == TEXT
    assert (body.is_gzipped, body.failure) == (False, None)


@pytest.mark.parametrize("layers", [1, 2])
def test_layers(layers: int) -> None:
    """One and two layers of gzip are decompressed."""
    data = TEXT
    for _ in range(layers):
        data = gzip.compress(data)
    decoded, body = read(data)
    assert decoded == TEXT
    assert (body.is_gzipped, body.failure, body.trailing_garbage) == (True, None, False)


def test_third_layer_is_not_undone() -> None:
    """Three layers of gzip are refused."""
    decoded, body = read(gzip.compress(gzip.compress(gzip.compress(TEXT))))
    assert decoded == b""
    assert body.failure is not None
    assert body.failure.code == "unsupported_encoding"


def test_members() -> None:
    """A gzip file may have several members, padded with zeros."""
    data = (
        gzip.compress(TEXT[:1000])
        + gzip.compress(TEXT[1000:])
        + b"\0" * 600
        + gzip.compress(b"end")
        + b"\0" * 9
    )
    decoded, body = read(data)
    assert decoded == TEXT + b"end"
    assert (body.failure, body.trailing_garbage) == (None, False)


def test_members_are_found_at_any_boundary() -> None:
    """The magic number of a member may be split between two reads."""
    first = gzip.compress(b"a" * 100)
    for shift in range(-3, 4):
        padding = b"\0" * (CHUNK - len(first) + shift)
        decoded, body = read(first + padding + gzip.compress(b"b"))
        assert decoded == b"a" * 100 + b"b"
        assert body.failure is None


def test_too_many_members() -> None:
    """Members are counted over all layers; data before the limit is kept."""
    limits = Limits(gzip_members=4)
    member = gzip.compress(b"a")
    assert read(member * 4, limits)[1].failure is None
    decoded, body = read(member * 5, limits)
    assert decoded == b"aaaa"
    assert body.failure is not None
    assert body.failure.code == "decompress_members"


def test_truncated_at_every_byte() -> None:
    """A truncated gzip file gives its data up to there, and a failure."""
    data = gzip.compress(TEXT[:3000])
    for end in range(2, len(data)):
        decoded, body = read(data[:end])
        assert TEXT.startswith(decoded)
        assert body.failure is not None
        assert body.failure.code == "body_truncated"
    whole, body = read(data[:-8])
    assert whole == TEXT[:3000]


def test_damage_keeps_what_stands_before_it() -> None:
    """All data before the damage is kept, although zlib raises in the same call."""
    data = gzip.compress(TEXT)
    decoded, body = read(data[:-8] + bytes(8))  # only the checksum is wrong
    assert decoded == TEXT
    assert body.failure is not None
    assert body.failure.code == "body_truncated"
    middle = len(data) // 2
    decoded, body = read(data[:middle] + b"\xff" * 64 + data[middle + 64 :])
    assert body.failure is not None
    intact = zlib.decompressobj(31).decompress(data[:middle])
    assert decoded.startswith(intact[:-300])


def test_rubbish_after_the_magic_number() -> None:
    """Two magic bytes do not make a gzip file."""
    decoded, body = read(b"\x1f\x8brubbish and more rubbish")
    assert decoded == b""
    assert body.failure is not None


@pytest.mark.parametrize("garbage", [b"<!-- served in 3 ms -->", b"\x1f", b"x"])
def test_trailing_garbage(garbage: bytes) -> None:
    """Bytes after the end are ignored and reported."""
    decoded, body = read(gzip.compress(TEXT) + garbage)
    assert decoded == TEXT
    assert (body.failure, body.trailing_garbage) == (None, True)


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_budget(layers: int) -> None:
    """The decoded size is cut exactly at the limit."""
    data = b"a" * 3_000_000
    for _ in range(layers):
        data = gzip.compress(data)
    decoded, body = read(data, Limits(body_bytes=1_000_000))
    assert 990_000 < len(decoded) <= 1_000_000
    assert body.failure is not None
    assert body.failure.code == "body_too_large"


def test_exactly_the_budget() -> None:
    """A body of exactly the limit is complete."""
    assert read(b"a" * 1000, Limits(body_bytes=1000))[1].failure is None
    assert read(gzip.compress(b"a" * 1000), Limits(body_bytes=1000))[1].failure is None


def test_a_bomb_takes_no_memory() -> None:
    """A gigabyte in two layers of gzip is refused in bounded memory."""
    inner = zlib.compressobj(9, zlib.DEFLATED, 31)
    squeezed = b"".join([inner.compress(bytes(1 << 20)) for _ in range(256)]) + inner.flush()
    bomb = gzip.compress(squeezed)
    tracemalloc.start()
    body = Body(io.BytesIO(bomb), Limits())
    for _ in body.chunks():
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert body.failure is not None
    assert body.failure.code == "body_too_large"
    assert peak < 4 * 1024 * 1024
