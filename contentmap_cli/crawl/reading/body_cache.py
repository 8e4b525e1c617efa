"""A disk cache of the bodies of large sitemap files, from which the next scan finds what changed.

Missing or damaged bodies are ignored, and the file is read in full. Each body is one file, named by its
digest and by the context of its rows, written to a temporary name and renamed, so that several processes may
write it. The file has a magic line, a line of JSON with facts of the document, a checksum of the rest, and
the compressed body.
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
"""Maximum bytes of all bodies."""

WORTH_KEEPING: Final = 1_000
"""Minimum entries of a cached file: reading fewer takes as long as caching them."""

_MAGIC: Final = b"contentmap body 1"
_READING: Final = 2
"""Increment it when a parser gives other rows for the same body."""

_PIECE: Final = 1024 * 1024
"""Bytes that are compressed per call."""

_ROOM: Final = 0.9  # share of the limit that is kept by `trim`
_FACTS: Final = ("entries", "decoded_bytes", "has_lastmod", "has_priority", "has_changefreq")
_TEXTS: Final = ("generator", "root")


class Kept(NamedTuple):
    """A cached body, decoded, and the document that it gave."""

    document: Document
    body: bytearray


@dataclass(frozen=True, slots=True)
class BodyCache:
    """The cache in one folder, which is created on first use, readable by this user only."""

    folder: Path

    def name(self, digest: str, url: str, scope: Scope, limits: Limits, charset: str = "") -> Path:
        """Return the path of a body with this digest that came from a sitemap's `url` and is read with these
        parameters.

        `charset` is that of its Content-Type.
        """
        context = (__version__, _READING, url, scope.site, scope.host, limits.url_length, charset)
        mark = hashlib.blake2b(repr(context).encode("utf-8", "replace"), digest_size=8).hexdigest()
        return self.folder / f"{digest}-{mark}"

    def has(self, place: Path) -> bool:
        """Return whether the file exists."""
        try:
            return place.exists()
        except OSError:
            return False

    def load(self, place: Path, limits: Limits) -> Kept | None:
        """Return the cached body, or None if it is missing or damaged."""
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
        # verified by the checksum of the packed body: hashing it again would be slow
        body = decode(BytesIO(packed), limits, hashed=False)
        return Kept(document, body.content) if body.whole and body.size == document.decoded_bytes else None

    def store(self, place: Path, document: Document, packed: bytes) -> int:
        """Store a gzipped body and return the size of the file in bytes. Raise OSError if that fails."""
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
        """Mark a body as used."""
        with contextlib.suppress(OSError):
            os.utime(place)

    def trim(self, most: int = MOST_BYTES) -> None:
        """Remove the least recently used bodies above the limit."""
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
    """A decoded body. `whole`: nothing is damaged, missing, or left over."""

    content: bytearray
    digest: str
    is_gzipped: bool
    whole: bool

    @property
    def size(self) -> int:
        """The length in bytes."""
        return len(self.content)


def decode(source: BinaryIO, limits: Limits, *, hashed: bool = True) -> Decoded:
    """Decode a body into memory, up to `Limits.body_bytes`. The digest is empty unless it is `hashed`."""
    body = Body(source, limits, hashed=hashed)
    content = bytearray()
    for chunk in body.chunks():
        content += chunk
    whole = body.failure is None and not body.trailing_garbage
    return Decoded(content, body.digest, body.is_gzipped, whole)


def packed(source: BinaryIO, *, is_gzipped: bool) -> bytes:
    """Return a body compressed: unchanged if it was, else with the fastest level."""
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
