"""The faster library for gzip against the standard library's: the same bytes, the same outcome."""

from __future__ import annotations

import gzip
import io
import random
import subprocess
import sys
import zlib

import pytest

from contentmap_cli.crawl.reading import body_cache
from contentmap_cli.crawl.reading.body_cache import packed
from contentmap_cli.errors import Failure
from contentmap_cli.models import Limits
from contentmap_cli.sitemap import decode
from contentmap_cli.sitemap.decode import CHUNK, Body

LIMITS = Limits(body_bytes=300_000, gzip_members=3)
WITHOUT = """
import sys, zlib
sys.modules["zlib_ng"] = None
from contentmap_cli.sitemap import decode
assert decode.deflate is zlib
from contentmap_cli.crawl.reading.body_cache import decode, packed
from contentmap_cli.models import Limits
from io import BytesIO
body = decode(BytesIO(packed(BytesIO(b"text" * 99), is_gzipped=False)), Limits())
assert body.whole and body.is_gzipped and body.content == b"text" * 99
"""


def outcome(data: bytes) -> tuple[bytes, bool, Failure | None, bool]:
    """All that is said of a body, by whichever library."""
    body = Body(io.BytesIO(data), LIMITS, hashed=False)
    return b"".join(body.chunks()), body.is_gzipped, body.failure, body.trailing_garbage


def agreed(data: bytes, monkeypatch: pytest.MonkeyPatch) -> Failure | None:
    """What both libraries say went wrong."""
    assert decode.deflate is not zlib
    fast = outcome(data)
    with monkeypatch.context() as patch:
        patch.setattr(decode, "deflate", zlib)
        assert fast == outcome(data), data.hex()
    return fast[2]


def content(dice: random.Random) -> bytes:
    """What a sitemap is like, what nothing can compress, or what swells."""
    kind = dice.randrange(8)
    if kind == 0:
        return dice.randbytes(dice.randrange(3000))
    if kind == 1:
        return bytes(dice.randrange(500_000))
    ends = [dice.randrange(10 ** dice.randrange(1, 9)) for _ in range(dice.randrange(1, 200))]
    return "".join(f"<url><loc>https://site.example/{end}</loc></url>\n" for end in ends).encode()


def member(dice: random.Random, data: bytes) -> bytes:
    """A gzip member of any level, strategy and flush, and with or without the fields a header may have."""
    strategy = dice.choice((zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_FIXED))
    engine = zlib.compressobj(dice.choice((0, 1, 6, 9)), zlib.DEFLATED, -15, 9, strategy)
    middle = dice.randrange(len(data) + 1)
    flags = dice.choice((0, 0, 0, 0b1000, 0b10010, 0b11110))
    head = b"\x1f\x8b\x08" + bytes((flags,)) + bytes(6)
    head += b"\2\0ex" * bool(flags & 4) + b"name\0" * bool(flags & 8) + b"said\0" * bool(flags & 16)
    head += (zlib.crc32(head) & 0xFFFF).to_bytes(2, "little") * bool(flags & 2)
    body = engine.compress(data[:middle]) + engine.flush(dice.choice((zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH)))
    tail = zlib.crc32(data).to_bytes(4, "little") + (len(data) % 2**32).to_bytes(4, "little")
    return head + body + engine.compress(data[middle:]) + engine.flush() + tail


def damaged(dice: random.Random, data: bytes) -> bytes:
    """Cut off, with bits turned over, with other bytes in the header or anywhere, or with more behind it."""
    kind, place = dice.randrange(6), dice.randrange(2, len(data))
    if kind == 0:
        return data[:place]
    if kind == 1:
        return data[:place] + bytes((data[place] ^ 1 << dice.randrange(8),)) + data[place + 1 :]
    if kind == 2:
        place = dice.randrange(2, min(40, len(data)))
        return data[:place] + dice.randbytes(1) + data[place + 1 :]
    if kind == 3:
        return data[:place] + dice.randbytes(8) + data[place + 8 :]
    if kind == 4:
        return data + dice.choice((b"x", b"\x1f", b"\x1f\x8b", bytes(9), b"\x1f\x8b\x08\0", b"<!-- 3 ms -->"))
    return data


def test_any_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """Members, layers, damage, garbage and what swells, by a seeded generator."""
    dice = random.Random(1952)
    codes = set()
    for _ in range(600):
        data = b"".join(member(dice, content(dice)) for _ in range(dice.choice((1, 1, 1, 2, 3, 4))))
        if dice.randrange(8) == 0:
            data = member(dice, damaged(dice, data))
        failure = agreed(damaged(dice, data), monkeypatch)
        codes.add(failure and failure.code)
    assert codes == {None, "body_truncated", "body_too_large", "decompress_members"}


def test_cut_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever came before the end is there, to the byte."""
    data = member(random.Random(3), b"".join(b"<loc>%d</loc>" % number for number in range(150)))
    for end in range(2, len(data)):
        assert agreed(data[:end], monkeypatch) is not None


def test_damaged_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever came before the damage is there, and the message is the same."""
    data = gzip.compress(b"".join(b"<loc>%d</loc>" % number for number in range(150)), mtime=0)
    for place in range(2, len(data)):
        for bit in (1, 16, 128):
            agreed(data[:place] + bytes((data[place] ^ bit,)) + data[place + 1 :], monkeypatch)


def test_each_reads_what_the_other_wrote(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that one installation keeps is read by another."""
    data = content(random.Random(5)) * 20
    assert len(data) > CHUNK
    for writer, reader in ((decode.deflate, zlib), (zlib, decode.deflate)):
        monkeypatch.setattr(body_cache, "deflate", writer)
        kept = packed(io.BytesIO(data), is_gzipped=False)
        monkeypatch.setattr(decode, "deflate", reader)
        assert outcome(kept) == (data, True, None, False)


def test_without_it() -> None:
    """Where it cannot be loaded, the standard library does its work."""
    subprocess.run([sys.executable, "-c", WITHOUT], check=True, timeout=60)
