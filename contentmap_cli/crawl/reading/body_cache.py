"""Bodies of large sitemap files, kept on this machine's disk until the next scan asks what changed in them.

A cache and nothing else: what is missing, damaged or strange is not there, and the file is read as ever. One
file a body, named by its digest and by what else its rows hang on; written aside and renamed, so that
processes may write the same one at once. Its first line says what it is, the second what the parser said of
the body, the third is a checksum of the rest, and then comes the body, compressed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from contentmap_cli import __version__
from contentmap_cli.models import Document, DocumentKind, Limits
from contentmap_cli.models.hosts import Scope
from contentmap_cli.sitemap.decode import GZIP_WINDOW, Body, deflate

MOST_BYTES: Final = 1024**3
"""Bytes of all bodies together; beyond them, what was used longest ago goes."""

WORTH_KEEPING: Final = 1_000
"""Entries of a file. To read fewer costs about as much as to keep them."""

_MAGIC: Final = b"contentmap body 1"
_READING: Final = 2
"""To be raised where a parser makes other rows of the same body."""

_PIECE: Final = 1024 * 1024
"""Bytes that are compressed at once."""

_ROOM: Final = 0.9  # of `MOST_BYTES`, once something had to go
_FACTS: Final = ("entries", "decoded_bytes", "has_lastmod", "has_priority", "has_changefreq")
_TEXTS: Final = ("generator", "root")


class Kept(NamedTuple):
    """A body that an earlier scan read, decoded, and what the parser said of it."""

    document: Document
    body: bytearray


@dataclass(frozen=True, slots=True)
class BodyCache:
    """The cache in one folder, which is made on first use, for this user alone. Plain data."""

    folder: Path

    def name(self, digest: str, url: str, scope: Scope, limits: Limits, charset: str = "") -> Path:
        """Where a body with this digest lies, that came from a sitemap's `url` and is read like this.
        `charset` is what its Content-Type says."""
        context = (__version__, _READING, url, scope.site, scope.host, limits.url_length, charset)
        mark = hashlib.blake2b(repr(context).encode("utf-8", "replace"), digest_size=8).hexdigest()
        return self.folder / f"{digest}-{mark}"

    def has(self, place: Path) -> bool:
        """Whether something lies there."""
        try:
            return place.exists()
        except OSError:
            return False

    def load(self, place: Path, limits: Limits) -> Kept | None:
        """What lies there, if it is whole."""
        try:
            magic, facts, checksum, packed = place.read_bytes().split(b"\n", 3)
            if magic != _MAGIC or checksum != _checksum(facts, packed):
                return None
            said: dict[str, Any] = json.loads(facts)
            document = Document(
                DocumentKind.URLSET,
                complete=True,
                encoding="utf-8",
                digest=place.name.partition("-")[0],
                plain=True,
                **{name: said[name] for name in (*_FACTS, *_TEXTS)},
            )
        except (OSError, ValueError, KeyError):
            return None
        # what is unpacked has the checksum of what was packed: to hash it again would cost more than to parse
        # what changed in it
        body = decode(BytesIO(packed), limits, hashed=False)
        return Kept(document, body.content) if body.whole and body.size == document.decoded_bytes else None

    def store(self, place: Path, document: Document, packed: bytes) -> int:
        """Keeps a body that came or was made gzipped, and says how many bytes that takes. OSError says why it
        could not."""
        facts = json.dumps({name: getattr(document, name) for name in (*_FACTS, *_TEXTS)}).encode()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, aside = tempfile.mkstemp(prefix=".", dir=self.folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(b"\n".join((_MAGIC, facts, _checksum(facts, packed), packed)))
                size = file.tell()
            Path(aside).replace(place)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(aside).unlink()
            raise
        return size

    def touch(self, place: Path) -> None:
        """Notes that a body was of use."""
        with contextlib.suppress(OSError):
            os.utime(place)

    def trim(self, most: int = MOST_BYTES) -> None:
        """Removes what was used longest ago where there is too much."""
        found = []
        with contextlib.suppress(OSError), os.scandir(self.folder) as files:
            for file in files:
                with contextlib.suppress(OSError):
                    seen = file.stat(follow_symlinks=False)
                    found.append((seen.st_mtime_ns, seen.st_size, file.path))
        size = sum(each[1] for each in found)
        if size <= most:
            return
        for _, bytes_, path in sorted(found):
            if size <= most * _ROOM:
                return
            with contextlib.suppress(OSError):
                Path(path).unlink()
                size -= bytes_


class Decoded(NamedTuple):
    """A body as it is meant. `whole`: nothing is damaged, missing, or left over."""

    content: bytearray
    digest: str
    is_gzipped: bool
    whole: bool

    @property
    def size(self) -> int:
        """Its bytes."""
        return len(self.content)


def decode(source: BinaryIO, limits: Limits, *, hashed: bool = True) -> Decoded:
    """A whole body in memory: up to `Limits.body_bytes`. Its digest is empty unless it is `hashed`."""
    body = Body(source, limits, hashed=hashed)
    content = bytearray()
    for chunk in body.chunks():
        content += chunk
    whole = body.failure is None and not body.trailing_garbage
    return Decoded(content, body.digest, body.is_gzipped, whole)


def packed(source: BinaryIO, *, is_gzipped: bool) -> bytes:
    """Return a body as it came if that is compressed, and compressed cheaply otherwise."""
    source.seek(0)
    if is_gzipped:
        return source.read()
    engine = deflate.compressobj(1, wbits=GZIP_WINDOW)
    parts = [engine.compress(piece) for piece in iter(lambda: source.read(_PIECE), b"")]
    return b"".join((*parts, engine.flush()))


def _checksum(facts: bytes, packed: bytes) -> bytes:
    digest = hashlib.blake2b(facts, digest_size=16)
    digest.update(packed)
    return digest.hexdigest().encode()
